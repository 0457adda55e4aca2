"""From records to events: what real programs seldom do, by records made by hand."""

import errno
import os
import signal

from pynamespaces import lowlevel
from pynamespaces.tracing import CloneEvent, SetnsEvent, UnshareEvent
from pynamespaces.tracing._assembly import Assembler
from pynamespaces.tracing._points import SYSCALLS, Point, points_of
from pynamespaces.tracing._records import EXIT, FIRST_POINT, FORK, LOST, NAMESPACES
from pynamespaces.tracing._tasks import Tasks

POINTS = points_of(SYSCALLS)
PID, CHILD = 1 << 23, (1 << 23) + 1
"""Ids that no task has."""

HERE = (11, 12, 13, 14, 15, 16, 17)
THERE = (11, 22, 13, 14, 15, 16, 17)
"""Where a task is; and with another uts."""

UTS = int(lowlevel.CLONE_NEWUTS)


class Records:
    """Records as they come, one after the other, and what is made of them."""

    def __init__(self) -> None:
        self.assembler = Assembler(Tasks(), POINTS)
        self._time = 0
        self.add(NAMESPACES, PID, PID, *HERE)

    def add(self, kind: int, *numbers: int, by: int = PID) -> None:
        """Add one record."""
        self._time += 1
        self.assembler.feed((self._time, kind, by, by, numbers, ""))

    def begin(self, name: str, *numbers: int) -> None:
        """Add that a call begins."""
        point = next(p for p in POINTS if p.name == f"sys_enter_{name}")
        self.add(FIRST_POINT + POINTS.index(point), *numbers)

    def end(self, name: str, result: int) -> None:
        """Add that a call returns."""
        point = next(p for p in POINTS if p.name == f"sys_exit_{name}")
        self.add(FIRST_POINT + POINTS.index(point), result)


def test_names() -> None:
    """A tracepoint has the name that the kernel gives it."""
    names = {Point("setns", is_exit=False).name, Point("clone3", is_exit=True).name}
    assert names == {"sys_enter_setns", "sys_exit_clone3"}


def test_restarted() -> None:
    """A call that the kernel has made again, since a signal came, is told once."""
    records = Records()
    records.begin("clone", UTS | signal.SIGCHLD)
    records.end("clone", -513)
    records.begin("clone", UTS | signal.SIGCHLD)
    records.add(FORK, CHILD, PID, CHILD, PID)
    records.add(NAMESPACES, CHILD, CHILD, *THERE)
    records.end("clone", CHILD)
    (event,) = records.assembler.events
    assert isinstance(event, CloneEvent)
    assert (event.result, event.error, event.child) == (CHILD, None, CHILD)
    (change,) = event.changes
    assert (change.type, change.created) == ("uts", True)


def test_unseen_return() -> None:
    """Of a call whose return was lost, the result is not known; the next is whole."""
    records = Records()
    records.begin("setns", 3, UTS)
    records.begin("unshare", UTS)
    records.add(NAMESPACES, PID, PID, *THERE)
    records.end("unshare", 0)
    first, second = records.assembler.events
    assert isinstance(first, SetnsEvent)
    assert (first.fd, first.result, first.error) == (3, None, None)
    assert isinstance(second, UnshareEvent)
    assert second.result == 0
    assert [change.type for change in second.changes] == ["uts"]


def test_killed_on_the_way() -> None:
    """A call of a task that ends in it is told, too."""
    records = Records()
    records.begin("unshare", UTS)
    records.add(EXIT, PID, 1, PID, 1)
    (event,) = records.assembler.events
    assert isinstance(event, UnshareEvent)
    assert event.result is None


def test_at_the_end() -> None:
    """So is one that has not returned when all is over."""
    records = Records()
    records.begin("setns", 3, 0)
    assert not records.assembler.events
    records.assembler.finish()
    (event,) = records.assembler.events
    assert isinstance(event, SetnsEvent)
    assert event.result is None


def test_loss_between_call_and_return() -> None:
    """A return after a loss is not taken for that of the call before it."""
    records = Records()
    records.begin("unshare", UTS)
    records.add(LOST, 1, 5)
    records.end("unshare", -errno.EPERM)
    (event,) = records.assembler.events
    assert isinstance(event, UnshareEvent)
    assert (event.result, event.error) == (None, None)


def test_nothing_is_known_after_a_loss() -> None:
    """A setns(2) that may have changed nothing is not said to have."""
    records = Records()
    records.add(LOST, 1, 5)
    records.begin("setns", 3, UTS)
    records.add(NAMESPACES, PID, PID, *THERE)
    records.end("setns", 0)
    records.begin("unshare", UTS)
    records.add(NAMESPACES, PID, PID, *HERE)
    records.end("unshare", 0)
    first, second = records.assembler.events
    assert isinstance(first, SetnsEvent)
    assert not first.changes
    assert isinstance(second, UnshareEvent)
    (change,) = second.changes
    assert change.before is not None
    assert (change.before.ino, change.after and change.after.ino) == (22, 12)


def test_clone_after_a_loss() -> None:
    """What a clone makes is known from its flags, though its parent's place is not."""
    records = Records()
    records.add(LOST, 1, 5)
    records.begin("clone", UTS)
    records.add(FORK, CHILD, PID, CHILD, PID)
    records.add(NAMESPACES, CHILD, CHILD, *THERE)
    records.end("clone", CHILD)
    (event,) = records.assembler.events
    assert isinstance(event, CloneEvent)
    (change,) = event.changes
    assert change.before is None
    assert change.after is not None
    assert (change.type, change.after.ino) == ("uts", 22)


def test_parent_by_flags() -> None:
    """The parent is who it was at the call, also where that is not who has called."""
    records = Records()
    tasks = records.assembler.tasks
    records.add(FORK, CHILD, PID, CHILD, PID)
    assert tasks.parent(CHILD) == PID
    records.begin("clone", UTS | int(lowlevel.CLONE_PARENT))
    records.add(FORK, CHILD + 1, CHILD, CHILD + 1, CHILD, by=CHILD)
    assert tasks.parent(CHILD + 1) == CHILD
    assert tasks.parent(os.getpid()) == os.getppid()


def test_outsiders() -> None:
    """Tasks that have no id here are left out, since they cannot be told apart."""
    records = Records()
    records.add(NAMESPACES, 0, 0, *HERE, by=0)
    records.add(FIRST_POINT, 3, UTS, by=0)
    records.add(NAMESPACES, 0, 0, *THERE, by=0)
    records.assembler.finish()
    assert not records.assembler.events
