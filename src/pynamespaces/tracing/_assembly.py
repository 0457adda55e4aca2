"""From records to events: what a call was given, what came of it, what has changed."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from time import monotonic_ns
from typing import Final

from .. import lowlevel
from .._types import NamespaceType, types_of
from . import _records
from ._points import Point, Syscall
from ._records import UNKNOWN, Record
from ._tasks import ORDER, PID, Places, Tasks
from .events import (
    Certainty,
    ChangeEvent,
    CloneEvent,
    LostEvent,
    NamespaceChange,
    SetnsEvent,
    TraceEvent,
    UnshareEvent,
)

# A signal came between: the kernel has the call made again, unseen by who called.
_RESTARTING: Final = (-512, -513, -514, -516)
_PID_TYPE: Final = NamespaceType.PID


class Call:
    """A call that has begun."""

    __slots__ = (
        *("changes", "child", "first", "is_restarting", "pid", "second", "syscall"),
        "types",
    )

    def __init__(self, pid: int, syscall: Syscall, first: int, second: int) -> None:
        self.pid = pid
        self.is_restarting = False
        self.syscall: Syscall = syscall
        self.first = first
        self.second = second
        flags = second if syscall == "setns" else first
        if flags == UNKNOWN and syscall == "clone3":
            flags = 0
        if syscall == "clone":
            flags &= ~lowlevel.CLONE_NEWTIME  # That bit is of a signal's number.
        self.types = types_of(flags)
        self.child: int | None = None
        self.changes: tuple[NamespaceChange, ...] = ()


class Assembler:
    """
    Put records together, in the order in which they happened.

    Args:
        tasks: What is known of tasks.

        points: The tracepoints, in the order of their kinds; none where only changes
            are watched.
    """

    certainty: Certainty = "kernel"

    def __init__(self, tasks: Tasks, points: Iterable[Point]) -> None:
        self.tasks = tasks
        self.events: list[TraceEvent] = []
        """What is ready, for the reader to take out."""
        self.time = 0
        """When the last of what was taken in has happened."""
        self._points = dict(enumerate(points, _records.FIRST_POINT))
        self.lost_records = 0
        """How many records were lost, as far as the rings themselves say so."""
        self._calls: dict[int, Call] = {}

    def feed(self, record: Record) -> None:
        """Take in one record."""
        time, kind, pid, tid, numbers, text = record
        self.time = time
        if tid == 0:
            return  # It has no id here, so it cannot be told from others.
        point = self._points.get(kind)
        if point is not None:
            if point.is_exit:
                self._returned(time, pid, tid, point.syscall, numbers[0])
            else:
                self._begun(time, pid, tid, point.syscall, numbers)
        elif kind == _records.NAMESPACES:
            self._placed(time, pid, tid, numbers)
        elif kind == _records.FORK:
            self._born(numbers)
        elif kind == _records.COMM:
            self.tasks.named(numbers[1], text)
        elif kind == _records.EXIT:
            self._ended(time, numbers[0], numbers[2])
        elif kind == _records.LOST:
            self.lost_records += numbers[1]
            self.forget()

    def finish(self) -> None:
        """Tell of the calls that have not returned, or of which that is not known."""
        time = self.time
        for tid, call in list(self._calls.items()):
            self._tell(time, call.pid, tid, None)

    # --- records ---

    def _begun(
        self, time: int, pid: int, tid: int, syscall: Syscall, numbers: tuple[int, ...]
    ) -> None:
        call = self._calls.get(tid)
        if call is not None and not call.is_restarting:
            self._tell(time, pid, tid, None)  # That it returned was lost.
        # Of ints, the kernel takes the lower half.
        first, second = numbers[0], 0
        if syscall == "setns":
            first, second = _int(first), _int(numbers[1])
        elif syscall in ("unshare", "clone"):
            first &= 2**64 - 1
        self._calls[tid] = Call(pid, syscall, first, second)

    def _returned(
        self, time: int, pid: int, tid: int, syscall: Syscall, result: int
    ) -> None:
        call = self._calls.get(tid)
        if call is None or call.syscall != syscall:
            return
        if result in _RESTARTING:
            call.is_restarting = True
        else:
            self._tell(time, pid, tid, result)

    def _born(self, numbers: tuple[int, ...]) -> None:
        pid, maker, tid, maker_tid = numbers
        call = self._calls.get(maker_tid)
        flags = 0
        if call is not None and call.syscall in ("clone", "clone3"):
            call.child = tid
            flags = max(call.first, 0)
        self.tasks.born(pid, tid, maker, maker_tid, flags)

    def _ended(self, time: int, pid: int, tid: int) -> None:
        if tid in self._calls:
            self._tell(time, pid, tid, None)
        self.tasks.ended(pid, tid)

    def forget(self) -> None:
        """Believe nothing any more: something was lost."""
        # What is told next may be of another call than the one that has begun.
        self.finish()
        self.tasks.forget_places()

    def _placed(self, time: int, pid: int, tid: int, numbers: tuple[int, ...]) -> None:
        of, places = numbers[1], numbers[2:]
        if not places:
            return  # A kernel that tells of fewer types than we know.
        if of == tid:
            self._moved(time, pid, tid, places)
        else:
            self._newborn(time, pid, tid, of, places)

    def _moved(self, time: int, pid: int, tid: int, after: Places) -> None:
        tasks = self.tasks
        before = tasks.places(tid, pid, time)
        if before == after:
            return
        tasks.move(tid, after)
        call = self._calls.get(tid)
        if call is not None:
            # Where it was not known where it was, unshare(2) has changed it for sure.
            made = call.types if call.syscall == "unshare" else ()
            named = [type for type in made if type is not _PID_TYPE]
            call.changes += tuple(tasks.changes(before, after, made, named))
        elif before is not None:
            self._tell_change(time, pid, tid, None, tasks.changes(before, after, None))

    def _newborn(self, time: int, pid: int, tid: int, of: int, after: Places) -> None:
        tasks = self.tasks
        before = tasks.places(tid, pid, time)
        tasks.move(of, after)
        call = self._calls.get(tid)
        if call is not None and call.syscall not in ("clone", "clone3"):
            call = None
        named = () if call is None else call.types
        makes_pid = _PID_TYPE in named
        is_unclear = call is not None and call.first == UNKNOWN
        is_pending = tid in tasks.pending_pid
        fresh = True if makes_pid else tasks.pending_pid.pop(tid, None)
        if before is not None and before[PID] != after[PID] and not makes_pid:
            if tasks.children_pid.get(tid) == after[PID]:
                # All of its children are born there.
                before = (*before[:PID], after[PID], *before[PID + 1 :])
            elif is_pending or not is_unclear:
                tasks.children_pid[tid] = after[PID]
            else:
                fresh = True
        # Nobody is born into what is another's, but for the type pid.
        changes = tuple(
            each._replace(created=fresh) if each.type is _PID_TYPE else each
            for each in tasks.changes(before, after, ORDER, named)
        )
        if call is not None:
            call.child = of
            call.changes += changes
        else:
            self._tell_change(time, pid, tid, of, changes)

    # --- events ---

    def _tell_change(
        self,
        time: int,
        pid: int,
        tid: int,
        child: int | None,
        changes: Iterable[NamespaceChange],
    ) -> None:
        found = tuple(changes)
        if found and self._is_watched(pid, child):
            tasks = self.tasks
            self.events.append(
                ChangeEvent(
                    *(time, pid, tid, tasks.parent(pid), tasks.comm(pid, tid)),
                    *(child, self.certainty, found),
                )
            )

    def _tell(self, time: int, pid: int, tid: int, result: int | None) -> None:
        """Tell of a call; *result*: what it returned, as the kernel has it."""
        call = self._calls.pop(tid)
        if result is not None and result >= 0:
            self._succeeded(call, tid)
        if not self._is_watched(pid, call.child):
            return
        tasks = self.tasks
        error = None
        if result is not None and result < 0:
            error, result = errno.errorcode.get(-result, str(-result)), -1
        who = (time, pid, tid, tasks.parent(pid), tasks.comm(pid, tid))
        came_of = (result, error, self.certainty, call.changes)
        if call.syscall == "setns":
            types = call.types or tuple(change.type for change in call.changes)
            event: TraceEvent = SetnsEvent(
                *who, call.first, call.second, types, *came_of
            )
        elif call.syscall == "unshare":
            event = UnshareEvent(*who, call.first, call.types, *came_of)
        else:
            flags = None if call.first == UNKNOWN else call.first
            types = call.types
            if flags is None:
                types = tuple(change.type for change in call.changes)
            if not types and not (flags is None and error):
                return  # A thread, or a process like any other.
            event = CloneEvent(
                *(*who, call.syscall, flags, types, call.child), *came_of
            )
        self.events.append(event)

    def _succeeded(self, call: Call, tid: int) -> None:
        """Remember what comes of a call for those who are yet to be born."""
        tasks = self.tasks
        is_any = call.syscall == "setns" and call.second == 0 and not call.changes
        if call.syscall in ("setns", "unshare") and (is_any or _PID_TYPE in call.types):
            tasks.pending_pid[tid] = call.syscall == "unshare"
            if not is_any:
                tasks.children_pid.pop(tid, None)

    def tell_lost(self, calls: int, records: int) -> None:
        """Tell how much was lost."""
        now = self.time or monotonic_ns()
        self.events.append(LostEvent(now, calls, records))

    def _is_watched(self, pid: int, child: int | None) -> bool:
        return self.tasks.is_watched(pid) or (
            child is not None and self.tasks.is_watched(child)
        )


def _int(number: int) -> int:
    number &= 2**32 - 1
    return number - 2**32 if number >= 2**31 else number
