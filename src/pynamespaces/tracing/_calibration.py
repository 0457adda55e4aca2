"""
The numbers of tracepoints, found by trying where tracefs may not be read.

Everybody may count how often a tracepoint is passed by themselves. So each number is
opened as a counter, the call is made in a way that fails, and what has moved is it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterable
from typing import Final

from .._lib import IntOut, lib, new_held, read_int
from ..errors import UnsupportedError
from ..lowlevel._arguments import check
from . import _points
from ._points import SYSCALLS, Point

_MOST: Final = 8192
_AT_ONCE: Final = 128
_COUNT: Final = struct.Struct("=QQ")
_ONLY_EXITS: Final = b"ret != 0\0"

_found: dict[Point, int] = {}


def find_numbers(points: Iterable[Point]) -> dict[Point, int]:
    """
    Find the numbers of tracepoints; the first time, that takes seconds.

    Raises:
        NamespacePermissionError: The caller may not even count.

        UnsupportedError: The kernel does not have them all.
    """
    wanted = list(points)
    may_count = False
    for first in range(1, _MOST, _AT_ONCE):
        if all(point in _found for point in wanted):
            return {point: _found[point] for point in wanted}
        # The two of a call are neighbours; and each that is closed takes the kernel
        # tens of milliseconds.
        may_count |= _try_numbers(range(first, first + _AT_ONCE, 2))
        # Copied, since another thread may be finding some.
        near = {n + step for n in _found.copy().values() for step in (-1, 1)}
        _try_numbers(near.difference(_found.values()) if _is_half_found() else ())
    if not may_count:
        check(-errno.EACCES, "perf_event_open")
    raise UnsupportedError(
        errno.ENOENT,
        os.strerror(errno.ENOENT),
        syscall="perf_event_open",
        reason="this kernel was built without tracepoints of system calls",
    )


def _is_half_found() -> bool:
    found = _found.copy()
    return any(Point(p.syscall, not p.is_exit) not in found for p in found)


def _try_numbers(numbers: Iterable[int]) -> bool:
    """Note those that are of our calls; return whether any of them may be counted."""
    counters: dict[int, IntOut] = {}
    try:
        for number in numbers:
            place = new_held()
            fd = lib.pyns_perf_event_open(_points.counter(number), 0, -1, place)
            if fd >= 0:
                fcntl.ioctl(fd, lib.PERF_EVENT_IOC_ENABLE, 0)
                counters[number] = place
            elif fd in (-errno.EMFILE, -errno.ENFILE, -errno.ENOMEM):
                check(fd, "perf_event_open")
        for which, syscall in enumerate(SYSCALLS):
            before = _read(counters)
            lib.pyns_fail_call(which)
            after = _read(counters)
            for number, place in counters.items():
                # Counters of every call of the kernel move each time.
                if after[number] - before[number] == 1:
                    _found.setdefault(Point(syscall, _is_exit(place)), number)
        return bool(counters)
    finally:
        for place in counters.values():
            lib.pyns_release(place)


def _read(counters: dict[int, IntOut]) -> dict[int, int]:
    return {
        number: _COUNT.unpack(os.read(read_int(place), _COUNT.size))[0]
        for number, place in counters.items()
    }


def _is_exit(place: IntOut) -> bool:
    try:
        fcntl.ioctl(read_int(place), lib.PERF_EVENT_IOC_SET_FILTER, _ONLY_EXITS)
    except OSError:
        return False  # It has no such field.
    return True
