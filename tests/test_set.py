"""`NamespaceSet`: a mapping, entered and left as one."""

import os
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import pytest
from holding import holder
from support import ALL_TYPES, identity, in_child, own_all
from watching import bystanders

from pynamespaces import (
    CloneFlag,
    ClosedNamespaceError,
    Namespace,
    NamespaceSet,
    NamespaceType,
    NoSuchProcessError,
    TypeLike,
)

T = TypeVar("T")
Run = Callable[[Callable[[], T]], T]

powerful = pytest.mark.tier("root", "userns")


# --- the mapping ---


def test_mapping() -> None:
    """A set is a mapping by type, whose keys may be strings."""
    with closing(NamespaceSet.current("uts", "net")) as members:
        assert len(members) == 2
        assert set(members) == {NamespaceType.UTS, NamespaceType.NET}
        assert all(isinstance(type, NamespaceType) for type in members)
        assert members["net"] is members[NamespaceType.NET]
        assert members["net"].type is NamespaceType.NET
        assert "net" in members
        assert NamespaceType.UTS in members
        assert "ipc" not in members
        assert NamespaceType.IPC not in members
        assert members.get(NamespaceType.IPC) is None
        assert members.get(NamespaceType.NET) is members["net"]
        assert members.get("net") is members["net"]
        assert [space.type for space in members.values()] == list(members)
        assert dict(members) == dict(members.items())


def test_absent() -> None:
    """A type without member is a KeyError; what is no type, a ValueError."""
    with closing(NamespaceSet.current("uts")) as members:
        with pytest.raises(KeyError):
            members["net"]
        with pytest.raises(ValueError, match=r"cgroup.*ipc.*mnt.*net.*pid.*time.*user"):
            members["network"]  # type: ignore[index]
        assert "network" not in members


def test_equality() -> None:
    """Sets are equal when they have the same namespaces, and cannot be changed."""
    with (
        closing(NamespaceSet.current("uts", "net")) as one,
        closing(NamespaceSet.current("net", "uts")) as other,
        closing(NamespaceSet.current("net")) as less,
    ):
        assert one == other
        assert one != less
        assert not hasattr(one, "__setitem__")


def test_empty() -> None:
    """An empty set is entered and left without a change."""
    before = own_all()
    with NamespaceSet() as entered:
        assert own_all() == before
    assert own_all() == before
    assert (len(entered), entered.flags) == (0, 0)


@pytest.mark.parametrize("wrong", [1, "net", None, object()], ids=repr)
def test_wrong_member(wrong: object) -> None:
    """Only namespaces can be members."""
    with pytest.raises(TypeError):
        NamespaceSet([wrong])  # type: ignore[list-item]


def test_duplicates() -> None:
    """Two members of one type are refused, and stay the caller's."""
    one, other = Namespace.current("net"), Namespace.current("net")
    with pytest.raises(ValueError, match="net"):
        NamespaceSet([one, other])
    assert not one.closed
    assert not other.closed
    one.close()
    other.close()


@pytest.mark.parametrize("opener", ["current", "from_pid", "from_pidfd"])
@pytest.mark.parametrize("types", [(), ("uts",), ("net", "user", "pid")], ids=repr)
def test_open(opener: str, types: tuple[TypeLike, ...]) -> None:
    """A set is opened of the types asked for, or of all that the kernel has."""
    pidfd = os.pidfd_open(os.getpid())
    members = {
        "current": lambda: NamespaceSet.current(*types),
        "from_pid": lambda: NamespaceSet.from_pid(os.getpid(), *types),
        "from_pidfd": lambda: NamespaceSet.from_pidfd(pidfd, *types),
    }[opener]()
    os.close(pidfd)
    present = [type for type in ALL_TYPES if os.path.exists(f"/proc/self/ns/{type}")]
    assert set(members) == set(types or present)
    for type, member in members.items():
        assert identity(member.fileno()) == identity(f"/proc/thread-self/ns/{type}")
    members.close()


