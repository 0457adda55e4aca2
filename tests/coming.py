"""Pages for who comes from another tool: their tables, and their lines typed in."""

import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple

from pynamespaces.cli import command

PAGES: Final = Path(__file__).parents[1] / "docs/coming-from"

IN_PYTHON, ON_COMMAND_LINE, INSTEAD = "in Python", "pynamespaces", "instead"

WELL: Final = "value.returncode == 0"
"""What is true of a program that has ended as it should."""

_CELL: Final = re.compile(r"(?<!\\)\|")
_CODE: Final = re.compile(r"`([^`]+)`")
_NEWER: Final = re.compile(r"\((newer than )?(\d+)\.(\d+)\)")
_BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Row(NamedTuple):
    """A line of a table."""

    page: str
    header: str
    """What is above its second cell."""

    known: tuple[str, ...]
    """What the reader knows: options, calls or a command."""

    newer: tuple[int, int] | None
    """Since which version of the tool that is."""

    ours: tuple[str, ...]
    """The code in the other cells."""

    @property
    def id(self) -> str:
        """How a test calls it."""
        return f"{self.page}: {' '.join(self.known)}"


@cache
def text_of(page: str) -> str:
    """Return a page."""
    return (PAGES / f"{page}.md").read_text()


@cache
def rows(page: str, *headers: str) -> tuple[Row, ...]:
    """Return the lines of the tables of a page that have one of these headers."""
    found = []
    header = ""
    for line in text_of(page).splitlines():
        if not line.startswith("|"):
            header = ""
            continue
        cells = [cell.strip() for cell in _CELL.split(line)[1:-1]]
        if not header:
            header = cells[1]
        elif not cells[0].startswith("---") and header in headers:
            found.append(_row(page, header, cells))
    assert found, (page, headers)
    return tuple(found)


def _row(page: str, header: str, cells: list[str]) -> Row:
    known, *ours = [_code(cell) for cell in cells]
    newer = _NEWER.search(cells[0])
    version = (int(newer[2]), int(newer[3]) + bool(newer[1])) if newer else None
    return Row(page, header, known, version, tuple(code for c in ours for code in c))


def _code(cell: str) -> tuple[str, ...]:
    return tuple(code.replace("\\|", "|") for code in _CODE.findall(cell))


def blocks(page: str) -> list[str]:
    """Return the code blocks of a page; the first is what its lines build on."""
    return _BLOCK.findall(text_of(page))


def row_of(page: str, first: str, *headers: str) -> Row:
    """Return the line for what a reader knows."""
    return next(row for row in rows(page, *headers or (IN_PYTHON,)) if first in row.id)


class Told(NamedTuple):
    """What became of some code."""

    status: int
    out: str


def told(function: Callable[[], object]) -> Told:
    """Run in a child that may become another program; return what it writes."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        with suppress(BaseException):
            status = _aside(writer, function)
        os._exit(status)
    os.close(writer)
    with open(reader, errors="replace") as file:
        out = file.read()
    _, status = os.waitpid(pid, 0)
    return Told(os.waitstatus_to_exitcode(status), out)


def _aside(writer: int, function: Callable[[], object]) -> int:
    os.dup2(writer, 1)
    os.close(writer)
    with open(1, "w", closefd=False) as sys.stdout:
        try:
            given = function()
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            return 1
    return given if isinstance(given, int) else 0


def commanded(words: Sequence[str]) -> Told:
    """Run our command line in a child."""
    if not words[0].startswith("-"):
        import_module(f"pynamespaces.cli.{words[0]}")  # Once, for all children.
    return told(lambda: command(words))


def typed(
    page: str, code: str, pid: int, names: Mapping[str, object], check: str = WELL
) -> str:
    """Type code in, as `typed_all` does; return what is written."""
    return typed_all(page, [(code, check)], pid, names)


def typed_all(
    page: str,
    lines: Iterable[tuple[str, str]],
    pid: int,
    names: Mapping[str, object],
) -> str:
    """
    Type lines in, below the first block of their page; return what is written.

    Args:
        page: Which.

        lines: Code, and what is to be true after it, of the value and the names.

        pid: What to type for the process that the page calls 1234.

        names: Others that the code has.
    """

    def type_in() -> None:
        known: dict[str, object] = {}
        _run(blocks(page)[0].replace("1234", str(pid)), known)
        known.update(names)
        wrong = [text for line in lines for text in _wrong(*line, known)]
        assert not wrong, "\n".join(wrong)

    done = told(type_in)
    assert done.status == 0, done.out
    return done.out


def _wrong(code: str, check: str, known: dict[str, object]) -> Iterator[str]:
    """Run some code; tell of it if it does not do what it should."""
    known["value"] = None
    try:
        _run(code, known)
        if not eval(check, known):
            yield f"{code}: {known['value']!r}: not {check}"
    except Exception:
        yield f"{code}: {traceback.format_exc()}"


def _run(code: str, known: dict[str, object]) -> None:
    try:
        expression = compile(code, "<page>", "eval")
    except SyntaxError:
        eval(compile(code, "<page>", "exec"), known)
    else:
        known["value"] = eval(expression, known)


def words_of(command: str, cmd: Sequence[str], changes: Mapping[str, str]) -> list[str]:
    """Return a command of a page, with another program and other numbers in it."""
    # In one go: what is put in may have the number that is replaced next.
    old = re.compile("|".join(map(re.escape, changes)))
    text = old.sub(lambda found: changes[found[0]], command) if changes else command
    words: list[str] = []
    for word in shlex.split(text):
        words += cmd if word == "CMD" else [word]
    return words
