"""Following a trace until it is over: its program, its signals, its end."""

from __future__ import annotations

import math
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from signal import Signals
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import click

from .. import tracing
from ..errors import NoSuchProcessError, SpawnError
from ..tracing._filtering import Wish as Filter
from ..tracing._notify import Notifier
from . import output
from .entering import Places, is_into
from .failures import Failure, message_of
from .people import counted
from .programs import not_started
from .terminal import controlling_terminal

if TYPE_CHECKING:
    from ..tracing import Backend, Syscall, Trace, TraceEvent
    from .reporting import Report
    from .targets import Types

_FOR_THE_PROGRAM: Final = (
    *(Signals.SIGHUP, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTERM),
    *(Signals.SIGUSR1, Signals.SIGUSR2, Signals.SIGALRM),
)
_SLICE: Final = 256
_MOST_WAITING: Final = 1 << 15
"""How many events wait to be shown at most; the kernel keeps what it can of others."""

_KEYS: Final = frozenset({Signals.SIGINT, Signals.SIGQUIT})
"""What a terminal sends to the program as well."""


class Wish(NamedTuple):
    """What is to be watched, and what of it is to be told: as `trace` takes it."""

    pid: int | None = None
    command: Sequence[str] | None = None
    backend: Backend = "auto"
    calls: bool = True
    types: Types | None = None
    syscalls: Sequence[Syscall] | None = None
    changed_only: bool = False
    failed: bool = True


class Limits(NamedTuple):
    """When it ends, whatever goes on; and into what things must go to count."""

    events: int | None = None
    seconds: float | None = None
    places: Places | None = None


class _Guarded:
    """A program that may not do all; what it does, and what it may not."""

    def __init__(self, words: Sequence[str], deny: Types, wish: Wish) -> None:
        self.backend, self.lost = "notify", 0
        self._filter = Filter(
            *(wish.types, wish.syscalls),
            changed_only=wish.changed_only,
            failed=wish.failed,
        )
        # Without us, what is denied would no longer be.
        options: dict[str, object] = {"die_with_parent": True}
        self._notifier = Notifier(words, deny=deny, clone3="enosys", options=options)
        self.pid: int = self._notifier.pid
        self.close = self._notifier.close

    @property
    def returncode(self) -> int | None:
        return self._notifier.returncode

    @property
    def ended(self) -> bool:
        return self._notifier.ended

    def read(self, timeout: float | None = None) -> list[TraceEvent]:
        return [*filter(self._filter.wants, self._notifier.take(timeout))]


Source: TypeAlias = "Trace | _Guarded"


def follow(wish: Wish, deny: Types, limits: Limits, report: Report) -> int:
    """
    Report what happens until it is over, or a limit is reached.

    Args:
        wish: What is watched.

        deny: What the program may not do.

        limits: When it is over at the latest, and what of it is reported at all.

        report: Where it is reported.

    Returns:
        The exit status of the program, if there is one that has ended by itself.

    Raises:
        Failure: The program has not begun.
    """
    with controlling_terminal() as terminal, _signals_held(wish) as are_for:
        with closing(_started(wish, deny)) as found:
            are_for(found)
            output.note(f"watching {_whom(wish)}, by {found.backend}")
            report.begin()
            try:
                is_over = _report(found, limits, report)
            finally:
                _tell_lost(found)
        status = (found.returncode if is_over else None) or 0
        if terminal is not None and wish.command:
            terminal.take_back(restore=status < 0)
    return status if status >= 0 else 128 - status


def _started(wish: Wish, deny: Types) -> Source:
    try:
        if deny and wish.command:
            return _Guarded(wish.command, deny, wish)
        return tracing.trace(**wish._asdict())
    except NoSuchProcessError as error:
        raise Failure(f"{wish.pid}: {message_of(error)}", error.hint) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        # Without namespaces of its own, it is started by the standard library.
        is_plain = wish.command and error.filename == wish.command[0]
        if is_plain or isinstance(error, SpawnError):
            raise not_started(error) from None
        raise


def _whom(wish: Wish) -> str:
    if wish.command:
        return f"{wish.command[0]} and what it starts"
    if wish.pid is not None:
        return f"process {wish.pid} and what it starts"
    return "all processes"


def _report(found: Source, limits: Limits, report: Report) -> bool:
    """Report all until it is over, or a limit is reached; return if it is over."""
    deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
    room = math.inf if limits.events is None else limits.events
    waiting: deque[TraceEvent] = deque()
    while True:
        left = None if deadline is None else max(0, deadline - time.monotonic())
        if len(waiting) < _MOST_WAITING and not (waiting and left == 0):
            events = found.read(0 if waiting else left)
            waiting.extend(_wanted(events, limits.places))
        # Not all at once: what comes meanwhile is to be taken before it is too much.
        size = int(min(len(waiting), room, _SLICE))
        if size:
            report.show([waiting.popleft() for _ in range(size)])
            room -= size
        elif found.ended:
            return True
        if room == 0 or (left == 0 and not waiting):
            return False


def _wanted(events: list[TraceEvent], places: Places | None) -> list[TraceEvent]:
    if places is None:
        return events
    return [event for event in events if is_into(event, places)]


def _tell_lost(found: Source) -> None:
    if found.lost:
        lost = counted(found.lost, "call", "calls")
        output.note(f"{lost} lost: nobody read fast enough")


@contextmanager
def _signals_held(wish: Wish) -> Iterator[Callable[[Source], None]]:
    """
    Have signals be for the program, if there is to be one; what it does then, counts.

    It gives a function to be called once there is one: it is sent what came before.
    """
    early: list[int] = []
    programs: list[Source] = []

    def take(signo: int, frame: object) -> None:
        del frame
        if not programs:
            early.append(signo)
        elif signo not in _KEYS or not _has_terminal():
            _send(programs[0], signo)

    def are_for(program: Source) -> None:
        programs.append(program)
        for signo in early:
            _send(program, signo)

    handlers = {
        signo: signal.signal(signo, take)
        for signo in (_FOR_THE_PROGRAM if wish.command else ())
        if signal.getsignal(signo) is not signal.SIG_IGN
    }
    try:
        yield are_for
    finally:
        for signo, handler in handlers.items():
            signal.signal(signo, handler)


def _send(program: Source, signo: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if program.pid is not None and program.returncode is None:
            os.kill(program.pid, signo)


def _has_terminal() -> bool:
    """Return whether this process group is the one that a terminal sends keys to."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)
