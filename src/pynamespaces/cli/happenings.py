"""How events look: lines of a table that begins before its rows are known."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Final, NamedTuple, TypeAlias

from ..inventory._visible import visible
from ..tracing._formats import flag_names
from ..tracing.events import (
    ChangeEvent,
    CloneEvent,
    LostEvent,
    NamespaceChange,
    SetnsEvent,
    TraceEvent,
    UnshareEvent,
)
from . import output
from .output import NOTHING, Line
from .people import counted

_Call: TypeAlias = SetnsEvent | UnshareEvent | CloneEvent

_WIDE: Final = 120
"""From which width on changes have a column of their own."""

_CHANGES: Final = 41
"""How much of a wide line is theirs: ``cgroup 4026531835 -> 4026532301 (new)``."""

_LOST: Final = "bold red"
_FAILED: Final = "red"
_CHANGED: Final = "bold yellow"


class _Row(NamedTuple):
    """What is said of one event."""

    time: str
    pid: str
    tid: str
    comm: str
    call: str
    result: str
    changes: list[str]

    @property
    def result_style(self) -> str:
        """Red, where the call has failed."""
        has_failed = self.result == "-1" or self.result[:1].isalpha()
        return _FAILED if has_failed else ""


class _Column(NamedTuple):
    title: str
    width: int
    numeric: bool = False
    style: str = ""


_TIME: Final = _Column("TIME", 12, style="dim")
_PID: Final = _Column("PID", 7, numeric=True, style="green")
_TID: Final = _Column("TID", 7, numeric=True)
_COMM: Final = _Column("COMM", 15)
_RESULT: Final = _Column("RESULT", 7)


class Table:
    """A table for lines of a width, or for lines that are whole."""

    def __init__(self, width: int | None) -> None:
        self.width = width
        self._is_wide = width is None or width >= _WIDE
        comm = _COMM if self._is_wide else _COMM._replace(width=12)
        before = [_TIME, _PID, *([_TID] if self._is_wide else []), comm]
        after = [_RESULT]
        if self._is_wide:
            after.append(_Column("CHANGES", _CHANGES, style=_CHANGED))
        taken = sum(column.width + 2 for column in [*before, *after])
        left = 30 if width is None else width - taken
        self._call = _Column("CALL", max(left, 20))
        self._columns = [*before, self._call, *after]
        self._margin = sum(column.width + 2 for column in before)

    def head(self) -> Line:
        """Return the first line."""
        titles = [column.title for column in self._columns]
        return self._line(titles, ["bold"] * len(titles))

    def lines(self, events: Iterable[TraceEvent], epoch_ns: int) -> Iterator[Line]:
        """
        Give the lines of events.

        Args:
            events: The events.

            epoch_ns: What to add to their time, so that it is that of the calendar.
        """
        for event in events:
            if self.width is not None and isinstance(event, LostEvent):
                yield [
                    (_time(event, epoch_ns), "dim"),
                    (f"  {lost_text(event)}", _LOST),
                ]
                continue
            row = _row_of(event, epoch_ns)
            if self.width is None:
                yield self._whole(row)
            elif self._is_wide:
                yield from self._beside(row)
            else:
                yield from self._below(row)

    def _whole(self, row: _Row) -> Line:
        """Return one line for programs, which may split it."""
        row = row._replace(call=row.call.replace(", ", ","))
        cells = [*row[:-1], ", ".join(row.changes)]
        texts = [visible(cell) or NOTHING for cell in cells]
        return self._line([*map(output.joined, texts[:-1]), texts[-1]])

    def _beside(self, row: _Row) -> Iterator[Line]:
        calls = _split(row.call, self._call.width)
        rows = zip_longest(calls, row.changes, fillvalue="")
        for index, (call, change) in enumerate(rows):
            first = row[:4] if index == 0 else [""] * 4
            result = row.result if index == 0 else ""
            cells = [*first, call, result, change]
            styles = [column.style for column in self._columns]
            styles[-2] = row.result_style
            yield self._line(cells, styles)

    def _below(self, row: _Row) -> Iterator[Line]:
        comm = row.comm if row.tid == row.pid else f"{row.tid} {row.comm}"
        first, *others = _split(row.call, self._call.width)
        styles = [column.style for column in self._columns]
        styles[-1] = row.result_style
        yield self._line([row.time, row.pid, comm, first, row.result], styles)
        margin = " " * self._margin
        for call in others:
            yield [(margin + call, "")]
        for change in row.changes:
            yield [(f"{margin}  {change}", _CHANGED)]

    def _line(self, cells: Iterable[str], styles: Iterable[str] = ()) -> Line:
        """Put cells below the heads; what is whole is not cut."""
        parts: list[tuple[str, str]] = []
        columns = self._columns
        for cell, column, style in zip_longest(cells, columns, styles, fillvalue=""):
            assert isinstance(column, _Column)
            text, width = visible(cell), column.width
            if self.width is None:
                width = max(width, len(text))
            fitting = output.fitted(text, width, numeric=column.numeric)
            parts += [(fitting, style), ("  ", "")]
        while not parts[-1][0].strip():
            parts.pop()
        last, style = parts[-1]
        return [*parts[:-1], (last.rstrip(), style)]


def lost_text(event: LostEvent) -> str:
    """Say what was lost."""
    calls = counted(event.count, "call", "calls")
    records = counted(event.records, "record", "records")
    return f"{calls} lost, {records}: nobody read fast enough"


def _row_of(event: TraceEvent, epoch_ns: int) -> _Row:
    when = _time(event, epoch_ns)
    if isinstance(event, LostEvent):
        return _Row(when, "", "", "", "lost", str(event.count), [])
    who = str(event.pid), str(event.tid), event.comm or NOTHING
    is_sure = event.certainty != "observed"
    changes = [_change(change, is_sure=is_sure) for change in event.changes]
    if isinstance(event, ChangeEvent):
        call = "(changed)" if event.child is None else f"(child:{event.child})"
        return _Row(when, *who, call, NOTHING, changes)
    return _Row(when, *who, _call(event), _result(event), changes)


def _time(event: TraceEvent, epoch_ns: int) -> str:
    """Return the time of the day."""
    seconds, rest = divmod(event.time_ns + epoch_ns, 10**9)
    clock = time.strftime("%H:%M:%S", time.localtime(seconds))
    return f"{clock}.{rest // 10**6:03}"


def _call(event: _Call) -> str:
    """Write a call as in C, where it begins with NEW without ``CLONE_``."""
    flags = "|".join(name.removeprefix("CLONE_") for name in flag_names(event))
    if isinstance(event, UnshareEvent):
        return f"unshare({flags or 0})"
    if isinstance(event, CloneEvent):
        return f"{event.syscall}({'?' if event.flags is None else flags or 0})"
    types = f"0={'|'.join(event.types)}" if event.types else "0"
    # Where something has changed, it is known better.
    is_told = event.target is None or event.changes
    target = "" if is_told else f"={event.target}"
    return f"setns({event.fd}{target}, {flags or types})"


def _result(event: _Call) -> str:
    if event.denied:
        return "denied"
    if event.error is not None:
        return event.error
    return "?" if event.result is None else str(event.result)


def _change(change: NamespaceChange, *, is_sure: bool) -> str:
    both = change.before, change.after
    before, after = ("?" if id is None else str(id.ino) for id in both)
    note = ("new" if change.created else "") + ("" if is_sure else "?")
    said = f" ({note})" if note else ""
    return f"{change.type} {before} -> {after}{said}"


def _split(call: str, width: int) -> list[str]:
    """Split a call between flags, so that all of it can be read."""
    lines = [""]
    for part in re.split(r"(?<=[|,])", call):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("  ")
        lines[-1] += part
    return lines
