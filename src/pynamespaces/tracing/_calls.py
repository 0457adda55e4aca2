"""
Calls that a supervised thread has made, until it is known what became of them.

Who answers for a call never sees what it returned. But the thread can change nothing
more without asking again: what has changed until then, that call has changed. So it is
looked at the thread until something has, it asks again, or it is too late.
"""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Final

from .._types import NamespaceType, types_of
from ._filter import NEW_NAMESPACES, NEW_NAMESPACES_OF_CLONE
from ._listener import as_int
from ._looking import moves
from .events import CloneEvent, NamespaceChange, SetnsEvent, UnshareEvent

if TYPE_CHECKING:
    from collections.abc import Collection

    from .._types import NamespaceId
    from ._filter import CallName
    from ._listener import Notification
    from ._looking import Links, Lookout, Task
    from .events import Certainty, TraceEvent

_T = NamespaceType
_FOR_CHILDREN: Final = (_T.PID, _T.TIME)

_REST: Final = 0.05
"""How long it is looked, in seconds."""

_FIRST: Final = 0.001


class Call:
    """One call: what was asked for, by whom, and what is known of its end."""

    def __init__(
        self, notification: Notification, lookout: Lookout, task: Task | None
    ) -> None:
        self.lookout = lookout
        self.tid = notification.tid
        self.arguments = notification.arguments
        assert notification.call is not None
        self.name: CallName = notification.call
        self.task = task
        self.flags: int | None = self._read_flags()
        known = NEW_NAMESPACES_OF_CLONE if self.name == "clone" else NEW_NAMESPACES
        self.types = types_of((self.flags or 0) & known)
        self.target: NamespaceId | None = None
        if self.name == "setns" and self.task is not None:
            self.target = lookout.target(self.task, self.fd, self.types)
            if self.flags == 0 and self.target is not None:
                self.types = (self.target.type,)
        self.before: Links | None = None
        self.children: frozenset[int] = frozenset()
        self.time_ns = 0
        self.event: TraceEvent | None = None
        self.is_silent = self.name == "clone3" and self.flags is not None and (
            not self.types
        )  # fmt: skip
        self.is_settled = self.is_silent
        self.next_look = self.last_look = 0.0
        self._seen: tuple[NamespaceChange, ...] = ()

    @property
    def fd(self) -> int:
        """The first argument, as an int."""
        return as_int(self.arguments[0])

    def _read_flags(self) -> int | None:
        first, second = self.arguments[:2]
        if self.name == "setns":
            return as_int(second)
        if self.name == "unshare":
            return first
        if self.name == "clone":
            return first
        return None if self.task is None else self.lookout.flags_at(self.task, first)

    # --- before it ----------------------------------------------------------------

    def look_before(self, links: Links | None) -> None:
        """Look where the thread is, while it waits for the answer."""
        if self.task is None or links is None or self.is_silent:
            return
        self.before = self.lookout.with_unique(links, self.task, self.types)
        if self.name in ("clone", "clone3"):
            self.children = self.lookout.children(self.task)

    def refusal(self, deny: Collection[NamespaceType]) -> int:
        """Return the errno that it is to fail by, or 0."""
        if not deny:
            return 0
        if any(type in deny for type in self.types):
            return errno.EPERM
        if self.name == "clone3" and self.flags is None:
            return errno.ENOSYS  # The C library takes clone then, which can be judged.
        is_open = self.name == "setns" and not self.flags and self.target is None
        if is_open and (self.task is None or not self.lookout.may_look(self.task)):
            return errno.EPERM
        return 0

    # --- after it -----------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Note that it has been let go on."""
        self.time_ns = time.monotonic_ns()
        self.next_look, self.last_look = now + _FIRST, now + _REST
        if self.before is None and not self.is_settled:
            self._settle((), "observed")

    def deny(self, number: int) -> None:
        """Note that it has been refused."""
        self.time_ns = time.monotonic_ns()
        self.is_settled = True
        if number == errno.EPERM:
            self.event = self._event((), -1, "EPERM", "confirmed", denied=True)

    def look(self, now: float) -> None:
        """Look what has become of it, where the thread has not asked again."""
        self.glance()
        if self.is_settled:
            return
        if now >= self.last_look:
            self._settle(self._seen, "observed")
            return
        # At shorter times first: most of what ends soon does so at once.
        passed = now - (self.last_look - _REST)
        self.next_look = min(now + max(_FIRST, passed / 4), self.last_look)

    def glance(self) -> None:
        """Look, but not as one of the times that there are."""
        if self.is_settled or self.task is None or self.before is None:
            return
        if self.name in ("clone", "clone3"):
            self._look_for_child()
        else:
            self._look_at_thread(self.task, self.before)

    def confirm(self, task: Task | None, links: Links | None) -> None:
        """
        Say what became of it: its thread asks again, and has done nothing since.

        Args:
            task: Who asks.

            links: Where it is.
        """
        if self.is_settled or self.task is None or self.before is None:
            return
        if self.name in ("clone", "clone3"):
            self._look_for_child()
        elif task and links and task.started == self.task.started:
            self._judge(task, self.before, links, is_over=True)
        if not self.is_settled:
            self._settle(self._seen, "observed")

    def _look_at_thread(self, task: Task, before: Links) -> None:
        after = self.lookout.links(task)
        if moves(before, after):
            # The links are not read at one time.
            after = self.lookout.links(task)
        if after is None or not self.lookout.is_same(task):
            self._settle(self._seen, "observed")
        else:
            self._judge(task, before, after, is_over=False)

    def _judge(self, task: Task, before: Links, after: Links, *, is_over: bool) -> None:
        changed = moves(before, after)
        changes = self._changes(task, before, after, changed)
        due = {
            type
            for type in _FOR_CHILDREN
            if before.for_children.get(type) != after.for_children.get(type)
        }
        if is_over or self._is_all(due.union(changed)):
            result = 0 if changes or due else -1 if self.name == "unshare" else None
            self._settle(changes, "confirmed", result)
        elif changes:
            self._seen = changes

    def _changes(
        self,
        task: Task,
        before: Links,
        after: Links,
        types: Collection[NamespaceType],
        made: Collection[NamespaceType] | None = None,
    ) -> tuple[NamespaceChange, ...]:
        """Return what has changed for a thread; *made* are those that are fresh."""
        if made is None:
            made = types if self.name == "unshare" else ()
        own = self.lookout.with_unique(after, task, types).own
        return tuple(
            NamespaceChange(type, before.own.get(type), own[type], type in made)
            for type in types
        )

    def _is_all(self, changed: Collection[NamespaceType]) -> bool:
        """Return whether nothing more is to come: the kernel changes one by one."""
        if self.name == "unshare":
            return all(type in changed for type in self.types)
        if self.flags == 0:
            return bool(changed)
        return len(self.types) == 1 and self.types[0] in changed

    def _look_for_child(self) -> None:
        """Look for one that is where the thread is not, and has not asked since."""
        task, before = self.task, self.before
        assert task is not None
        assert before is not None
        for pid in sorted(self.lookout.children(task) - self.children):
            child = self.lookout.task(pid)
            links = None if child is None else self.lookout.links(child)
            if child is None or links is None or not self.lookout.is_same(child):
                continue
            changed = moves(before, links)
            # The others are where children of the thread are born anyway.
            wanted = self.types or [t for t in changed if t not in _FOR_CHILDREN]
            if not wanted or not set(wanted) <= set(changed):
                continue
            changes = self._changes(child, before, links, changed, wanted)
            self._settle(changes, "confirmed", self.lookout.id_for(task, pid), pid)
            return
        if not self.lookout.is_same(task):
            self._settle((), "observed")

    def _settle(
        self,
        changes: tuple[NamespaceChange, ...],
        certainty: Certainty,
        result: int | None = None,
        child: int | None = None,
    ) -> None:
        self.is_settled = True
        if self.name == "clone3" and self.flags is None and not changes:
            return  # As far as anybody knows, it was a thread.
        if changes and child is None:
            result = 0
        self.event = self._event(changes, result, None, certainty, child=child)

    def _event(
        self,
        changes: tuple[NamespaceChange, ...],
        result: int | None,
        error: str | None,
        certainty: Certainty,
        *,
        child: int | None = None,
        denied: bool = False,
    ) -> TraceEvent:
        task, types = self.task, self.types
        who: tuple[int, int, int, int | None, str] = (
            (self.time_ns, self.tid, self.tid, None, "")
            if task is None
            else (self.time_ns, task.pid, task.tid, task.ppid, task.comm)
        )
        if not self.flags and changes:
            types = tuple(change.type for change in changes)
        if self.name == "setns":
            return SetnsEvent(
                *who, self.fd, as_int(self.arguments[1]), types, result, error,
                certainty, changes, self.target, denied,
            )  # fmt: skip
        if self.name == "unshare":
            return UnshareEvent(
                *who,
                self.arguments[0],
                types,
                result,
                error,
                certainty,
                changes,
                denied,
            )  # fmt: skip
        return CloneEvent(
            *who, self.name, self.flags, types, child, result, error, certainty,
            changes, denied,
        )  # fmt: skip
