"""Where events go: each batch is written at once, in the form that was asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Final, Literal, Protocol, TypeAlias, get_args

from ..tracing._formats import to_json, to_tracee
from ..tracing.events import TraceEvent
from . import output
from .happenings import Table

Form: TypeAlias = Literal["table", "json", "tracee"]

FORMATS: Final[tuple[Form, ...]] = get_args(Form)

_INITIAL_PID: Final = 0xEFFFFFFC
"""The inode number of the first pid namespace (PROC_PID_INIT_INO)."""


class Report(Protocol):
    """What shows events."""

    def begin(self) -> None:
        """Show that it has begun."""

    def show(self, events: Sequence[TraceEvent]) -> None:
        """
        Show a batch of events, so that who reads has them now.

        Raises:
            OutputError: Standard output cannot be written to.
        """


@contextmanager
def reporting(form: Form | None, file: str | None) -> Iterator[Report]:
    """
    Have a report, in a form or that which suits standard output, or to a file.

    Raises:
        OSError: The file cannot be written.
    """
    if file is None:
        yield _report(form)
        return
    with open(file, "w", encoding="utf-8") as stream, redirect_stdout(stream):
        yield _report(form)


def _report(form: Form | None) -> Report:
    if form == "table" or (form is None and output.on_terminal()):
        return _TableReport()
    return _TraceeReport() if form == "tracee" else _JsonReport()


class _JsonReport:
    """Each event is a line."""

    def begin(self) -> None:
        pass

    def show(self, events: Sequence[TraceEvent]) -> None:
        for event in events:
            output.write(to_json(event) + "\n")
        output.flush()


class _TraceeReport(_JsonReport):
    """Each event is a line, as Tracee has it."""

    def __init__(self) -> None:
        self._host = os.stat("/proc/self/ns/pid").st_ino == _INITIAL_PID

    def show(self, events: Sequence[TraceEvent]) -> None:
        epoch_ns = _epoch_ns()
        for event in events:
            line = to_tracee(event, epoch_ns=epoch_ns, host=self._host)
            output.write(line + "\n")
        output.flush()


class _TableReport:
    """Each event is a row; on a terminal also more than one line."""

    def __init__(self) -> None:
        self._table = Table(_width())

    def begin(self) -> None:
        output.print_lines([self._table.head()])
        output.flush()

    def show(self, events: Sequence[TraceEvent]) -> None:
        width = _width()
        if width != self._table.width:
            self._table = Table(width)
            self.begin()
        output.print_lines(self._table.lines(events, _epoch_ns()))
        output.flush()


def _width() -> int | None:
    return output.terminal_size()[0] if output.on_terminal() else None


def _epoch_ns() -> int:
    """Return what the time of events lacks to be that of the calendar."""
    return time.time_ns() - time.monotonic_ns()
