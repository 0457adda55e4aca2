"""
How commands print: the one way to standard output and standard error.

Names of processes and paths may hold anything, escape sequences too: whatever is
printed goes through `visible`. On a terminal lines are cut to its width, and may have
colours; elsewhere they are whole and plain.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple, TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from .._types import override
from ..inventory._visible import visible

Line: TypeAlias = Sequence[tuple[str, str]]
"""A line: texts, each with its style for terminals."""

NOTHING: Final = "-"
"""What stands in a column where there is nothing, so that columns may be counted."""

BY_ANSWER: Final = "by answer"
"""The style of a column of "yes" and "no"."""

_ANSWERS: Final = {"yes": "green", "no": "bold red"}
_SIZES: Final = ("COLUMNS", "LINES")
_PLAIN: Final = Style.null()
_GAP: Final = "  "
_NARROWEST: Final = 8
"""How narrow a column of text may get, in cells."""


class OutputError(Exception):
    """Standard output cannot be written to."""


class ReaderGoneError(OutputError):
    """Nobody reads standard output any more."""


class Closed(io.TextIOBase):
    """What stands for a standard output that is closed: to write to it fails."""

    @override
    def write(self, s: str, /) -> int:
        """Fail."""
        del s
        raise OutputError("standard output is closed")


class Column(NamedTuple):
    """The head of a column of a table."""

    title: str
    style: str = ""
    numeric: bool = False
    """Whether it is aligned to the right."""

    may_be_cut: bool = False
    """Whether its text means something without its end."""


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def has_unicode() -> bool:
    """Return whether lines of a tree can be drawn on standard output."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return encoding.lower().replace("-", "").startswith("utf")


def console(*, stderr: bool = False) -> Console:
    """Return what draws on a terminal; it never reads markup."""
    return Console(
        stderr=stderr,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        emoji=False,
        highlight=False,
        _environ=_environment(),
    )


def _environment() -> dict[str, str]:
    """Return the environment, without sizes that rich cannot read, as COLUMNS=²."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _SIZES or re.fullmatch(r"\d{1,5}", value, re.ASCII)
    }


def write(text: str) -> None:
    """
    Write to standard output, as it is.

    Raises:
        OutputError: It cannot be written to.
    """
    try:
        # Text that is not UTF-8 would end a program that prints in another encoding.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise OutputError(f"cannot write standard output: {error.strerror}") from None


def flush() -> None:
    """
    Have all be written that was to be.

    Raises:
        OutputError: It could not be.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise OutputError(f"cannot write standard output: {error.strerror}") from None


def note(message: str, who: str = "pynamespaces") -> None:
    """Write one line to standard error, if that is possible."""
    # A failure to tell of a failure has nowhere to go.
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            _flush_quietly()
            print(f"{who}: {visible(message)}", file=sys.stderr, flush=True)


@contextmanager
def passing(message: str) -> Iterator[None]:
    """Show a line on standard error while something lasts, if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    print(message, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print(" " * len(message), end="\r", file=sys.stderr, flush=True)


def _flush_quietly() -> None:
    """Keep standard output before standard error, where both are one terminal."""
    with suppress(OutputError):
        flush()


def print_json(data: object) -> None:
    """Print plain data as JSON, in ASCII."""
    write(json.dumps(data, indent=2) + "\n")


def print_lines(lines: Iterable[Line]) -> None:
    """Print lines: cut and coloured on a terminal, else whole and plain."""
    if not on_terminal():
        for line in lines:
            write("".join(visible(text) for text, _ in line).rstrip() + "\n")
        return
    width, colours = terminal_size()[0], _colours()
    for line in lines:
        parts = fitted_line(line, width)
        drawn = [
            _style(style).render(text, color_system=colours) for text, style in parts
        ]
        write("".join(drawn) + "\n")


def _colours() -> ColorSystem | None:
    """Return which colours there are; those of ours are among the first eight."""
    return None if console().color_system is None else ColorSystem.STANDARD


def _style(name: str) -> Style:
    return Style.parse(name) if name else _PLAIN


def fitted_line(line: Line, width: int) -> Line:
    """Return a line that is safe, and cut if it has more cells than a terminal."""
    parts = [(visible(text), style) for text, style in line]
    if sum(cell_len(text) for text, _ in parts) <= width:
        return parts
    fitting, left = [], width - 1
    for text, style in parts:
        if cell_len(text) > left:
            fitting.append((set_cell_size(text, left) + _ellipsis(), style))
            break
        fitting.append((text, style))
        left -= cell_len(text)
    return fitting


def _ellipsis() -> str:
    return "…" if has_unicode() else "~"


def wrapped(text: str, indent: str, style: str = "") -> Iterator[Line]:
    """Give the lines of a sentence, which is wrapped on a terminal."""
    width = terminal_size()[0] - len(indent) if on_terminal() else len(text)
    for line in textwrap.wrap(visible(text), max(width, _NARROWEST)):
        yield [(indent + line, style)]


def terminal_size() -> tuple[int, int]:
    """Return how many cells and lines the terminal has."""
    size = shutil.get_terminal_size()
    return size.columns, size.lines


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns; on a terminal, columns of text are cut so that all fit."""
    width = terminal_size()[0] if on_terminal() else None
    print_lines(table_lines(columns, rows, width))


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> list[Line]:
    """
    Return the lines of a table, its head first.

    Where there is no *width* nothing is cut, and spaces in all columns but the last
    are escaped, so that programs may split the lines.
    """
    texts = [[visible(cell) or NOTHING for cell in row] for row in rows]
    if width is None:
        texts = [[joined(cell) for cell in row[:-1]] + row[-1:] for row in texts]
    titles = [column.title for column in columns]
    widths = [max(map(cell_len, cells)) for cells in zip(titles, *texts, strict=True)]
    if width is not None:
        _narrow(columns, widths, width)
    styles = [column.style for column in columns]
    head = _row(columns, titles, widths, ["bold"] * len(columns))
    return [head, *(_row(columns, row, widths, styles) for row in texts)]


def joined(cell: str) -> str:
    """Return a cell as one word."""
    return cell.replace(" ", "\\x20")


def _row(
    columns: Sequence[Column],
    cells: Sequence[str],
    widths: Sequence[int],
    styles: Sequence[str],
) -> Line:
    parts = []
    for column, cell, width, style in zip(columns, cells, widths, styles, strict=True):
        given = "dim" if cell == NOTHING else style
        if given == BY_ANSWER:
            given = _ANSWERS.get(cell, "")
        parts.append((fitted(cell, width, numeric=column.numeric), given))
        parts.append((_GAP, ""))
    return parts[:-1]


def fitted(cell: str, width: int, *, numeric: bool = False) -> str:
    """Return what is safe already in as many cells as are asked for."""
    if cell_len(cell) > width:
        return set_cell_size(cell, width - 1) + _ellipsis()
    padding = " " * (width - cell_len(cell))
    return padding + cell if numeric else cell + padding


def _narrow(columns: Sequence[Column], widths: list[int], total: int) -> None:
    """Take from the widest columns that may be cut, until all fit."""
    texts = [
        index
        for index, column in enumerate(columns)
        if column.may_be_cut and widths[index] > _NARROWEST
    ]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - total
    while excess > 0 and texts:
        widest = max(texts, key=lambda index: widths[index])
        if widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1
        excess -= 1
