"""Following a trace until it is over: its program, its signals, its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from signal import Signals
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import click

from .. import tracing
from ..errors import SpawnError
from . import output
from .people import counted
from .programs import not_started
from .terminal import controlling_terminal

if TYPE_CHECKING:
    from ..tracing import Trace
    from .reporting import Report
    from .targets import Types

Backend: TypeAlias = Literal["auto", "perf", "perf-own", "notify"]
Syscall: TypeAlias = Literal["setns", "unshare", "clone", "clone3"]

_FOR_THE_PROGRAM: Final = (
    *(Signals.SIGHUP, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTERM),
    *(Signals.SIGUSR1, Signals.SIGUSR2, Signals.SIGALRM),
)
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
    """When it ends, whatever goes on."""

    events: int | None = None
    seconds: float | None = None


def traced(wish: Wish, limits: Limits, report: Report) -> int:
    """
    Report what a trace gives, until it ends.

    Returns:
        The exit status of the program, if there is one that ended by itself.

    Raises:
        Failure: The program has not begun.
    """
    with controlling_terminal() as terminal, _started(wish) as found:
        output.note(f"watching {_whom(wish)}, by {found.backend}")
        report.begin()
        try:
            with _signals_passed_to(found):
                is_over = _follow(found, limits, report)
        finally:
            _tell_lost(found)
        status = found.returncode if is_over else None
        if terminal is not None and wish.command:
            terminal.take_back(restore=status is not None and status < 0)
    return _as_shell(status or 0)


def _started(wish: Wish) -> Trace:
    try:
        return tracing.trace(**wish._asdict())
    except SpawnError as error:
        raise not_started(error) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _whom(wish: Wish) -> str:
    if wish.command:
        return f"{wish.command[0]} and what it starts"
    if wish.pid is not None:
        return f"process {wish.pid} and what it starts"
    return "all processes"


def _follow(found: Trace, limits: Limits, report: Report) -> bool:
    """Report all until it is over, or a limit is reached; return if it is over."""
    deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
    shown = 0
    while True:
        left = None if deadline is None else max(0, deadline - time.monotonic())
        events = found.read(left)
        if limits.events is not None:
            events = events[: limits.events - shown]
        if events:
            shown += len(events)
            report.show(events)
        elif found.ended:
            return True
        if shown == limits.events or left == 0:
            return False


def _tell_lost(found: Trace) -> None:
    if found.lost:
        lost = counted(found.lost, "call", "calls")
        output.note(f"{lost} lost: nobody read fast enough")


@contextmanager
def _signals_passed_to(found: Trace) -> Iterator[None]:
    """Have signals be for the program, if there is one; what it does then, counts."""
    if found.pid is None:
        yield
        return
    pid = found.pid

    def send(signo: int, frame: object) -> None:
        del frame
        if signo in _KEYS and _has_terminal():
            return
        with suppress(ProcessLookupError, PermissionError):
            if found.returncode is None:
                os.kill(pid, signo)

    handlers = {
        signo: signal.signal(signo, send)
        for signo in _FOR_THE_PROGRAM
        if signal.getsignal(signo) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for signo, handler in handlers.items():
            signal.signal(signo, handler)


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


def _as_shell(status: int) -> int:
    return status if status >= 0 else 128 - status
