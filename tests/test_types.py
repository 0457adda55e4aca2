"""The vocabulary: namespace types, clone flags, identities."""

import dataclasses
import os
import pickle

import pytest
from support import ALL_TYPES

from pynamespaces import CloneFlag, Namespace, NamespaceId, NamespaceType, lowlevel
from pynamespaces._types import flags_of, parse_types, types_of

# kernel-facts 1.2, from linux/sched.h
NUMBERS = {
    "CLONE_NEWTIME": 0x80,
    "CLONE_VM": 0x100,
    "CLONE_FS": 0x200,
    "CLONE_FILES": 0x400,
    "CLONE_SIGHAND": 0x800,
    "CLONE_PIDFD": 0x1000,
    "CLONE_PTRACE": 0x2000,
    "CLONE_VFORK": 0x4000,
    "CLONE_PARENT": 0x8000,
    "CLONE_THREAD": 0x10000,
    "CLONE_NEWNS": 0x20000,
    "CLONE_SYSVSEM": 0x40000,
    "CLONE_SETTLS": 0x80000,
    "CLONE_PARENT_SETTID": 0x100000,
    "CLONE_CHILD_CLEARTID": 0x200000,
    "CLONE_DETACHED": 0x400000,
    "CLONE_UNTRACED": 0x800000,
    "CLONE_CHILD_SETTID": 0x1000000,
    "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000,
    "CLONE_NEWIPC": 0x8000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
    "CLONE_IO": 0x80000000,
    "CLONE_CLEAR_SIGHAND": 1 << 32,
    "CLONE_INTO_CGROUP": 1 << 33,
}
FLAG_NAMES = {type: f"CLONE_NEW{type.upper()}" for type in ALL_TYPES}
FLAG_NAMES["mnt"] = "CLONE_NEWNS"

ID = NamespaceId(NamespaceType.NET, 4, 4026531840, 3)


def test_eight_types() -> None:
    """There are eight types, named as the kernel names their links."""
    assert tuple(NamespaceType) == ALL_TYPES
    assert [member.name for member in NamespaceType] == [t.upper() for t in ALL_TYPES]


def test_kernel_knows_no_other_type() -> None:
    """Every link under /proc is of one of the types."""
    names = {name.removesuffix("_for_children") for name in os.listdir("/proc/self/ns")}
    assert names <= set(NamespaceType)


@pytest.mark.parametrize("name", ALL_TYPES)
def test_type_is_a_string(name: str) -> None:
    """A member equals its name, reads as it, and is made from it."""
    member = NamespaceType(name)
    assert member == name
    assert f"{member}" == str(member) == name
    assert {name: 1}[member] == 1
    assert NamespaceType(member) is member


@pytest.mark.parametrize("name", ALL_TYPES)
def test_flag_and_back(name: str) -> None:
    """A type and its flag belong together, both ways."""
    flag = NamespaceType(name).flag
    assert isinstance(flag, CloneFlag)
    assert flag == NUMBERS[FLAG_NAMES[name]]
    assert NamespaceType.from_flag(flag) is NamespaceType(name)
    assert NamespaceType.from_flag(int(flag)) is NamespaceType(name)


@pytest.mark.parametrize(
    "flag",
    [0, -1, 1, 0x100, 0x20080, 0x40000000 | 0x4000000, 0x80000000, 1 << 32],
)
def test_flag_of_no_type(flag: int) -> None:
    """What is not the flag of one type is refused, and the eight are named."""
    with pytest.raises(ValueError, match="is not the flag of one namespace") as caught:
        NamespaceType.from_flag(flag)
    assert all(name in str(caught.value) for name in FLAG_NAMES.values())


@pytest.mark.parametrize("name", ["", "NET", "network", "net ", "mount", "pidfd", "né"])
def test_unknown_name(name: str) -> None:
    """An unknown name is a ValueError that lists the eight."""
    with pytest.raises(ValueError, match="is not a namespace type") as caught:
        NamespaceType(name)
    assert repr(name) in str(caught.value)
    assert all(repr(type) in str(caught.value) for type in ALL_TYPES)


