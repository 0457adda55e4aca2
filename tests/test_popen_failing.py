"""Each step that fails: told which and why, nothing is left, no program has run."""

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest
from creating import POWER
from holding import in_own_userns
from provoking import _SYSCALLS, drop_capabilities, hide_proc, mount, refuse_calls
from starting import (
    TYPES,
    Marker,
    Options,
    fresh_proc,
    makable,
    marker,
    members,
    refused,
)
from support import in_child
from targets import fresh, holder

from pynamespaces import (
    IdMap,
    NamespaceSet,
    Popen,
    SpawnError,
    SystemCallError,
    TypeLike,
    run,
)

__all__ = ["marker"]

OTHERS: list[TypeLike] = [type for type in TYPES if type != "user"]


_CALLS = {"sethostname": (170, 161), "mount": (165, 40), "socket": (41, 198)}
_CALLS |= {"capset": (126, 91), "setresuid": (117, 147), "prctl": (157, 167)}
_CALLS |= {"execve": (59, 221), "mount_setattr": (442, 442), "pivot_root": (155, 41)}


def refuse(**errors: int) -> None:
    """Have the kernel refuse calls that programs are started with, for good."""
    for name, (x86, generic) in _CALLS.items():
        _SYSCALLS.setdefault(name, x86 if _SYSCALLS["setns"] == 308 else generic)
    refuse_calls(**errors)


# --- clone ---


@pytest.mark.parametrize("type", OTHERS)
def test_clone_without_power(type: TypeLike, marker: Marker) -> None:
    """Without power there is no fresh namespace, and it is said what works."""

    def check() -> None:
        drop_capabilities()
        error = refused("clone", errno.EPERM, *marker, new=["ipc", type])
        assert isinstance(error, SystemCallError)
        assert type in error.types
        assert error.reason
        assert "user" in str(error)

    in_child(check)


@pytest.mark.parametrize("type", TYPES)
def test_clone_limit(type: TypeLike, marker: Marker) -> None:
    """A limit on namespaces of one type is told by its name."""

    def check() -> None:
        Path(f"/proc/sys/user/max_{type}_namespaces").write_text("0")
        error = refused("clone", errno.ENOSPC, *marker, new=[type])
        assert f"max_{type}_namespaces" in str(error)
        refused("clone", errno.ENOSPC, *marker, new=["ipc", "uts", type])

    in_own_userns(check)


# --- setns ---


@POWER
@pytest.mark.parametrize("type", OTHERS)
def test_setns_without_power(type: TypeLike, marker: Marker) -> None:
    """Without power nothing is joined."""
    with fresh(type) as target:

        def check() -> None:
            drop_capabilities()
            error = refused("setns", errno.EPERM, *marker, join=target)
            assert type in error.types

        in_child(check)


def test_setns_half(marker: Marker) -> None:
    """Where one of several is refused, nothing is done in the others."""
    with holder("user", "net") as pid, members(pid, "user", "net") as target:
        with closing(NamespaceSet.new("user", "uts")) as other:

            def check() -> None:
                drop_capabilities()
                mixed = [target["user"], target["net"], other["uts"]]
                refused("setns", errno.EPERM, *marker, join=mixed)

            in_child(check)


# --- maps ---


def test_uid_map(marker: Marker) -> None:
    """Ids that are not one's own are refused."""
    foreign = IdMap([(0, os.geteuid(), 1), (1, 54321, 1)])

    def check() -> None:
        drop_capabilities()
        refused("uid_map", errno.EPERM, *marker, new="user", uid_map=foreign)

    in_child(check)


def test_gid_map(marker: Marker) -> None:
    """So are groups that are not, whatever becomes of the uids."""
    foreign = IdMap([(0, os.getegid(), 1), (1, 54321, 1)])

    def check() -> None:
        drop_capabilities()
        own = IdMap([(0, os.geteuid(), 1)])
        options = Options(new=("user", "uts"), uid_map=own, gid_map=foreign)
        with pytest.raises(SpawnError) as caught:
            Popen(marker, **options)
        # To map id 0 takes a capability as well.
        steps = ("gid_map", "uid_map") if os.geteuid() == 0 else ("gid_map",)
        assert caught.value.step in steps
        assert caught.value.errno == errno.EPERM
        assert isinstance(caught.value, PermissionError)

    in_child(check)


def test_without_proc(marker: Marker) -> None:
    """Without /proc no map can be written, and it is said that it is not there."""

    def check() -> str:
        hide_proc()
        with pytest.raises(SpawnError) as caught:
            Popen(marker, new="user")
        assert caught.value.step in ("uid_map", "gid_map", "setgroups")
        return str(caught.value)

    assert "/proc" in in_own_userns(check, "mnt")


# --- clocks, names, interfaces ---


@pytest.mark.parametrize("name", ["monotonic", "boottime"])
def test_time_offsets(name: str, marker: Marker) -> None:
    """A clock cannot be set to before the beginning."""
    options = Options(new=makable("time", "net"), time_offsets={name: -1e9})
    refused("time_offsets", errno.ERANGE, *marker, **options)


CASES: list[tuple[str, dict[str, int], Options]] = [
    ("hostname", {"sethostname": errno.EPERM}, Options(hostname="x")),
    ("loopback", {"socket": errno.EMFILE}, Options()),
    ("propagation", {"mount": errno.ENOMEM, "mount_setattr": errno.ENOMEM}, Options()),
    ("caps", {"capset": errno.EPERM}, Options(caps="drop")),
    ("caps", {"capset": errno.EPERM}, Options(caps=["chown"])),
    ("caps", {"prctl": errno.EINVAL}, Options(caps="keep")),
    ("caps", {"prctl": errno.EINVAL}, Options(no_new_privs=True)),
    ("execve", {"execve": errno.ENOMEM}, Options()),
]


@pytest.mark.parametrize(("step", "errors", "more"), CASES)
@pytest.mark.parametrize("init", [True, False])
def test_refused_by_a_filter(
    step: str, errors: dict[str, int], more: Options, init: bool, marker: Marker
) -> None:
    """Whatever a filter forbids, the step is told and its errno."""
    types: list[TypeLike] = ["user", "uts", "net", "mnt"]
    if init:
        types.append("pid")
    options: Options = {"new": types, "mount_proc": False, **more}

    def check() -> None:
        refuse(**errors)
        refused(step, next(iter(errors.values())), *marker, **options)

    in_child(check)


def test_mount_proc(marker: Marker) -> None:
    """Where a part of ``/proc`` is hidden, another user namespace has none either."""
    fresh_proc()

    def check() -> None:
        mount("none", "/proc/sys", "tmpfs")
        new: tuple[TypeLike, ...] = ("user", "pid", "mnt")
        refused("mount_proc", errno.EPERM, *marker, new=new)
        assert run(["true"], new=new, mount_proc=False).returncode == 0

    in_own_userns(check, "mnt")
