"""`Trace`: the events of what is being watched, until it ends."""

from __future__ import annotations

import asyncio
import select
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from types import TracebackType
from typing import Final, Protocol, Self, final

from .. import lowlevel
from .._lib import lib, new_held, read_int, write_int
from .._types import override, shown
from ..process import Popen
from ._answerer import NotifySource
from ._filtering import Wish
from .events import TraceEvent

_LONGEST: Final = 2**31
"""Of what may be waited for, in seconds."""


class Source(Protocol):
    """Where events come from."""

    @property
    def name(self) -> str:
        """What the backend is called."""
        ...

    @property
    def lost(self) -> int:
        """How many calls there is no event of."""
        ...

    @property
    def events(self) -> list[TraceEvent]:
        """What has come, for the reader to take out."""
        ...

    def read(self) -> None:
        """Make events of what has come; it does not wait."""
        ...

    def finish(self) -> None:
        """Make events of all that is left, at the end."""
        ...

    def wait(self, timeout: float, /) -> None:
        """Wait until there is something to read, or for as long as this, in seconds."""
        ...

    def close(self) -> None:
        """Stop watching; again, it does nothing."""
        ...


class Notified:
    """The source that is a program which asks before each call."""

    def __init__(self, source: NotifySource) -> None:
        self.name = source.name
        self.lost = source.lost
        self.wait = source.wait
        self.close = source.close
        self._source = source
        self.events: list[TraceEvent] = []

    def read(self) -> None:
        """Make events of what has come; it does not wait."""
        self.events += self._source.read(0)

    finish = read


class Target:
    """What is watched: all, if neither a process nor a command is given."""

    def __init__(self, pid: int | None, command: Sequence[str] | None) -> None:
        self.pid = pid
        self.command = command
        self._process: Popen[bytes] | None = None
        self._notified: NotifySource | None = None
        self._pidfd = new_held()
        if pid is not None:
            write_int(self._pidfd, lowlevel.pidfd_open(pid))

    def start(self) -> None:
        """Start the command."""
        assert self.command is not None
        self._process = Popen(self.command)
        self.pid = self._process.pid

    def start_notified(self) -> NotifySource:
        """Start the command so that it asks before each call; return who answers."""
        assert self.command is not None
        self._notified = NotifySource(self.command)
        self.pid = self._notified.pid
        return self._notified

    @property
    def returncode(self) -> int | None:
        """How the command has ended, as far as somebody has looked."""
        started = self._process or self._notified
        return None if started is None else started.returncode

    def has_ended(self) -> bool:
        """Return whether it has; the machine never does."""
        if self._notified is not None:
            return self._notified.ended
        if self._process is not None:
            return self._process.poll() is not None
        if read_int(self._pidfd) < 0:
            return False
        poll = select.poll()
        poll.register(read_int(self._pidfd), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Kill the command, if it still runs; again, it does nothing."""
        lib.pyns_release(self._pidfd)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _check(timeout: float | None) -> None:
    """Refuse what would end at no time, or is none."""
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        kind = type(timeout).__name__
        raise TypeError(f"timeout is a number of seconds, not {kind}")
    # As a float, an int may be more than there can be.
    if not abs(timeout) < _LONGEST:
        raise ValueError(
            f"timeout {shown(timeout)} is no number of seconds below {_LONGEST}; "
            "None waits as long as it takes"
        )


@final
class Trace:
    """
    Events in the order in which they happened: a context manager and an iterator.

    It holds descriptors and memory of the kernel's until it is closed, and belongs to
    one thread at a time. A fork of this process has none of it.
    """

    def __init__(
        self, source: Source, target: Target, wish: Wish, interval: float
    ) -> None:
        self._source = source
        self._target = target
        self._wish = wish
        self._interval = interval
        self._next: deque[TraceEvent] = deque()
        self._is_over = False
        self._is_closed = False

    @property
    def backend(self) -> str:
        """Which backend it is: ``"perf"``, ``"perf-own"`` or ``"notify"``."""
        return self._source.name

    @property
    def pid(self) -> int | None:
        """The process that is watched with its descendants; ``None``: all are."""
        return self._target.pid

    @property
    def returncode(self) -> int | None:
        """How the command has ended, as of `subprocess.Popen`; ``None``: not yet."""
        return self._target.returncode

    @property
    def lost(self) -> int:
        """How many calls there is no event of, so far."""
        return self._source.lost

    @property
    def ended(self) -> bool:
        """Whether what is watched has ended, and all of it was read."""
        return self._is_over and not self._next and not self._source.events

    def read(self, timeout: float | None = None) -> list[TraceEvent]:
        """
        Return the events that have come; wait for them if there are none.

        Args:
            timeout: How long, in seconds; ``None``: until there are some. Then, and at
                the end, there are none.

        Raises:
            ValueError: It is closed; or *timeout* is no number.
        """
        self._wait(timeout)
        empty: deque[TraceEvent] = deque()
        events = list(self._next)
        # No call comes between, after which a signal's handler could raise.
        self._next = empty
        return events

    def _wait(self, timeout: float | None) -> None:
        """Wait for events, unless there are some, or will be none."""
        if self._is_closed:
            raise ValueError("the trace is closed")
        _check(timeout)
        until = None if timeout is None else time.monotonic() + timeout
        while not self.ended:
            self._fill()
            if self._next:
                break
            left = self._interval
            if until is not None:
                left = min(left, until - time.monotonic())
                if left <= 0:
                    break
            if not self._is_over:
                self._source.wait(left)

    def _fill(self) -> None:
        # First this, so that all that has come by then is among what is left.
        if self._is_over:
            pass
        elif self._target.has_ended():
            self._source.finish()
            self._is_over = True
        else:
            self._source.read()
        events = self._source.events
        wanted = list(filter(self._wish.wants, events))
        # As above.
        self._next += wanted
        del events[:]

    def __iter__(self) -> Iterator[TraceEvent]:
        """Wait for events, until what is watched has ended."""
        while True:
            while self._next:
                yield self._next.popleft()
            if self.ended:
                return
            self._wait(None)

    async def __aiter__(self) -> AsyncIterator[TraceEvent]:
        """Wait for events as a coroutine: `asyncio` runs others meanwhile."""
        while True:
            while self._next:
                yield self._next.popleft()
            if self.ended:
                return
            self._wait(0)
            if not self._next:
                await asyncio.sleep(self._interval)

    def close(self) -> None:
        """Stop watching, and kill the command if it still runs; again, do nothing."""
        self._is_closed = self._is_over = True
        self._next.clear()
        self._source.events.clear()
        try:
            self._source.close()
        finally:
            self._target.close()

    def __enter__(self) -> Self:
        """Close it at the end of the block."""
        return self

    def __exit__(
        self,
        type: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    @override
    def __repr__(self) -> str:
        what = "the machine" if self.pid is None else f"process {self.pid}"
        return f"<Trace of {what} by {self.backend}>"
