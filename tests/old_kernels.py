"""Kernels that look old: a seccomp filter hides what newer ones have."""

import errno
import platform
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from filters import EQUAL, HAS, IS_KNOWN, Newer, Rule, Where, install, number
from support import in_child

T = TypeVar("T")

Version = tuple[int, int]

_IOCTL: Final = [number(16, 29)]
_FCNTL: Final = [number(72, 25)]
_GETSOCKOPT: Final = [number(55, 209)]
_SECCOMP: Final = [number(317, 277)]
_MEMFD_CREATE: Final = [number(319, 279)]
_NAME_TO_HANDLE: Final = [number(303, 264)]
_OPEN_BY_HANDLE: Final = [number(304, 265)]
_URETPROBE: Final = [335] if platform.machine() == "x86_64" else []
_PIDFD_SEND_SIGNAL: Final = [424]
_MOVE_MOUNT: Final = [429]
_PIDFD_OPEN: Final = [434]
_CLOSE_RANGE: Final = [436]

PIDFD_THREAD: Final = 0x80
GET_ID: Final = (0x8008B70D,)
PIDFD_REQUESTS: Final = tuple(range(0xFF01, 0xFF0B))
_PID_REQUESTS: Final = (0x8008B705, *range(0x8004B706, 0x8004B70A))
_MNT_REQUESTS: Final = tuple(range(0x8010B70A, 0x8010B70D))
_NSFS_ROOT: Final = -10003

# What these do not know: which ioctls, and whether pidfds of threads. The last is no
# kernel, but what a filter may make of one.
KERNELS: Final[dict[str, tuple[tuple[int, ...], bool]]] = {
    "6.17": (GET_ID, False),
    "6.10": (GET_ID + PIDFD_REQUESTS, False),
    "5.10": (GET_ID + PIDFD_REQUESTS, True),
    "no thread pidfds": ((), True),
}

_LAST_CALLS: Final[dict[Version, int]] = {
    (5, 10): 440, (5, 15): 448, (6, 1): 450, (6, 6): 454, (6, 10): 462, (6, 17): 469,
}  # fmt: skip
"""The highest number of a system call that a kernel has."""


def _no_thread_pidfds() -> Rule:
    return Rule(_PIDFD_OPEN, errno.EINVAL, (Where(1, HAS, (PIDFD_THREAD,)),))


def _requests(requests: tuple[int, ...], failure: int = errno.ENOTTY) -> Rule:
    return Rule(_IOCTL, failure, (Where(1, EQUAL, requests),))


def _flags(calls: list[int], argument: int, bits: int) -> Rule:
    return Rule(calls, errno.EINVAL, (Where(argument, HAS, (bits,)),))


# Since which version, and how those before it answer.
_SINCE: Final[tuple[tuple[Version, Rule], ...]] = (
    ((6, 18), _requests(GET_ID)),
    ((6, 18), Rule(_NAME_TO_HANDLE, errno.EOPNOTSUPP)),
    # To them it is a descriptor that is not open.
    ((6, 18), Rule(_OPEN_BY_HANDLE, errno.EBADF, (Where(0, EQUAL, (_NSFS_ROOT,)),))),
    ((6, 12), _requests(_MNT_REQUESTS)),
    ((6, 12), Rule(_FCNTL, errno.EINVAL, (Where(1, EQUAL, (1028,)),))),
    ((6, 11), _requests(PIDFD_REQUESTS)),
    ((6, 11), _requests(_PID_REQUESTS)),
    ((6, 11), Rule(_URETPROBE, errno.ENOSYS)),
    ((6, 10), Rule(_FCNTL, errno.EINVAL, (Where(1, EQUAL, (1027,)),))),
    ((6, 9), _no_thread_pidfds()),
    ((6, 9), _flags(_PIDFD_SEND_SIGNAL, 3, 0xFFFFFFFF)),
    # SECCOMP_IOCTL_NOTIF_SET_FLAGS
    ((6, 6), _requests((0x40082104,), errno.EINVAL)),
    # MOVE_MOUNT_BENEATH
    ((6, 5), _flags(_MOVE_MOUNT, 4, 0x200)),
    # MFD_NOEXEC_SEAL, MFD_EXEC
    ((6, 3), _flags(_MEMFD_CREATE, 1, 0x18)),
    # SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    ((5, 19), _flags(_SECCOMP, 1, 0x20)),
    # MOVE_MOUNT_SET_GROUP
    ((5, 15), _flags(_MOVE_MOUNT, 4, 0x100)),
    # SO_NETNS_COOKIE of SOL_SOCKET
    ((5, 14), Rule(_GETSOCKOPT, errno.ENOPROTOOPT,
                   (Where(1, EQUAL, (1,)), Where(2, EQUAL, (71,))))),
    # CLOSE_RANGE_CLOEXEC
    ((5, 11), _flags(_CLOSE_RANGE, 2, 0x4)),
)  # fmt: skip


# No kernels, but what filters may make of one.
_PARTLY: Final = {"no thread pidfds": _no_thread_pidfds(), "no ids": _requests(GET_ID)}


def _older_than(version: Version) -> Iterator[Rule | Newer]:
    yield Newer(_LAST_CALLS[version])
    for since, rule in _SINCE:
        if version < since and rule.calls:
            yield rule


def become_old(kernel: str) -> None:
    """Make this process's kernel look old, for good."""
    if kernel in _PARTLY:
        install([_PARTLY[kernel]])
        return
    major, minor = map(int, kernel.split("."))
    install(_older_than((major, minor)))


def on_old(kernel: str, function: Callable[[], T]) -> T:
    """Run in a child whose kernel looks old."""
    need_filters()

    def inside() -> T:
        become_old(kernel)
        return function()

    return in_child(inside)


def need_filters() -> None:
    """Skip the test where filters cannot be written, for want of the calls' numbers."""
    if not IS_KNOWN:
        # Fresh interpreters import this module, and need no pytest.
        import pytest

        pytest.skip("the numbers of system calls are not known here")
