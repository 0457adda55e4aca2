"""
Answering for the namespace calls of a program, and telling of them.

A seccomp filter has them wait until the supervisor lets them go on; see
:manpage:`seccomp_unotify(2)`. No privilege is needed, and nothing is lost. The
supervisor is one thread, whichever calls `Notifier.take`.
"""

from __future__ import annotations

import errno
import select
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from .._lib import lib
from .._refusals import from_errno
from ._calls import Call
from ._listener import Listener
from ._looking import Lookout
from ._supervised import Supervised

if TYPE_CHECKING:
    from collections.abc import Collection

    from .._types import NamespaceType
    from ..process._options import Args
    from ._filter import Clone3
    from ._listener import Notification
    from .events import TraceEvent

_GLANCES: Final = (3e-5,) * 4 + (1e-4,) * 20
"""After how many seconds each it is looked at first: what ends soon is gone later."""

_MOST_OF_SELECT: Final = 1024
"""Numbers below can be waited for in microseconds, by select(2)."""

_MOST_AT_END: Final = 64
"""How many calls of others are answered yet when the program has ended."""


class Notifier:
    """
    A program that has been started, and who answers for its calls.

    Args:
        command: The program and its arguments.

        deny: Types of which its calls are to fail.

        clone3: As of `supervise`.

        watch: Whether events are wanted.

        options: As of `Popen`.
    """

    def __init__(
        self,
        command: Args,
        *,
        deny: Collection[NamespaceType] = (),
        clone3: Clone3 = "notify",
        watch: bool = True,
        options: dict[str, object] | None = None,
    ) -> None:
        self.returncode: int | None = None
        self.ended = False
        self._owner = lib.pyns_process()
        self._deny, self._watch = frozenset(deny), watch
        self._held: dict[int, Call] = {}
        self._calls: deque[Call] = deque()
        self._lookout = Lookout()
        self._process = process = Supervised.start(command, clone3, options or {})
        try:
            self.pid: int = process.pid
            self._listener = Listener(process.listener)
            self._poll = select.poll()
            self._poll.register(self._listener, select.POLLIN)
            self._poll.register(process.pidfd, select.POLLIN)
        except BaseException:
            process.end()
            raise

    def wake_by(self, fd: int) -> None:
        """Have `take` return also when a descriptor can be read."""
        self._poll.register(fd, select.POLLIN)

    def take(self, timeout: float | None = None) -> list[TraceEvent]:
        """
        Answer for calls until there is an event, and return the events.

        Args:
            timeout: Seconds after which that is nothing.

        Raises:
            RuntimeError: This process was forked from the one that started the program.
        """
        if lib.pyns_process() != self._owner:
            raise RuntimeError("a fork cannot go on with the supervision of a program")
        until = None if timeout is None else time.monotonic() + timeout
        while not self.ended:
            ready = self._wait(until)
            if self._listener.fileno() in ready:
                self._serve(ready[self._listener.fileno()])
            self._look_again(time.monotonic())
            if self._process.pidfd in ready:
                self._finish()
            events = self._released()
            if events:
                return events
            others = ready.keys() - {self._listener.fileno(), self._process.pidfd}
            if others or (until is not None and time.monotonic() >= until):
                break
        return []

    def close(self) -> None:
        """End the program if it still runs, and answer no more. Twice is allowed."""
        self.ended = True
        if lib.pyns_process() != self._owner:
            self._process.end_listening()
            return
        self._process.end()
        self.returncode = self._process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- waiting ------------------------------------------------------------------

    def _wait(self, until: float | None) -> dict[int, int]:
        now = time.monotonic()
        times = [call.next_look for call in self._unsettled()]
        if until is not None:
            times.append(until)
        # poll(2) counts in milliseconds, and should not come early.
        wait = None if not times else max(0.0, min(times) - now) * 1000
        try:
            return dict(self._poll.poll(wait))
        except OSError as error:
            raise from_errno(error.errno or errno.EIO, "poll") from None

    def _unsettled(self) -> list[Call]:
        return [call for call in self._calls if not call.is_settled]

    def _look_again(self, now: float) -> None:
        for call in self._unsettled():
            if now >= call.next_look:
                call.look(now)

    def _released(self) -> list[TraceEvent]:
        """Return the events that are complete, in the order of the calls."""
        events = []
        while self._calls and self._calls[0].is_settled:
            call = self._calls.popleft()
            if self._held.get(call.tid) is call:
                del self._held[call.tid]
            if call.event is not None:
                events.append(call.event)
        return events

    def _finish(self) -> None:
        """The program has ended: tell what is known of all, and answer no more."""
        for _ in range(_MOST_AT_END):
            ready = dict(self._poll.poll(0)).get(self._listener.fileno(), 0)
            if not ready & select.POLLIN:
                break
            self._serve(ready)
        self.returncode = self._process.wait()
        for call in self._unsettled():
            call.look(call.last_look)
        self.ended = True

    # --- answering ----------------------------------------------------------------

    def _serve(self, ready: int) -> None:
        if not ready & select.POLLIN:
            # All who have the filter are gone.
            with suppress(KeyError):
                self._poll.unregister(self._listener)
            return
        notification = self._listener.receive()
        if notification is None:
            return
        try:
            call = self._answer(notification)
        except BaseException:
            # It must not wait for ever; as without a supervisor.
            self._listener.answer(notification, errno.ENOSYS)
            raise
        if call is not None:
            self._glance(call)

    def _answer(self, notification: Notification) -> Call | None:
        """Answer a call; return it if it has begun and is to be watched."""
        if notification.call is None or not (self._watch or self._deny):
            self._listener.answer(notification)
            return None
        task = self._lookout.task(notification.tid)
        links = None
        if self._watch and task is not None:
            links = self._lookout.links(task)
        call = Call(notification, self._lookout, task)
        call.look_before(links)
        refusal = call.refusal(self._deny)
        # What was read is the caller's only if it still waits.
        if not self._listener.is_valid(notification):
            return None
        previous = self._held.pop(notification.tid, None)
        if previous is not None:
            previous.confirm(task, links)
        self._find_births(call)
        if not self._listener.answer(notification, refusal) or not self._watch:
            return None
        if refusal:
            call.deny(refusal)
        else:
            call.begin(time.monotonic())
        if call.event is not None or not call.is_settled:
            self._calls.append(call)
        if call.is_settled:
            return None
        self._held[call.tid] = call
        return call

    def _find_births(self, call: Call) -> None:
        """Find out whose child a thread is before it may go elsewhere."""
        if call.task is None:
            return
        for other in list(self._held.values()):
            if other.task is not None and other.task.pid == call.task.ppid:
                other.look(time.monotonic())

    def _glance(self, call: Call) -> None:
        """Look soon what has changed, until others wait: it may end as soon."""
        fds = [self._listener.fileno(), self._process.pidfd]
        for wait in _GLANCES:
            if max(fds) < _MOST_OF_SELECT:
                ready = any(select.select(fds, (), (), wait))
            else:
                ready = bool(self._poll.poll(wait * 1000))
            if ready:
                return
            call.glance()
            if call.is_settled:
                return