def test_open_thread() -> None:
    """A set of a thread id has that thread's namespaces."""
    with bystanders(1):
        tids = {int(name) for name in os.listdir("/proc/self/task")} - {os.getpid()}
        with closing(NamespaceSet.from_pid(tids.pop())) as members:
            assert {str(type) for type in members} == set(ALL_TYPES)


@pytest.mark.parametrize("pid", [0, -1])
def test_open_wrong_pid(pid: int) -> None:
    """A pid is positive."""
    with pytest.raises(ValueError, match="pid"):
        NamespaceSet.from_pid(pid)


def test_open_dead() -> None:
    """A dead process is said to be one, and no descriptor stays open."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    pidfd = os.pidfd_open(child)
    os.waitpid(child, 0)
    with pytest.raises(NoSuchProcessError):
        NamespaceSet.from_pid(child)
    with pytest.raises(NoSuchProcessError):
        NamespaceSet.from_pidfd(pidfd)
    os.close(pidfd)


def test_flags() -> None:
    """The flags of a set are those of its types in one value."""
    with closing(NamespaceSet.current("net", "mnt")) as members:
        assert members.flags == CloneFlag.CLONE_NEWNET | CloneFlag.CLONE_NEWNS
        assert isinstance(members.flags, CloneFlag)


def test_differing() -> None:
    """What differs are the members that the other has not, and the same objects."""

    def compare() -> None:
        with (
            holder("user", "uts") as target,
            closing(NamespaceSet.current()) as mine,
            closing(NamespaceSet.from_pid(target.pid)) as theirs,
        ):
            assert set(theirs.differing(mine)) == {"user", "uts"}
            assert theirs.differing(mine)["uts"] is theirs["uts"]
            assert len(mine.differing(mine)) == 0
            assert mine.differing({}) == mine
            assert set(mine.differing({NamespaceType.NET: mine["net"]})) == (
                set(mine) - {"net"}
            )

    in_child(compare)


def test_close() -> None:
    """Closing, once or twice, closes the members and the set's own pidfd."""
    before = set(os.listdir("/proc/self/fd"))
    members = NamespaceSet.from_pid(os.getpid(), "net", "uts")
    assert len(os.listdir("/proc/self/fd")) == len(before) + 3
    members.close()
    members.close()
    assert all(member.closed for member in members.values())
    assert set(os.listdir("/proc/self/fd")) == before


def test_dropped() -> None:
    """A set that nobody holds any more leaves no descriptor open."""
    before = set(os.listdir("/proc/self/fd"))
    NamespaceSet.from_pid(os.getpid())
    assert set(os.listdir("/proc/self/fd")) == before


def test_member_outlives_set() -> None:
    """A member that is still in use outlives a set that nobody holds."""
    with closing(NamespaceSet.from_pid(os.getpid(), "net")["net"]) as member:
        assert identity(member.fileno()) == identity("/proc/self/ns/net")


@pytest.mark.parametrize("close", ["set", "member"])
def test_closed(close: str) -> None:
    """A set with a closed member is not entered, even where the thread is already."""
    members = NamespaceSet.current("net", "uts")
    (members if close == "set" else members["uts"]).close()
    before = own_all()
    with pytest.raises(ClosedNamespaceError), members:
        pass
    with pytest.raises(ClosedNamespaceError), members.enter():
        pass
    assert own_all() == before
    members.close()


def test_repr() -> None:
    """A set shows its class and its members."""
    with closing(NamespaceSet.current("net", "uts")) as members:
        assert repr(members).startswith("<NamespaceSet ")
        for member in members.values():
            assert str(member.id) in repr(members)


def test_subclass() -> None:
    """The openers return the class on which they are called."""

    class Mine(NamespaceSet):
        pass

    with closing(Mine.current("net")) as members:
        assert type(members) is Mine