@pytest.mark.parametrize("value", [None, 0, 0x40000000, b"net", ["net"], CloneFlag(0)])
def test_name_that_is_no_string(value: object) -> None:
    """What is no string at all is a TypeError that lists the eight."""
    with pytest.raises(TypeError, match="is not a namespace type") as caught:
        NamespaceType(value)  # type: ignore[arg-type]
    assert all(repr(type) in str(caught.value) for type in ALL_TYPES)


@pytest.mark.parametrize("wrong", ["network", "NET"])
def test_unknown_name_at_the_front_door(wrong: str) -> None:
    """The ways to open a namespace pass the ValueError on."""
    with pytest.raises(ValueError, match="'uts'"):
        Namespace.current(wrong)  # type: ignore[call-overload]


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_clone_flag(name: str, number: int) -> None:
    """A flag has the kernel's number, here, in lowlevel and in the os module."""
    assert CloneFlag[name] == number
    assert getattr(lowlevel, name) == number
    assert getattr(os, name, number) == number


def test_clone_flags_are_all() -> None:
    """No flag is without a number here, and none of the os module's is missing."""
    assert set(CloneFlag.__members__) == set(NUMBERS)
    in_os = {name for name in dir(os) if name.startswith("CLONE_")}
    assert in_os <= set(CloneFlag.__members__)


def test_clone_flags_combine() -> None:
    """Flags combine to a flag, and unknown bits are kept."""
    both = CloneFlag.CLONE_NEWNET | CloneFlag.CLONE_NEWUTS
    assert isinstance(both, CloneFlag)
    assert CloneFlag.CLONE_NEWNET in both
    assert int(CloneFlag(1 << 40)) == 1 << 40


def test_types_of_flags() -> None:
    """Types and flags turn into one another, other flags being left out."""
    net, uts = NamespaceType.NET, NamespaceType.UTS
    assert types_of(uts.flag | net.flag | CloneFlag.CLONE_FS) == (net, uts)
    assert types_of(0) == ()
    assert flags_of((net, uts)) == net.flag | uts.flag
    assert flags_of(()) == 0
    assert parse_types(("uts", net, "uts")) == (uts, net)


def test_id_reads_as_the_kernel_writes_it() -> None:
    """The text of an id is that of the link."""
    link = "/proc/self/ns/uts"
    assert str(Namespace.from_path(link).id) == os.readlink(link)
    assert str(ID) == "net:[4026531840]"


def test_id_has_the_facts_of_the_file() -> None:
    """An id has the device and the inode that stat tells."""
    facts = os.stat("/proc/self/ns/uts")
    found = Namespace.from_path("/proc/self/ns/uts").id
    assert (found.type, found.dev, found.ino) == ("uts", facts.st_dev, facts.st_ino)


def test_id_is_plain_data() -> None:
    """An id cannot be changed, has no room for more, and can be a key."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        ID.ino = 1  # type: ignore[misc]
    assert not hasattr(ID, "__dict__")
    assert {ID: 1}[dataclasses.replace(ID)] == 1
    assert NamespaceId(NamespaceType.NET, 4, 1).unique is None


@pytest.mark.parametrize(
    "change",
    [
        {"type": NamespaceType.UTS},
        {"dev": 5},
        {"ino": 4026531841},
        {"unique": 4},
        {"unique": None},
    ],
)
def test_ids_that_differ(change: dict[str, object]) -> None:
    """Ids that differ in anything are not equal; one inode number may live again."""
    assert dataclasses.replace(ID, **change) != ID  # type: ignore[arg-type]


def test_id_survives_pickling() -> None:
    """An id can be sent, its type staying a member."""
    copy = pickle.loads(pickle.dumps(ID))
    assert copy == ID
    assert copy.type is NamespaceType.NET
