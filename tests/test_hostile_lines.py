"""Command lines that nobody should write: refused in a line, and no traceback."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Final

import click
import pytest
from commanding import check_refusal_text
from fuzzed import move_in
from fuzzing import so_many
from hostile_values import TEXTS
from hypothesis import given
from hypothesis import strategies as st
from support import in_child

from pynamespaces.cli import command, group

EXAMPLES: Final = int(os.environ.get("PYNAMESPACES_EXAMPLES", "3")) * 4

LINES: Final = ("list", "tree", "show", "exec", "run", "pin", "unpin", "netns create")
PATIENCE: Final = 30
"""After how many seconds a command hangs."""

WITH_PROGRAM: Final = {"exec", "run"}
LASTING: Final = {"--watch", "--pty", "--help"}
"""What needs a terminal, or goes on."""

# What a program is given on its command line has no null bytes, and is not so long.
_WORDS: Final = st.sampled_from(
    [text for text in TEXTS if "\0" not in text and len(text) < 10_000]
) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def _command(line: str) -> click.Command:
    found: click.Command = group
    for name in line.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None
        found = inner
    return found


@st.composite
def _lines(draw: st.DrawFn, line: str) -> list[str]:
    """Write a line with a few options of the command's, and words for the rest."""
    options = [
        option
        for option in _command(line).params
        if isinstance(option, click.Option) and not LASTING & {*option.opts}
    ]
    words = line.split()
    for option in (
        draw(st.lists(st.sampled_from(options), max_size=2)) if options else ()
    ):
        words.append(option.opts[0])
        if not option.is_flag:
            words.append(draw(_WORDS))
    for parameter in _command(line).params:
        if isinstance(parameter, click.Argument) and parameter.nargs == 1:
            words.append(draw(_WORDS))
    return [*words, "--", "true"] if line in WITH_PROGRAM else words


def _ended(words: list[str]) -> None:
    """Run a command line; check its status, and what it says."""
    errors = Path("errors")
    fd = os.open(errors, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(fd, 2)
    os.close(fd)
    signal.alarm(PATIENCE)
    status = command(words)
    signal.alarm(0)
    said = errors.read_text(errors="surrogateescape")
    assert 0 <= status <= 255, (words, said)
    assert "Traceback" not in said, (words, said)
    assert "\x1b" not in said, (words, said)
    if status in (1, 2) and "pynamespaces: " in said:
        first = said.index("pynamespaces: ")
        check_refusal_text(said[first:])
    assert "PYTHONDEVMODE" not in said, (words, said)


@pytest.mark.parametrize("line", LINES)
def test_one_line(line: str) -> None:
    """Whatever the words are, there is a status, and one line if it was refused."""

    def try_all() -> None:
        move_in()

        @so_many(EXAMPLES)
        @given(_lines(line))
        def check(words: list[str]) -> None:
            in_child(partial(_ended, words))

        check()

    in_child(try_all)
