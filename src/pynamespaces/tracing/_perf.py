"""The source of events that is perf: of the whole machine, or of one's own tasks."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from .. import _proc
from .._types import NamespaceType
from . import _calibration, _points
from ._assembly import Assembler
from ._observing import ObservingAssembler
from ._points import Manner, Point, Syscall
from ._records import Decoder, Queue, Record
from ._rings import Rings, try_manner
from ._tasks import Tasks
from .events import TraceEvent

# What was taken out of the rings may wait in memory, as long as it is not more.
_MOST_BYTES: Final = 1 << 26
# After so many records the rings are emptied again.
_SLICE: Final = 512


class PerfSource:
    """
    Events out of the rings of all CPUs.

    Args:
        tasks: What is known of tasks; filled before anything is told.

        manner: How the rings are opened.

        syscalls: The calls that are watched; none: only changes.

        own: The threads whose descendants are watched, without privilege; none: all.
    """

    def __init__(
        self,
        tasks: Tasks,
        manner: Manner,
        syscalls: Collection[Syscall],
        own: Sequence[int] = (),
    ) -> None:
        self.name = "perf-own" if own else "perf"
        points = _points.points_of(syscalls)
        self._held = ExitStack()
        # To find their numbers may take seconds, in vain where this is refused.
        try_manner(manner, own[0] if own else -1)
        numbers = _numbers(points)
        self._rings = Rings(manner, numbers, own or (-1,))
        self._held.callback(self._rings.close)
        # Without an open descriptor the kernel makes each inode anew for each record.
        for type in () if own else NamespaceType:
            fd = os.open(f"/proc/self/ns/{type}", os.O_RDONLY | os.O_CLOEXEC)
            self._held.callback(os.close, fd)
        events = {event.id: event.point for event in self._rings.events}
        self._decoder = Decoder(events, points)
        self._queue = Queue()
        self._taken: deque[tuple[int, list[bytes]]] = deque()
        self._size = 0
        self._ready: deque[Record] = deque()
        self._lost = (0, 0)
        kind = ObservingAssembler if own else Assembler
        self._assembler = kind(tasks, points)

    @property
    def lost(self) -> int:
        """How many calls there is no event of."""
        return self._lost[0]

    def read(self) -> list[TraceEvent]:
        """Return what has come; it does not wait."""
        self._take()
        while self._taken:
            read_at, blobs = self._taken.popleft()
            self._size -= sum(map(len, blobs))
            self._ready += self._queue.put(self._decode(blobs), read_at)
        self._feed()
        self._count_lost()
        return self._hand_out()

    def wait(self, timeout: float) -> None:
        """Wait until there is much to read, or for as long as this, in seconds."""
        self._rings.wait(timeout)

    def finish(self) -> list[TraceEvent]:
        """Return all that is left, at the end."""
        events = self.read()
        now = time.monotonic_ns()
        self._take()
        while self._taken:
            _, blobs = self._taken.popleft()
            self._ready += self._queue.put(self._decode(blobs), now)
        self._ready += self._queue.put((), now)
        self._feed()
        self._assembler.finish(now)
        self._count_lost()
        return events + self._hand_out()

    def close(self) -> None:
        """Stop watching; again, it does nothing."""
        self._held.close()

    def _take(self) -> None:
        if self._size < _MOST_BYTES:
            read_at = time.monotonic_ns()
            blobs = self._rings.take()
            self._taken.append((read_at, blobs))
            self._size += sum(map(len, blobs))

    def _decode(self, blobs: list[bytes]) -> Iterator[Record]:
        for blob in blobs:
            for count, record in enumerate(self._decoder.decode(blob), 1):
                yield record
                if count % _SLICE == 0:
                    self._take()

    def _feed(self) -> None:
        feed, ready = self._assembler.feed, self._ready
        while ready:
            for _ in range(min(len(ready), _SLICE)):
                feed(ready.popleft())
            if ready:
                self._take()

    def _count_lost(self) -> None:
        if not self._rings.tells_lost:
            lost = self._assembler.lost_records
            found = lost, lost
        else:
            found = self._rings.lost()
        if found != self._lost:
            calls, records = (n - m for n, m in zip(found, self._lost, strict=True))
            self._lost = found
            self._assembler.tell_lost(time.monotonic_ns(), calls, records)

    def _hand_out(self) -> list[TraceEvent]:
        events, self._assembler.events = self._assembler.events, []
        return events


def _numbers(points: list[Point]) -> dict[Point, int]:
    try:
        return _points.read_numbers(points)
    except OSError:
        return _calibration.find_numbers(points)


def own_threads(pid: int) -> list[int]:
    """Return the threads of a process and of all that it has borne."""
    found, waiting = [], [pid]
    while waiting:
        process = waiting.pop()
        for thread in _proc.thread_ids(process):
            found.append(thread)
            waiting += _proc.children_of(process, thread)
    return found
