"""Answering on a thread of its own, for who reads events when it likes."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Final

from .._lib import lib
from ._notify import Notifier

if TYPE_CHECKING:
    from ..process._options import Args
    from ._filter import Clone3
    from .events import TraceEvent


class NotifySource:
    """
    The events of a program, which goes on whether or not they are read.

    Args:
        command: The program and its arguments.

        clone3: As of `supervise`.

        options: As of `Popen`.

    Raises:
        SpawnError: It could not be started, or not be supervised.
    """

    name: Final = "notify"

    lost: Final = 0
    """A call waits until it has been looked at, so there is an event of each."""

    def __init__(
        self,
        command: Args,
        *,
        clone3: Clone3 = "notify",
        options: dict[str, object] | None = None,
    ) -> None:
        self._answerer = answerer = _Answerer(command, clone3, options)
        self.pid: int = answerer.notifier.pid
        # Also when this object goes, or the interpreter ends.
        self._end = weakref.finalize(self, answerer.end)
        answerer.start()

    @property
    def returncode(self) -> int | None:
        """How the program has ended, as of `Popen`; ``None`` if it has not."""
        return self._answerer.notifier.returncode

    @property
    def ended(self) -> bool:
        """Whether the program has ended, and there is nothing more to read."""
        return self._answerer.is_empty()

    def read(self, timeout: float | None = None) -> list[TraceEvent]:
        """
        Wait for events, and return them: none when the time is over, or at the end.

        Raises:
            BaseException: What has ended the thread that answers, and the program.

            RuntimeError: This process was forked from the one that began.
        """
        return self._answerer.read(timeout)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until there is something to read, for so many seconds at most."""
        self._answerer.wait(timeout)

    def close(self) -> None:
        """End the program if it still runs. Twice is allowed."""
        self._end()


class _Answerer:
    """The thread, and what it shares with who reads."""

    def __init__(
        self, command: Args, clone3: Clone3, options: dict[str, object] | None
    ) -> None:
        self._owner = lib.pyns_process()
        self._events: list[TraceEvent] = []
        self._taken: list[TraceEvent] = []
        self._changed = threading.Condition()
        self._is_over = self._is_to_end = False
        self._failure: BaseException | None = None
        self._bell = -1
        # A daemon, since what ends it at the end of the interpreter comes after that
        # has waited for all others.
        self._thread = threading.Thread(
            target=self._answer, name="pynamespaces-notify", daemon=True
        )
        self.notifier = Notifier(command, clone3=clone3, options=options)
        try:
            self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self.notifier.wake_by(self._bell)
        except BaseException:
            self._close()
            raise

    def start(self) -> None:
        """Start to answer."""
        try:
            self._thread.start()
        except BaseException:
            self._close()
            raise

    def _answer(self) -> None:
        failure: BaseException | None = None
        try:
            while not (self.notifier.ended or self._is_to_end):
                events = self.notifier.take()
                if events:
                    with self._changed:
                        self._events.extend(events)
                        self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - who reads is told
            failure = error
        finally:
            # Nobody answers any more: the program must not wait for that.
            self.notifier.close()
            with self._changed:
                self._failure, self._is_over = failure, True
                self._changed.notify_all()
            # Its traceback has this frame.
            del failure

    def is_empty(self) -> bool:
        """Return whether nothing more will come."""
        self._refuse_in_fork()
        with self._changed:
            return self._is_over and not self._has_events() and self._failure is None

    def _refuse_in_fork(self) -> None:
        # There is no thread that answers, and who held the lock may be gone.
        if lib.pyns_process() != self._owner:
            raise RuntimeError("a fork cannot go on with a trace")

    def _has_events(self) -> bool:
        return bool(self._taken or self._events)

    def _has_news(self) -> bool:
        return self._is_over or self._has_events()

    def wait(self, timeout: float | None) -> None:
        """Wait for events, and leave them."""
        self._refuse_in_fork()
        with self._changed:
            self._changed.wait_for(self._has_news, timeout)

    def read(self, timeout: float | None) -> list[TraceEvent]:
        """Wait for events, and take them."""
        self._refuse_in_fork()
        with self._changed:
            self._changed.wait_for(self._has_news, timeout)
            if not self._has_events() and self._failure is not None:
                failure, self._failure = self._failure, None
                try:
                    raise failure
                finally:
                    # The traceback has this frame.
                    del failure
            self._taken += self._events
            del self._events[:]
        # Of the lock it has let go by now: no call comes after this, after which a
        # signal's handler could raise.
        events, self._taken = self._taken, []
        return events

    def end(self) -> None:
        """End the program and the thread."""
        if lib.pyns_process() == self._owner and self._thread.is_alive():
            self._is_to_end = True
            os.eventfd_write(self._bell, 1)
            if threading.current_thread() is not self._thread:
                self._thread.join()
        self._close()

    def _close(self) -> None:
        self.notifier.close()
        bell, self._bell = self._bell, -1
        if bell != -1:
            os.close(bell)
