"""Trees, drawn line by line: without recursion, however deep they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len

from ..inventory import Node
from ..inventory.records import Item
from . import output
from .output import Line

_DEEPEST: Final = 60
"""Down to which level guides are drawn, at most; below, the level is a number."""

_STEP: Final = 3
"""How many cells the guides of a level take."""


class Branch(NamedTuple):
    """A line of a tree, and what is below it."""

    line: Line
    below: list[Branch]
    short: Line | None = None
    """The same in less words, for where it does not fit."""


class _Guides(NamedTuple):
    """What is drawn before a line that is the last of its siblings, or another."""

    fork: str
    end: str
    through: str
    past: str


_UNICODE: Final = _Guides("├─ ", "└─ ", "│  ", "   ")
_ASCII: Final = _Guides("|- ", "`- ", "|  ", "   ")


def grown(
    roots: Iterable[Node[Item]], sprout: Callable[[Item], Branch]
) -> list[Branch]:
    """Make branches of nodes; *sprout* makes one, with what is its own below it."""
    made: list[Branch] = []
    waiting = [(node, made) for node in reversed(list(roots))]
    while waiting:
        node, siblings = waiting.pop()
        branch = sprout(node.item)
        siblings.append(branch)
        waiting += [(child, branch.below) for child in reversed(node.children)]
    return made


def walked(roots: Iterable[Node[Item]]) -> Iterator[tuple[Item, int]]:
    """Give each record and its level, in the order of a tree."""
    waiting = [(node, 0) for node in reversed(list(roots))]
    while waiting:
        node, level = waiting.pop()
        yield node.item, level
        waiting += [(child, level + 1) for child in reversed(node.children)]


def drawn(roots: Sequence[Branch], width: int | None = None) -> Iterator[Line]:
    """
    Give the lines of trees.

    Args:
        roots: The trees.

        width: How wide lines should be; if not given, they are as wide as they are.
    """
    guides = _UNICODE if output.has_unicode() else _ASCII
    # On a terminal, half of a line at most.
    deepest = _DEEPEST if width is None else min(width // 2 // _STEP, _DEEPEST)
    waiting = [(branch, "", "", 0) for branch in reversed(roots)]
    while waiting:
        branch, before, further, level = waiting.pop()
        line = [(before, "dim"), *branch.line]
        is_wide = width is not None and sum(cell_len(text) for text, _ in line) > width
        if is_wide and branch.short is not None:
            line = [(before, "dim"), *branch.short]
        yield line
        last = branch.below[-1] if branch.below else None
        for child in reversed(branch.below):
            ends = child is last
            if level < deepest:
                lead = further + (guides.end if ends else guides.fork)
                past = further + (guides.past if ends else guides.through)
            else:
                lead = past = f"{level + 1}. "
            waiting.append((child, lead, past, level + 1))
