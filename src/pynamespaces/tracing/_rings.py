"""One ring of perf a CPU, and the events that write to it: opened, read, closed."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import select
import struct
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from .._lib import (
    IntOut,
    Ring,
    lib,
    new_buffer,
    new_held,
    new_ring,
    read_buffer,
    read_int,
)
from ..errors import NoSuchProcessError
from ..lowlevel._arguments import check
from . import _points
from ._points import Manner, Point

# What read(2) of an event gives: how often, its id, how many were lost.
_COUNT: Final = struct.Struct("=QQQ")

# What has a stack in it is the largest.
_LARGEST_RECORD: Final = 2048

# A ring that the caller may not lock in memory is tried in half the size, to here.
_SMALLEST: Final = 1 << 15

_open: weakref.WeakSet[Rings] = weakref.WeakSet()


class Event(NamedTuple):
    """One that was opened."""

    fd: IntOut
    id: int
    point: Point | None
    """``None``: the one that has the ring."""


class Rings:
    """
    The rings of all CPUs.

    Nothing of it outlives the process; a fork lets go of it at once.
    """

    def __init__(
        self,
        manner: Manner,
        numbers: Mapping[Point, int],
        tasks: Sequence[int] = (-1,),
    ) -> None:
        self._manner = manner
        self._owner = lib.pyns_process()
        self._rings: list[Ring] = []
        self.events: list[Event] = []
        self._poll = select.poll()
        self.taken: list[bytes] = []
        """What was taken out of rings, for the reader to take from here."""
        self._at = 0
        self.may_have_lost = False
        """Whether a ring was as good as full since somebody last cleared this."""
        _open.add(self)
        try:
            while not self._open_all(numbers, tasks):
                # More than kernel.perf_event_mlock_kb takes CAP_IPC_LOCK.
                self._let_go()
                self._manner = self._manner._replace(size=self._manner.size // 2)
            self._buffer = new_buffer(self._manner.size)
            for event in self.events:
                fcntl.ioctl(read_int(event.fd), lib.PERF_EVENT_IOC_ENABLE, 0)
        except BaseException:
            self.close()
            raise

    def _open_all(self, numbers: Mapping[Point, int], tasks: Sequence[int]) -> bool:
        """Open all; return whether there is room in memory for all of them."""
        found = list(tasks)
        for cpu in range(os.sysconf("SC_NPROCESSORS_CONF")):
            if not self._open_cpu(cpu, numbers, found):
                return False
        if not found:
            check(-errno.ESRCH, "perf_event_open")
        return True

    @property
    def tells_lost(self) -> bool:
        """Whether the kernel counts what each event has lost."""
        return self._manner.tells_lost

    def _open_cpu(
        self, cpu: int, numbers: Mapping[Point, int], tasks: list[int]
    ) -> bool:
        output = -1
        for task in tasks.copy():
            try:
                fd = self._open_leader(task, cpu)
            except NoSuchProcessError:
                tasks.remove(task)  # It has ended since.
                continue
            if fd < 0:
                return True
            if output >= 0:
                fcntl.ioctl(fd, lib.PERF_EVENT_IOC_SET_OUTPUT, output)
            elif self._map(fd):
                output = fd
            else:
                return False
            with suppress(NoSuchProcessError):
                self._open_points(task, cpu, numbers, output)
        return True

    def _open_points(
        self, task: int, cpu: int, numbers: Mapping[Point, int], output: int
    ) -> None:
        machine = platform.machine()
        for point, number in numbers.items():
            attr = _points.follower(self._manner, point, number, machine)
            fd = self._open_event(attr, task, cpu, point)
            fcntl.ioctl(fd, lib.PERF_EVENT_IOC_SET_OUTPUT, output)
            if point.filter is not None:
                text = point.filter.encode() + b"\0"
                fcntl.ioctl(fd, lib.PERF_EVENT_IOC_SET_FILTER, text)

    def _open_leader(self, task: int, cpu: int) -> int:
        try:
            return self._open_event(_points.leader(self._manner), task, cpu, None)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return -1  # There is no such CPU at present.
            if error.errno != errno.EINVAL or not self._manner.tells_lost:
                raise
        # The kernel is from before Linux 6.0.
        self._manner = self._manner._replace(tells_lost=False)
        return self._open_event(_points.leader(self._manner), task, cpu, None)

    def _open_event(self, attr: bytes, task: int, cpu: int, point: Point | None) -> int:
        place = new_held()
        fd = check(lib.pyns_perf_event_open(attr, task, cpu, place), "perf_event_open")
        _, id = struct.unpack_from("=QQ", os.read(fd, _COUNT.size))
        self.events.append(Event(place, id, point))
        return fd

    def _map(self, fd: int) -> bool:
        ring = new_ring()
        result = lib.pyns_ring_map(ring, fd, self._manner.size)
        if result == -errno.EPERM and self._manner.size > _SMALLEST:
            return False
        check(result, "mmap")
        self._rings.append(ring)
        self._poll.register(fd, select.POLLIN)
        return True

    def wait(self, timeout: float) -> None:
        """Wait until a ring is a quarter full, or for as long as this, in seconds."""
        for fd, what in self._poll.poll(timeout * 1000):
            if what & ~select.POLLIN:
                # The tasks that it was of are gone, which it would say for ever.
                self._poll.unregister(fd)

    def take(self) -> None:
        """
        Move what is in the rings to `taken`.

        Where a signal's handler raises on the way, it goes on there the next time.
        Such a handler runs after a call only: what is between two calls is done whole.

        Raises:
            RuntimeError: This process was forked from the one that opened them.
        """
        if lib.pyns_process() != self._owner:
            raise RuntimeError("a fork cannot go on with a trace")
        while self._at < len(self._rings):
            ring = self._rings[self._at]
            if ring.held < 0:
                lib.pyns_ring_take(ring, self._buffer, self._manner.size)
            if ring.held > self._manner.size - _LARGEST_RECORD:
                self.may_have_lost = True
            data = read_buffer(self._buffer, ring.held)
            self.taken += [data]
            ring.held = -1
            self._at += 1
        self._at = 0

    def lost(self) -> tuple[int, int]:
        """Return how many calls have begun unseen, and how many records were lost."""
        calls = records = 0
        for event in self.events:
            _, _, lost = _COUNT.unpack(os.read(read_int(event.fd), _COUNT.size))
            records += lost
            if event.point is not None and not event.point.is_exit:
                calls += lost
        return calls, records

    def close(self) -> None:
        """Let go of all; again, it does nothing."""
        _open.discard(self)
        self._let_go()

    def _let_go(self) -> None:
        self._poll = select.poll()
        for ring in self._rings:
            lib.pyns_ring_unmap(ring)
        for event in self.events:
            lib.pyns_release(event.fd)
        self._rings.clear()
        self.events.clear()


def try_manner(manner: Manner, task: int) -> None:
    """
    Try whether a task may be watched so; -1: all of them.

    Raises:
        NamespacePermissionError: It may not.
    """
    attr = _points.leader(manner._replace(tells_lost=False))
    # Any CPU; the first may be switched off.
    cpus = range(os.sysconf("SC_NPROCESSORS_CONF"))
    for cpu in cpus:
        place = new_held()
        result = lib.pyns_perf_event_open(attr, task, cpu, place)
        if result != -errno.ENODEV:
            check(result, "perf_event_open")
            lib.pyns_release(place)
            return


def _close_in_fork() -> None:
    for rings in list(_open):
        rings.close()


os.register_at_fork(after_in_child=_close_in_fork)
