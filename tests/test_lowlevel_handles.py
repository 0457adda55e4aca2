"""The ioctls of pidfds, and file handles of namespaces."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from newer import need
from provoking import (
    another_process,
    need_own_user,
    own_user,
    zombie,
)
from support import ALL_TYPES, identity, in_child, missing, own

from pynamespaces import (
    NamespaceGoneError,
    NamespaceType,
    NoSuchProcessError,
    NotANamespaceError,
    SystemCallError,
    UnsupportedError,
    lowlevel,
)

L = lowlevel
POWER = pytest.mark.tier("root", "userns")
PIDFD_LINKS = [*ALL_TYPES, "pid_for_children", "time_for_children"]
PID_IOCTLS = (
    L.ns_get_pid_in_pidns,
    L.ns_get_pid_from_pidns,
    L.ns_get_tgid_in_pidns,
    L.ns_get_tgid_from_pidns,
)


Step: TypeAlias = Callable[[int], tuple[int, object]]


def link(type: str, pid: int | str = "thread-self") -> str:
    """Return the path of a namespace."""
    return f"/proc/{pid}/ns/{type}"


# --- pidfds ---


def _pidfd_ioctl(name: str) -> Callable[[int], int]:
    return getattr(lowlevel, f"pidfd_get_{name}_namespace")  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", PIDFD_LINKS)
def test_namespace_of_pidfd(name: str) -> None:
    """A pidfd's namespace is that of the process's link."""
    need("pidfd-namespaces")
    with another_process() as pid:
        pidfd = lowlevel.pidfd_open(pid)
        fd = _pidfd_ioctl(name)(pidfd)
        assert identity(fd) == identity(link(name, pid))
        assert not os.get_inheritable(fd)
        os.close(fd)
        os.close(pidfd)


@POWER
@pytest.mark.parametrize("type", ALL_TYPES)
def test_fresh_namespace_of_pidfd(type: str) -> None:
    """A pidfd's namespace is the process's, not that of who asks."""
    need("pidfd-namespaces")
    name = f"{type}_for_children" if type in ("pid", "time") else type

    def found() -> bool:
        with another_process(lambda: L.unshare(NamespaceType(type).flag)) as pid:
            fd = _pidfd_ioctl(name)(lowlevel.pidfd_open(pid))
            # A pid namespace has no link before its first process.
            there = type == "pid" or identity(fd) == identity(link(name, pid))
            return there and identity(fd) != own(type)

    assert in_child(found)


def test_namespace_of_the_dead() -> None:
    """A zombie has no namespace to open."""
    need("pidfd-namespaces")
    pidfd = lowlevel.pidfd_open(pid := zombie())
    with pytest.raises(NoSuchProcessError):
        lowlevel.pidfd_get_net_namespace(pidfd)
    os.waitpid(pid, 0)
    os.close(pidfd)


# --- handles ---


def _handle(type: str, pid: int | str = "thread-self") -> bytes:
    with open(link(type, pid)) as file:
        try:
            return lowlevel.name_to_handle_at(file)
        except UnsupportedError:
            missing("nsfs-handles", "Linux before 6.18")


@pytest.mark.parametrize("type", ALL_TYPES)
def test_handle_leads_back(type: str) -> None:
    """A handle of the thread's own namespace opens that namespace."""
    handle = _handle(type)
    assert len(handle) == 16
    fd = lowlevel.open_by_handle_at(handle)
    assert identity(fd) == own(type)
    assert lowlevel.name_to_handle_at(fd) == handle
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.tier("root")
def test_handle_of_another() -> None:
    """With power over all, a handle of any living namespace opens it."""
    with another_process(lambda: L.unshare(L.CLONE_NEWUTS)) as pid:
        fd = lowlevel.open_by_handle_at(_handle("uts", pid))
        assert identity(fd) == identity(link("uts", pid))
        os.close(fd)


def test_handle_without_power() -> None:
    """A namespace that is not the caller's is as good as dead, which the text says."""
    need("nsfs-handles")
    need_own_user()

    def open_outside() -> None:
        handle = _handle("uts")
        own_user(L.CLONE_NEWUTS)
        lowlevel.open_by_handle_at(handle)

    with pytest.raises(NamespaceGoneError, match="not the caller's to open"):
        in_child(open_outside)


@POWER
def test_handle_does_not_keep_alive() -> None:
    """A handle of a dead namespace is a NamespaceGoneError, a LookupError too."""
    with another_process(lambda: L.unshare(L.CLONE_NEWUTS)) as pid:
        handle = _handle("uts", pid)
    with pytest.raises(NamespaceGoneError, match="has died") as caught:
        lowlevel.open_by_handle_at(handle)
    assert isinstance(caught.value, LookupError)
    cause = caught.value.__cause__
    assert isinstance(cause, SystemCallError)
    assert (cause.errno, cause.syscall) == (errno.ESTALE, "open_by_handle_at")


@POWER
def test_handle_of_the_dead_whose_number_lives() -> None:
    """The namespace that got the dead one's inode number is not taken for it."""
    _handle("uts")

    def find() -> tuple[bool, str]:
        lowlevel.unshare(L.CLONE_NEWUTS)
        handle, number = _handle("uts"), own("uts")
        for _ in range(200):
            lowlevel.unshare(L.CLONE_NEWUTS)
            if own("uts") == number:
                break
        try:
            os.close(lowlevel.open_by_handle_at(handle))
        except NamespaceGoneError:
            return own("uts") == number, "gone"
        return own("uts") == number, "opened"

    assert in_child(find) == (True, "gone")


@pytest.mark.parametrize("what", ["file", "folder", "pipe", "pidfd", "socket"])
def test_handle_of_no_namespace(what: str, tmp_path: Path) -> None:
    """What is no namespace is a NotANamespaceError, whatever file system it is on."""
    _handle("uts")
    (tmp_path / "file").touch()
    opened = {
        "file": lambda: os.open(tmp_path / "file", os.O_RDONLY),
        "folder": lambda: os.open(tmp_path, os.O_RDONLY),
        "pipe": lambda: os.pipe()[0],
        "pidfd": lambda: lowlevel.pidfd_open(os.getpid()),
        "socket": lambda: socket.socket(socket.AF_UNIX).detach(),
    }

    def ask() -> None:
        lowlevel.name_to_handle_at(opened[what]())

    with pytest.raises(NotANamespaceError):
        in_child(ask)


@pytest.mark.parametrize("length", [1, 8, 15])
def test_handle_that_is_too_short(length: int) -> None:
    """Fewer bytes than a handle of a namespace has are a ValueError."""
    _handle("uts")
    with pytest.raises(ValueError, match="handle"):
        os.close(lowlevel.open_by_handle_at(bytes(length)))


def test_handle_made_up() -> None:
    """A handle that names nothing is a NamespaceGoneError."""
    _handle("uts")
    with pytest.raises(NamespaceGoneError):
        os.close(lowlevel.open_by_handle_at(b"\xff" * 16))
