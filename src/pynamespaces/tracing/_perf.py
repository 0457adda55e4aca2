"""The source of events that is perf: of the whole machine, or of one's own tasks."""

from __future__ import annotations

import errno
import time
from _thread import get_native_id
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from .. import _proc
from .._lib import IntOut, lib, new_held, write_int
from .._types import NamespaceType
from ..lowlevel._arguments import check
from . import _calibration, _points
from ._assembly import Assembler
from ._observing import ObservingAssembler
from ._points import Manner, Point, Syscall
from ._records import COMM, Decoder, Queue, Record
from ._rings import Rings, try_manner
from ._tasks import Tasks
from .events import TraceEvent

# What was taken out of the rings may wait in memory, as long as it is not more.
_MOST_BYTES: Final = 1 << 26
# After so many records the rings are emptied again.
_SLICE: Final = 512
# So much is worked on before somebody may do something else, in bytes.
_AT_ONCE: Final = 1 << 21
# What a record takes in memory, about.
_RECORD: Final = 256
# How long until the rings are read again for what is held back, in seconds.
_AGAIN: Final = 0.002
_END: Final = 1 << 63
# That of the machine, by PROC_TIME_INIT_INO.
_FIRST_TIME: Final = f"time:[{0xEFFFFFFA}]"


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
        # To find their numbers may take seconds, in vain where this is refused.
        try_manner(manner, own[0] if own else -1)
        numbers = _numbers(points)
        self._held = [] if own else _hold_own()
        self._rings = Rings(manner, numbers, own or (-1,))
        events = {event.id: event.point for event in self._rings.events}
        self._decoder = Decoder(events, points)
        self._queue = Queue()
        self._taken: deque[tuple[int, list[bytes]]] = deque()
        self._size = 0
        self._doubts = 0
        self._lost = (0, 0)
        kind = ObservingAssembler if own else Assembler
        self._assembler = kind(tasks, points)
        try:
            self._decoder.ahead = _clock_ahead(self._rings, self._decoder)
        except BaseException:
            self.close()
            raise

    @property
    def lost(self) -> int:
        """How many calls there is no event of."""
        return self._lost[0]

    @property
    def events(self) -> list[TraceEvent]:
        """What has come, for the reader to take out."""
        return self._assembler.events

    def read(self) -> None:
        """Make events of what has come; it does not wait."""
        self._take()
        # What comes meanwhile is for the next time, or it could go on for ever.
        self._work(_AT_ONCE)

    def wait(self, timeout: float) -> None:
        """Wait until there is much to read, or for as long as this, in seconds."""
        if self._queue.waiting:
            # It is held back until the rings were read again.
            timeout = min(timeout, _AGAIN)
        if not self._taken:
            self._rings.wait(timeout)

    def finish(self) -> None:
        """Make events of all that is left, at the end."""
        if self._is_taking:
            # However much waits already: what was left in the rings would be told by
            # nobody, and counted by nobody.
            self._empty_rings()
        self._is_taking = False
        self._work(None)
        self._queue.settle(_END)
        self._queue.settle(_END)
        self._rings.may_have_lost = True
        self._work(None)
        self._assembler.finish()

    def close(self) -> None:
        """Stop watching; again, it does nothing."""
        self._rings.close()
        for place in self._held:
            lib.pyns_release(place)

    _is_taking = True

    def _take(self) -> None:
        """Empty the rings into memory, as long as there is room for that, too."""
        waiting = len(self._queue.waiting) + len(self._queue.ready)
        if self._is_taking and self._size + waiting * _RECORD < _MOST_BYTES:
            self._empty_rings()

    def _empty_rings(self) -> None:
        read_at = time.monotonic_ns()
        self._rings.take()
        # No call comes between: what stands in one place or the other is not lost.
        blobs = self._rings.taken
        self._rings.taken = []
        self._taken += ((read_at, blobs),)
        self._size += sum(map(len, blobs))

    def _work(self, most: int | None) -> None:
        """Make events of what was taken, up to so many bytes."""
        done = 0
        while self._taken and (most is None or done <= most):
            read_at, blobs = self._taken[0]
            records = list(self._decode(blobs))
            # As above.
            self._queue.waiting += records
            del self._taken[0]
            self._queue.settle(read_at)
            size = sum(map(len, blobs))
            self._size -= size
            done += size
        if self._has_lost():
            self._assembler.forget()
            # What has been taken may be from before or from after, and is not all fed
            # the first time.
            self._doubts = 2
        self._assembler.tasks.is_doubtful = self._doubts > 0
        self._feed()
        if self._doubts == 2:
            self._assembler.forget()
            self._tell_lost()
        self._doubts = max(self._doubts - 1, 0)

    def _decode(self, blobs: list[bytes]) -> Iterator[Record]:
        for blob in blobs:
            for count, record in enumerate(self._decoder.decode(blob), 1):
                yield record
                if count % _SLICE == 0:
                    self._take()

    def _feed(self) -> None:
        feed, ready = self._assembler.feed, self._queue.ready
        while ready:
            for _ in range(min(len(ready), _SLICE)):
                record = ready[0]
                del ready[0]
                feed(record)
            if ready:
                self._take()

    def _has_lost(self) -> bool:
        """Return whether something was lost; only full rings lose."""
        if not self._rings.tells_lost:
            return self._assembler.lost_records > self._lost[1]
        return self._rings.may_have_lost and self._rings.lost() != self._lost

    def _tell_lost(self) -> None:
        if self._rings.tells_lost:
            found = self._rings.lost()
        else:
            found = self._assembler.lost_records, self._assembler.lost_records
        calls, records = (n - m for n, m in zip(found, self._lost, strict=True))
        self._lost = found
        self._rings.may_have_lost = False
        self._assembler.tell_lost(calls, records)


def _numbers(points: list[Point]) -> dict[Point, int]:
    try:
        return _points.read_numbers(points)
    except OSError:
        return _calibration.find_numbers(points)


def _hold_own() -> list[IntOut]:
    """Keep own namespaces open: else the kernel makes inodes anew for each record."""
    held = []
    for type in NamespaceType:
        fd = lib.pyns_open_namespace(f"/proc/thread-self/ns/{type}".encode())
        if fd == -errno.ENOENT:
            continue  # The kernel has no such type.
        place = new_held()
        write_int(place, check(fd, "open"))
        held.append(place)
    return held


def _clock_ahead(rings: Rings, decoder: Decoder) -> int:
    """
    Return how far the kernel's clock is ahead of the caller's, in nanoseconds.

    Perf has the clock of the machine, and a time namespace its own. So something is
    done of which perf tells, and which changes nothing: to be called as one is.
    """
    link = _proc.link_text("/proc/thread-self/ns/time")
    if link is None or link == _FIRST_TIME:
        return 0
    tid = get_native_id()
    name = _proc.task_name("thread-self")
    before = time.monotonic_ns()
    with open("/proc/thread-self/comm", "w", errors="surrogateescape") as file:
        file.write(name)
    now = (before + time.monotonic_ns()) // 2
    rings.take()
    # It stays there: others may have done something meanwhile, too.
    for blob in rings.taken:
        for then, kind, _, of, _, _ in decoder.decode(blob):
            if kind == COMM and of == tid:
                return then - now
    return 0


def own_threads(pid: int) -> dict[int, list[int]]:
    """Return the threads of a process and of all that it has borne, by process."""
    found: dict[int, list[int]] = {}
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        threads = _proc.thread_ids(process)
        if threads:
            found[process] = threads
        for thread in threads:
            waiting += _proc.children_of(process, thread)
    if not found:
        check(-errno.ESRCH, "pidfd_open")
    return found
