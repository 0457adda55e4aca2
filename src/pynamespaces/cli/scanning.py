"""The scan that commands begin with, its progress, and what it could not read."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable
from typing import Final, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from .. import NamespaceType
from ..inventory import Inventory, Unreadable, scan
from . import output
from .people import counted

_PATIENCE: Final = 0.3
"""After how many seconds a scan shows how far it is."""

_OF_PROCESS: Final = re.compile(r"/proc/(\d+)\b")


def scanned(
    types: Iterable[NamespaceType] = (), *, in_silence: bool = False
) -> Inventory:
    """
    Scan the machine; on a terminal, a scan that takes long shows how far it is.

    Args:
        types: What to look for; all if not given.

        in_silence: Show nothing, however long it takes.
    """
    wanted = tuple(types) or None
    if in_silence or sys.stderr is None or not sys.stderr.isatty():
        return scan(wanted)
    with _Bar() as bar:
        return scan(wanted, progress=bar.show)


class _Bar:
    """A bar on standard error, which is drawn only if there is time to see it."""

    def __init__(self) -> None:
        self._due = time.monotonic() + _PATIENCE
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, done: int, total: int) -> None:
        """Draw it anew."""
        if time.monotonic() < self._due:
            return
        if self._progress is None:
            # No thread of its own: the scan calls often enough.
            self._progress = Progress(
                TextColumn("scanning"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("processes"),
                console=output.console(stderr=True),
                transient=True,
                auto_refresh=False,
            )
            self._progress.start()
            self._progress.add_task("", total=total)
        task = self._progress.task_ids[0]
        self._progress.update(task, completed=done, total=total, refresh=True)


def tell_unreadable(unreadable: Iterable[Unreadable]) -> None:
    """Say in one line of standard error how much the caller was not allowed to see."""
    text = unreadable_text(unreadable)
    if text:
        output.note(text)


def unreadable_text(unreadable: Iterable[Unreadable]) -> str:
    """Return how much could not be read, and who could; empty if all was."""
    found = list(unreadable)
    if not found:
        return ""
    pids, others = set(), set()
    for place in found:
        match = _OF_PROCESS.match(place.what)
        if match:
            pids.add(match[1])
        else:
            others.add(place.what)
    parts = [counted(len(pids), "process", "processes")] if pids else []
    if others:
        other = "other " if pids else ""
        parts.append(counted(len(others), f"{other}place", f"{other}places"))
    reason = found[0].reason.partition(":")[0]
    who = "" if os.geteuid() == 0 else "; root sees all"
    return f"{' and '.join(parts)} could not be read ({reason}){who}"
