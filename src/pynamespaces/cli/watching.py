"""``list --watch``: the table on the whole terminal, again and again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from signal import Signals
from typing import Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from ..inventory import Inventory, InventoryDiff
from . import columns, output
from .failures import Failure
from .filters import Filter
from .output import Line
from .people import counted
from .scanning import scanned, unreadable_text

_NEW: Final = "bold yellow"
_TOLD: Final = (Signals.SIGHUP, Signals.SIGTERM, Signals.SIGTSTP)


def watch(chosen: Filter, names: columns.Names, interval: float) -> None:
    """
    Show what a filter lets through, until Ctrl-C.

    Raises:
        Failure: Standard output is no terminal.
    """
    if not output.on_terminal():
        raise Failure(
            "--watch needs a terminal, and standard output is none",
            "run `pynamespaces list` again and again instead",
        )

    def look() -> Inventory:
        return chosen.applied(scanned(chosen.types_to_scan(), in_silence=True))

    latest = look()
    changes: InventoryDiff | None = None
    while True:
        try:
            with _signals_raised(), _display() as live:
                while True:
                    picture = _picture(latest, changes, names, interval)
                    live.update(picture, refresh=True)
                    time.sleep(interval)
                    before, latest = latest, look()
                    changes = latest.diff(before)
        except KeyboardInterrupt:
            # It is how it ends.
            return
        except _Told as told:
            # The terminal is as it was; a stop returns when somebody continues.
            _take(told.signo)


class _Told(BaseException):
    """A signal has come after which nothing may be left on the terminal."""

    def __init__(self, signo: int) -> None:
        super().__init__(signo)
        self.signo = signo


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Have signals that end or stop this process raise, but those that are ignored."""

    def raise_told(signo: int, frame: object) -> None:
        del frame
        for each in handlers:
            # Until the terminal is as it was.
            signal.signal(each, signal.SIG_IGN)
        raise _Told(signo)

    handlers = {
        signo: handler
        for signo in _TOLD
        if (handler := signal.getsignal(signo)) is not signal.SIG_IGN
    }
    try:
        for signo in handlers:
            signal.signal(signo, raise_told)
        yield
    finally:
        for signo, handler in handlers.items():
            signal.signal(signo, handler)


def _take(signo: int) -> None:
    """Let a signal do what it does to who has no handler."""
    handler = signal.signal(signo, signal.SIG_DFL)
    os.kill(os.getpid(), signo)
    signal.signal(signo, handler)


@contextmanager
def _display() -> Iterator[Live]:
    """Have the whole terminal, and give it back."""
    display = Live(
        console=output.console(),
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    try:
        display.start()
        yield display
    finally:
        with suppress(OSError):  # It may have hung up.
            display.stop()


def _picture(
    inventory: Inventory,
    changes: InventoryDiff | None,
    names: columns.Names,
    interval: float,
) -> Group:
    """Return what fits on the terminal: a line of summary, then the table."""
    width, height = output.terminal_size()
    new = {record.id for record in changes.appeared} if changes else set()
    rows = columns.rows_of(inventory)
    # What is new comes first: it might not fit below.
    rows.sort(key=lambda row: row.record.id not in new)
    table = output.table_lines(columns.heads(names), columns.cells(names, rows), width)
    shown = [_summary(inventory, changes, interval), *table]
    lines = [Text.assemble(*output.fitted_line(line, width)) for line in shown]
    for line in lines[2 : 2 + len(new)]:
        line.stylize(_NEW)
    left_out = len(lines) - height
    if left_out > 0:
        more = f"... {left_out + 1} more: use a filter, or a larger terminal"
        lines = [*lines[: height - 1], Text(more, "dim")]
    return Group(*lines)


def _summary(
    inventory: Inventory, changes: InventoryDiff | None, interval: float
) -> Line:
    parts = [
        time.strftime("%H:%M:%S"),
        counted(len(inventory), "namespace", "namespaces"),
    ]
    if changes:
        parts += [
            f"{len(found)} {what}"
            for found, what in (
                (changes.appeared, "new"),
                (changes.vanished, "gone"),
                (changes.moved, "moved"),
            )
            if found
        ]
    parts.append(f"every {interval:g} s, Ctrl-C ends")
    hidden = unreadable_text(inventory.unreadable)
    return [("  ".join(parts), "reverse"), ("  " + hidden, "dim")]
