"""What stands in the rings: bytes to records, in the order in which it happened."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Final, TypeAlias

from ._points import Point

Record: TypeAlias = tuple[int, int, int, int, tuple[int, ...], str]
"""
When, what kind, which process and thread it was, numbers, a text.

The kinds are those of below, or what `Decoder` was told of a tracepoint.
"""

# As in linux/perf_event.h.
LOST: Final = 2
COMM: Final = 3
EXIT: Final = 4
FORK: Final = 7
SAMPLE: Final = 9
NAMESPACES: Final = 16

_HEADER: Final = struct.Struct("=IHH")
# At the end of what is no sample: process and thread, time, the event's id.
_TRAILER: Final = struct.Struct("=IIQQ")
_SAMPLE: Final = struct.Struct("=QIIQI")
_TASK: Final = struct.Struct("=IIII")
_LOST: Final = struct.Struct("=QQ")
_PAIR: Final = struct.Struct("=II")
# Process, thread, how many; of each its device and number. In the kernel's order: net,
# uts, ipc, pid, user, mnt, cgroup.
_NAMESPACES: Final = struct.Struct("=IIQ" + 7 * "8xQ")
_COUNT: Final = 7

# What a tracepoint has written begins with 8 bytes of ftrace's and the call's number.
_RAW: Final = _HEADER.size + _SAMPLE.size
_ONE: Final = struct.Struct("=16xq")
_TWO: Final = struct.Struct("=16xqq")
_WORD: Final = struct.Struct("=Q")
_SETNS: Final = Point("setns", is_exit=False)

FIRST_POINT: Final = 100
"""The kind of the first tracepoint; the others follow."""

UNKNOWN: Final = -1
"""Flags that could not be read."""


class Decoder:
    """Make records of bytes."""

    def __init__(self, events: Mapping[int, Point | None], kinds: list[Point]) -> None:
        self.ahead = 0
        """How far the kernel's clock is ahead of the caller's, in nanoseconds."""
        self._kinds: dict[int, tuple[int, Point]] = {
            id: (FIRST_POINT + kinds.index(point), point)
            for id, point in events.items()
            if point is not None
        }

    def decode(self, data: bytes) -> Iterator[Record]:
        """Decode what one ring had."""
        at, end = 0, len(data)
        header, trailer = _HEADER.unpack_from, _TRAILER.unpack_from
        while at < end:
            kind, _, size = header(data, at)
            if kind == SAMPLE:
                yield self._sample(data, at, at + size)
            else:
                pid, tid, time, _ = trailer(data, at + size - _TRAILER.size)
                time -= self.ahead
                body = at + _HEADER.size
                if kind == NAMESPACES:
                    yield time, kind, pid, tid, _namespaces(data, body), ""
                elif kind in (FORK, EXIT):
                    yield time, kind, pid, tid, _TASK.unpack_from(data, body), ""
                elif kind == COMM:
                    text = data[body + _PAIR.size : at + size - _TRAILER.size]
                    name = text.partition(b"\0")[0].decode("utf-8", "surrogateescape")
                    yield time, kind, pid, tid, _PAIR.unpack_from(data, body), name
                elif kind == LOST:
                    yield time, kind, pid, tid, _LOST.unpack_from(data, body), ""
            at += size

    def _sample(self, data: bytes, at: int, end: int) -> Record:
        id, pid, tid, time, size = _SAMPLE.unpack_from(data, at + _HEADER.size)
        kind, point = self._kinds[id]
        layout = _TWO if point == _SETNS else _ONE
        numbers = layout.unpack_from(data, at + _RAW)
        if point.has_stack:
            stack = data[at + _RAW + size : end]
            numbers = (_flags_of(stack, numbers[0]),)
        return time - self.ahead, kind, pid, tid, numbers, ""


def _namespaces(data: bytes, at: int) -> tuple[int, ...]:
    pid, tid, count, *numbers = _NAMESPACES.unpack_from(data, at)
    return (pid, tid, *numbers) if count >= _COUNT else (pid, tid)


# Which registers are there, and the one that was asked for; how much of the stack.
_REGISTERS: Final = struct.Struct("=QQQ")


def _flags_of(stack: bytes, address: int) -> int:
    """Find clone3's flags in the copy of the caller's stack, if they lie there."""
    if len(stack) < _REGISTERS.size:
        return UNKNOWN  # Not on this machine.
    abi, pointer, size = _REGISTERS.unpack_from(stack)
    if not abi or _REGISTERS.size + size + _WORD.size > len(stack):
        return UNKNOWN  # There were no registers.
    (copied,) = _WORD.unpack_from(stack, _REGISTERS.size + size)
    offset = (address - pointer) % 2**64
    if offset + _WORD.size > copied:
        return UNKNOWN
    (flags,) = _WORD.unpack_from(stack, _REGISTERS.size + offset)
    return int(flags)


_time: Final = itemgetter(0)


class Queue:
    """
    Records of several CPUs, put in order.

    What one CPU has written may be read before what another has written earlier. So a
    record is held back until all rings were read again since.
    """

    def __init__(self) -> None:
        self.ready: deque[Record] = deque()
        """What is in order by now, for the reader to take out."""
        self.waiting: list[Record] = []
        """What is held back; who reads rings adds to it."""
        self._read_at = 0

    def settle(self, read_at: int) -> None:
        """Sort what is held back, and let go of what came before the last time."""
        self.waiting.sort(key=_time)
        until = bisect_left(self.waiting, self._read_at, key=_time)
        self.ready += self.waiting[:until]
        del self.waiting[:until]
        self._read_at = read_at
