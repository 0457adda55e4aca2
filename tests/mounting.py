"""Fresh mount namespaces, and what is mounted in them."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from errno import ENOSYS
from typing import TypeVar

import pytest
from provoking import FakeLib
from support import in_child, missing

from pynamespaces import Namespace, lowlevel
from pynamespaces._core import statmount
from pynamespaces._core.mounts import Mount, list_mounts
from pynamespaces._lib import lib, new_creation

T = TypeVar("T")

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_SYNCHRONOUS = 1, 2, 4, 8, 16
MS_NOSYMFOLLOW, MS_NOATIME, MS_NODIRATIME, MS_BIND = 256, 1024, 2048, 4096
MS_DIRSYNC, MS_STRICTATIME, MS_LAZYTIME = 128, 1 << 24, 1 << 25
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _MOUNT_ATTR_IDMAP = 1, 4, 0x100000
_HERE = "what the test adds"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, path: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def mount(
    path: str,
    flags: int = 0,
    *,
    source: str | None = "none",
    type: str | None = "tmpfs",
    data: str | None = None,
) -> None:
    """Add a mount, or change one."""
    words = [None if word is None else os.fsencode(word) for word in (source, path)]
    kind, more = (None if word is None else word.encode() for word in (type, data))
    _check(_libc.mount(*words, kind, ctypes.c_ulong(flags), more), path)


def bind_idmapped(path: str, userns: int) -> None:
    """Bind a directory over itself, with its ids mapped."""
    tree = _libc.syscall(_OPEN_TREE, _AT_FDCWD, path.encode(), _OPEN_TREE_CLONE)
    wanted = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_IDMAP, 0, 0, userns)
    empty = _AT_EMPTY_PATH
    _check(_libc.syscall(_MOUNT_SETATTR, tree, b"", empty, wanted, 32), path)
    empty = _MOVE_MOUNT_F_EMPTY_PATH
    _check(_libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, path.encode(), empty), path)


def unmount(path: str) -> None:
    """Take a mount away."""
    _check(_libc.umount2(os.fsencode(path), MNT_DETACH), path)


def copy_mounts() -> None:
    """Move to a copy of the mount namespace, where all still propagates."""
    _check(_libc.unshare(lowlevel.CLONE_NEWNS), "unshare")


def inside(fd: int, function: Callable[[], T]) -> T:
    """Run in a child that has entered a mount namespace."""

    def run() -> T:
        lowlevel.setns(fd, lowlevel.CLONE_NEWNS)
        return function()

    return in_child(run)


@contextmanager
def fresh_mounts(
    arrange: Callable[[], object] | None = None, *, needs: str | None = None
) -> Iterator[int]:
    """Make a mount namespace, with a tmpfs at /mnt and what *arrange* adds there."""
    what = new_creation()
    what.flags, what.owner, what.count = lib.CLONE_NEWNS, -1, 1
    what.nstypes[0] = lib.CLONE_NEWNS
    assert lib.pyns_create(what) >= 0
    fd = what.fds[0]

    def furnish() -> None:
        mount("/mnt", source=_HERE)
        os.chdir("/mnt")
        if arrange is not None:
            arrange()

    try:
        try:
            inside(fd, furnish)
        except OSError as error:
            if needs is None:
                raise
            missing(needs, str(error))
        yield fd
    finally:
        os.close(fd)


def added(found: list[Mount]) -> list[Mount]:
    """Return what *arrange* has mounted."""
    sources = [mount.source for mount in found]
    return found[sources.index(_HERE) + 1 :]


def lines_inside(fd: int) -> list[bytes]:
    """Read the mountinfo of a process in a namespace, as `own_lines` does."""

    def read() -> list[bytes]:
        # The namespace may have no /proc.
        folder = os.open("/proc/thread-self", os.O_PATH)
        lowlevel.setns(fd, lowlevel.CLONE_NEWNS)
        return own_lines(folder)

    return in_child(read)


def own_lines(folder: int | None = None) -> list[bytes]:
    """Read the calling thread's mountinfo, but for what a `Mount` does not have."""
    path = "/proc/thread-self/mountinfo" if folder is None else "mountinfo"
    with open(os.open(path, os.O_RDONLY, dir_fd=folder), "rb") as file:
        # Before Linux 6.3 this is not escaped in sources.
        lines = file.read().replace(b"#", rb"\043").split(b"\n")[:-1]
    return [
        b" ".join(w for w in line.split(b" ") if not w.startswith(b"propagate_from:"))
        for line in lines
    ]


def _escape(text: str, special: str = " \t\n\\#") -> str:
    return "".join(rf"\{ord(c):03o}" if c in special else c for c in text)


def written(mount: Mount) -> bytes:
    """Write a mount as the kernel does in mountinfo."""
    tags = [f"shared:{mount.shared}"] if mount.shared else []
    tags += [f"master:{mount.master}"] if mount.master else []
    tags += ["unbindable"] if mount.unbindable else []
    fields = [
        str(mount.id),
        str(mount.parent_id),
        ":".join(map(str, mount.device)),
        _escape(mount.root),
        _escape(mount.path),
        ",".join(mount.options),
        *tags,
        "-",
        _escape(mount.type),
        _escape(mount.source or ""),
        ",".join(_escape(option, " \t\n\\,#") for option in mount.super_options),
    ]
    return os.fsencode(" ".join(fields))


WAYS = ("statmount", "mountinfo")


def ask_by(way: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a test ask the kernel one way; of the old one the kernel has no other."""
    if way == "mountinfo":
        fake = FakeLib(pyns_listmount=lambda *_: -ENOSYS)
        monkeypatch.setattr(statmount, "lib", fake)
        return way
    with closing(Namespace.current("mnt")) as own:
        if statmount.list_mounts(own.fileno()) is None:
            missing("statmount", "needs Linux 6.15")
    return way


def assert_true(fd: int, way: str) -> list[Mount]:
    """Compare a list with what a process there reads, and return what was added."""
    found = list_mounts(fd)
    assert [written(mount) for mount in found] == lines_inside(fd)
    assert all((mount.unique_id is None) is (way == "mountinfo") for mount in found)
    return added(found)
