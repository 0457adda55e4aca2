"""The maps of a user namespace: writing them once, and reading them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, NoReturn

from .. import _proc
from .._lib import lib, new_inhabitant
from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import NamespacePermissionError, SystemCallError
from ..lowlevel._arguments import check
from . import reach, seek
from .idmap import Extent, IdMap, Kind
from .outcomes import refusal

_USER: Final = (NamespaceType.USER,)


def own_line(ids: IdMap, kind: Kind) -> bytes | None:
    """Return a map as the namespace's own root may write it, or None if it may not."""
    own = os.geteuid() if kind == "uid" else os.getegid()
    extents = ids._extents(kind)
    if [(outer, count) for _, outer, count in extents] == [(own, 1)]:
        return ids._written(kind)
    return None


def is_mapped(ids: IdMap, kind: Kind, outer: int) -> bool:
    """Return whether an id outside has one inside."""
    return any(first <= outer < first + count for _, first, count in ids._extents(kind))


def has_root(ids: IdMap, kind: Kind) -> bool:
    """Return whether there is an id 0 inside."""
    return any(first == 0 for first, _, _ in ids._extents(kind))


class _Inhabitant(NamedTuple):
    """A helper task that rests in a user namespace."""

    pid: int
    proc: int
    """Its folder in the ``/proc`` that it was born under, opened by O_PATH."""

    def open(self, name: str, flags: int) -> int:
        """Open one of its files in ``/proc``."""
        return _open_in_proc(self.proc, name, flags)


def _open_in_proc(folder: int, name: str, flags: int) -> int:
    """Open a file of a process, and no other that is mounted there."""
    fd = lib.pyns_open_in_proc(folder, name.encode(), flags)
    if fd < 0:
        raise from_errno(-fd, "openat2", _USER, f"/proc/PID/{name}")
    return fd


@contextmanager
def _inhabited(userns: int, *, fresh: bool) -> Iterator[_Inhabitant]:
    """
    Keep a helper task in a user namespace, for its maps to be read and written.

    *fresh*: nobody has been there, so the task need not be kept from anybody.
    """
    inhabitant = new_inhabitant()
    try:
        while (
            result := lib.pyns_inhabit(userns, int(fresh), inhabitant)
        ) == -errno.EINTR:
            pass
        if result < 0:
            raise refusal(result, _USER)
        yield _Inhabitant(inhabitant.pid, inhabitant.proc)
    finally:
        lib.pyns_dismiss(inhabitant)


def write_maps(userns: int, uids: IdMap, gids: IdMap) -> None:
    """
    Write the maps of a fresh user namespace from its parent.

    By the caller's own power, or else by newuidmap and newgidmap.
    """
    with _inhabited(userns, fresh=True) as inhabitant:
        _write_map(inhabitant, "uid", uids)
        _write_map(inhabitant, "gid", gids)


def _write_map(inhabitant: _Inhabitant, kind: Kind, ids: IdMap) -> None:
    path = f"/proc/{inhabitant.pid}/{kind}_map"
    try:
        _write_whole(inhabitant.open(f"{kind}_map", os.O_WRONLY), ids._written(kind))
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES):
            raise from_errno(error.errno or errno.EIO, "write", _USER, path) from None
    else:
        return
    if _identity(f"/proc/{inhabitant.pid}") != _of_fd(inhabitant.proc):
        # Here /proc is another pid namespace's, and the pid somebody else's there.
        raise from_errno(errno.ENOENT, "open", _USER, path)
    program = f"new{kind}map"
    said = _run_newidmap(program, str(inhabitant.pid), ids._extents(kind))
    # Its exit status may have gone to another waiter of this process.
    if not _read_whole(inhabitant.open(f"{kind}_map", os.O_RDONLY)):
        reason = f"{program} refused: {said or 'it said nothing'}"
        _refuse_map(program, reason, "see /etc/subuid and /etc/subgid")


def _write_whole(fd: int, text: bytes) -> None:
    """Write a file of ``/proc`` by one write(2): the kernel takes it whole or not."""
    try:
        os.write(fd, text)
    except OSError as error:
        raise from_errno(error.errno or errno.EIO, "write", _USER) from None
    finally:
        os.close(fd)


def _read_whole(fd: int) -> str:
    try:
        with open(fd, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise from_errno(error.errno or errno.EIO, "read", _USER) from None


def _identity(path: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _of_fd(fd: int) -> tuple[int, int]:
    facts = os.fstat(fd)
    return facts.st_dev, facts.st_ino


def _run_newidmap(program: str, pid: str, extents: tuple[Extent, ...]) -> str:
    """
    Have a map written by the set-uid program that ``/etc/subuid`` is for.

    Returns:
        What it says.
    """
    import subprocess

    numbers = [str(number) for extent in extents for number in extent]
    try:
        done = subprocess.run(
            [program, pid, *numbers],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    except FileNotFoundError:
        _refuse_map(program, f"it takes {program}, which is not installed",
                    "install uidmap (Debian), shadow-utils (Fedora) or shadow-subids "
                    "(Alpine)")  # fmt: skip
    except OSError as error:
        return str(error)
    return done.stderr.decode(errors="replace").strip()


def _refuse_map(program: str, reason: str, hint: str) -> NoReturn:
    number = errno.EPERM
    raise NamespacePermissionError(
        number,
        os.strerror(number),
        syscall=program,
        types=_USER,
        reason=reason,
        hint=hint,
    ) from None


def become_root(uid: int, gid: int) -> None:
    """
    Map id 0 of the calling thread's fresh user namespace to one uid and one gid.

    These must be the effective ids that the thread had when it made the namespace.
    Nothing else is mapped, and supplementary groups can no longer be changed. See
    :manpage:`user_namespaces(7)`.
    """
    folder = check(lib.pyns_open_own_proc(), "open", _USER, "/proc/self")
    try:
        _write_own_maps(folder, uid, gid)
    finally:
        os.close(folder)


def _write_own_maps(folder: int, uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        _write_whole(_open_in_proc(folder, name, os.O_WRONLY), text.encode())


def read_map(userns: int, kind: Kind) -> IdMap:
    """
    Read a map, with the outer ids as the caller's own user namespace has them.

    That of the caller's own user namespace has them as its parent does.

    Raises:
        NamespacePermissionError: The caller has no power over the user namespace, and
            may look into no process in it.
    """
    text = _read_map(userns, kind)
    extents = [_parse_extent(line) for line in text.splitlines()]
    return IdMap._of(extents, extents)


def _parse_extent(line: str) -> Extent:
    inner, outer, count = line.split()
    return int(inner), int(outer), int(count)


def _read_map(userns: int, kind: Kind) -> str:
    _, identity = reach.identify(userns)
    own = _proc.id_map("/proc/thread-self", kind)
    if own is not None and reach.is_current(identity):
        return own
    try:
        with _inhabited(userns, fresh=False) as inhabitant:
            return _read_whole(inhabitant.open(f"{kind}_map", os.O_RDONLY))
    except SystemCallError as error:
        # One that the caller is below, or that is somebody else's; or this /proc hides
        # the task, which is kept from other processes of its user (hidepid=).
        for pid, _ in seek.find_members(identity):
            text = _proc.id_map(f"/proc/{pid}", kind)
            if text is not None:
                return text
        if error.errno == errno.ENOENT:
            path = str(error.filename)
            raise from_errno(errno.EACCES, "open", _USER, path) from None
        raise
