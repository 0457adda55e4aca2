"""What a process is called in another pid namespace."""

import errno
import os
from collections.abc import Iterator

from .. import _proc, lowlevel
from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import SystemCallError, UnsupportedError
from . import reach


def pid_here(pidns: int, pid: int) -> int:
    """Return the caller's name for the process *pid* of a pid namespace."""
    try:
        return lowlevel.ns_get_pid_from_pidns(pidns, pid)
    except UnsupportedError:
        return _search(pidns, given=_depth_below(pidns), wanted=0, pid=pid)


def pid_inside(pidns: int, pid: int) -> int:
    """Return what a pid namespace calls the caller's process *pid*."""
    try:
        return lowlevel.ns_get_pid_in_pidns(pidns, pid)
    except UnsupportedError:
        return _search(pidns, given=0, wanted=_depth_below(pidns), pid=pid)


def _climb(pidns: int) -> Iterator[tuple[int, int, int]]:
    """Give device, inode and distance of a pid namespace and of all above it."""
    fd, distance = os.dup(pidns), 0
    try:
        while True:
            facts = os.fstat(fd)
            yield facts.st_dev, facts.st_ino, distance
            try:
                parent = lowlevel.ns_get_parent(fd)
            except SystemCallError:
                return
            os.close(fd)
            fd, distance = parent, distance + 1
    finally:
        os.close(fd)


def _depth_below(pidns: int) -> int:
    """Return how many levels a pid namespace is below the calling thread's own."""
    own = reach.open_current(NamespaceType.PID)
    try:
        facts = os.fstat(own)
    finally:
        os.close(own)
    for dev, ino, distance in _climb(pidns):
        if (dev, ino) == (facts.st_dev, facts.st_ino):
            return distance
    raise from_errno(errno.ESRCH, "ioctl(NS_GET_PID_FROM_PIDNS)", (NamespaceType.PID,))


def _search(pidns: int, *, given: int, wanted: int, pid: int) -> int:
    """
    Translate by the ``NSpid`` of all processes, as kernels before 6.11 need it.

    Args:
        pidns: The namespace below the caller's.

        given: The level of *pid*, 0 being the caller's own.

        wanted: The level of the answer.

        pid: The id to translate.
    """
    # This /proc may be that of a pid namespace further up.
    above = len(_proc.nspids("thread-self") or (0,)) - 1
    level = max(given, wanted)
    facts = os.fstat(pidns)
    for name in map(str, _proc.process_ids()):
        ids = (_proc.nspids(name) or [])[above:]
        if len(ids) > level and ids[given] == pid:
            path = _proc.namespace_path(name, NamespaceType.PID)
            if _is_at(path, len(ids) - 1 - level, (facts.st_dev, facts.st_ino)):
                return ids[wanted]
    raise from_errno(errno.ESRCH, "open", (NamespaceType.PID,))


def _is_at(path: str, distance: int, identity: tuple[int, int]) -> bool:
    """Return whether a namespace is that many levels above that of a link."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return (*identity, distance) in _climb(fd)
    finally:
        os.close(fd)
