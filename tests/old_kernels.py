"""Kernels that look old: a seccomp filter hides what newer ones have."""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable
from typing import Final, TypeVar

from support import in_child

T = TypeVar("T")

_IOCTL: Final = {"x86_64": 16, "aarch64": 29}
_PIDFD_OPEN: Final = 434
PIDFD_THREAD: Final = 0x80
GET_ID: Final = (0x8008B70D,)
PIDFD_REQUESTS: Final = tuple(range(0xFF01, 0xFF0B))

# What these do not know: which ioctls, and whether pidfds of threads. The last is no
# kernel, but what a filter may make of one.
KERNELS: Final[dict[str, tuple[tuple[int, ...], bool]]] = {
    "6.17": (GET_ID, False),
    "6.10": (GET_ID + PIDFD_REQUESTS, False),
    "5.10": (GET_ID + PIDFD_REQUESTS, True),
    "no thread pidfds": ((), True),
}


def _statement(code: int, k: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("HBBI", code, true, false, k)


def _load(argument: int | None = None) -> bytes:
    """Load the number of the call, or the low half of an argument."""
    return _statement(0x20, 0 if argument is None else 16 + 8 * argument)


def _fail_if(test: int, value: int, number: int) -> bytes:
    """Fail with an errno where what was loaded is, or has, a value."""
    return _statement(test, value, 0, 1) + _statement(0x06, 0x00050000 | number)


def _program(requests: tuple[int, ...], thread_pidfds_fail: bool) -> bytes:
    equal, has_bits, allow = 0x15, 0x45, _statement(0x06, 0x7FFF0000)
    ioctl = b"".join(_fail_if(equal, value, errno.ENOTTY) for value in requests)
    ioctl = _load(1) + ioctl + allow
    pidfd = _load(1)
    if thread_pidfds_fail:
        pidfd += _fail_if(has_bits, PIDFD_THREAD, errno.EINVAL)
    pidfd += allow
    number = _IOCTL[platform.machine()]
    skip = _statement(equal, number, 0, len(ioctl) // 8) + ioctl
    skip += _load() + _statement(equal, _PIDFD_OPEN, 0, len(pidfd) // 8) + pidfd
    return _load() + skip + allow


def become_old(kernel: str) -> None:
    """Make this process's kernel look old, for good."""
    program = _program(*KERNELS[kernel])
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    # PR_SET_NO_NEW_PRIVS, and PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
    for arguments in ((38, 1, 0), (22, 2, header)):
        if libc.prctl(*arguments, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "prctl")


def on_old(kernel: str, function: Callable[[], T]) -> T:
    """Run in a child whose kernel looks old."""
    if platform.machine() not in _IOCTL:
        # Fresh interpreters import this module, and need no pytest.
        import pytest

        pytest.skip("the numbers of system calls are not known here")

    def inside() -> T:
        become_old(kernel)
        return function()

    return in_child(inside)
