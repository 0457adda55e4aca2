"""System calls that move the calling thread, and those on pidfds."""

import errno
import os
import sys

from .. import _causes
from .._lib import lib
from .._types import NamespaceType, types_of
from ..errors import MultithreadedError
from ._arguments import INT_MAX, Descriptor, check, descriptor, in_range

_UINT_MAX = 2**32 - 1


def _asked_types(fd: int, nstype: int) -> tuple[NamespaceType, ...]:
    """Return the types that setns would change; 0 means that of the descriptor."""
    flag = lib.pyns_ioctl(fd, lib.NS_GET_NSTYPE, 0) if nstype == 0 else nstype
    return types_of(flag) if flag > 0 else ()


def setns(fd: Descriptor, nstype: int = 0) -> None:
    """
    Move the calling thread into a namespace, for good.

    With a namespace's descriptor, *nstype* is its flag, or 0 for any type; with a
    pidfd (Linux 5.8) it is the flags of those namespaces of the process to join, all
    or none of them. See :manpage:`setns(2)`.

    By a pidfd and with several flags, the kernel lets a thread join a mount namespace
    although it shares root and working directory with other threads, and moves those
    of all of them. That is refused here: call ``unshare(CLONE_FS)`` in this thread
    first.

    Raises:
        SystemCallError: The kernel refused, by `pynamespaces.errors`.

        MultithreadedError: Other threads would have lost their working directory.
    """
    number = descriptor(fd)
    in_range("nstype", nstype, 0, INT_MAX)
    types = _asked_types(number, nstype)
    if NamespaceType.MNT in types and len(types) > 1 and _causes.shares_fs():
        raise MultithreadedError(
            errno.EINVAL,
            os.strerror(errno.EINVAL),
            syscall="setns",
            types=types,
            reason="it would move the root and working directory of every thread",
            hint="call unshare(CLONE_FS) in this thread first",
        )
    sys.audit("pynamespaces.setns", types)
    check(lib.pyns_setns(number, nstype), "setns", types, fd=number)


def unshare(flags: int) -> None:
    """
    Give the calling thread new namespaces, for good; all or none of them.

    ``CLONE_NEWPID`` and ``CLONE_NEWTIME`` take effect for children. ``CLONE_NEWNS``
    and ``CLONE_NEWUSER`` also part the thread's root, working directory and umask
    from those of the other threads, as ``CLONE_FS`` does. See :manpage:`unshare(2)`.

    Raises:
        SystemCallError: The kernel refused, by `pynamespaces.errors`.
    """
    in_range("flags", flags, 0, _UINT_MAX)
    types = types_of(flags)
    sys.audit("pynamespaces.unshare", types)
    check(lib.pyns_unshare(flags), "unshare", types)


def pidfd_open(pid: int, flags: int = 0) -> int:
    """
    Open a descriptor of a process, or with ``PIDFD_THREAD`` of a thread.

    See :manpage:`pidfd_open(2)`. That flag came with Linux 6.9.

    Raises:
        NoSuchProcessError: No process has that id. A thread's id without the flag is
            a `SystemCallError` (EINVAL), or since Linux 6.16 a `NoSuchNamespaceError`
            (ENOENT).
    """
    in_range("pid", pid, 1, INT_MAX)
    in_range("flags", flags, 0, _UINT_MAX)
    return check(lib.pyns_pidfd_open(pid, flags), "pidfd_open")


def pidfd_send_signal(pidfd: Descriptor, signal: int, flags: int = 0) -> None:
    """
    Send a signal to the process of a pidfd; 0 only asks whether it exists.

    See :manpage:`pidfd_send_signal(2)`.

    Raises:
        NoSuchProcessError: It is dead.

        NamespacePermissionError: It is alive, and not the caller's to signal.
    """
    fd = descriptor(pidfd)
    in_range("signal", signal, 0, INT_MAX)
    in_range("flags", flags, 0, _UINT_MAX)
    check(lib.pyns_pidfd_send_signal(fd, signal, flags), "pidfd_send_signal")


def pidfd_getfd(pidfd: Descriptor, targetfd: int, flags: int = 0) -> int:
    """
    Duplicate a descriptor of another process (Linux 5.6).

    The result shares the open file with that process. See :manpage:`pidfd_getfd(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.
    """
    fd = descriptor(pidfd)
    in_range("targetfd", targetfd, 0, INT_MAX)
    in_range("flags", flags, 0, _UINT_MAX)
    return check(lib.pyns_pidfd_getfd(fd, targetfd, flags), "pidfd_getfd")
