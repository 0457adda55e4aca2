"""Trees, drawn line by line: without recursion, however deep they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from ..inventory import Node
from ..inventory.records import Item
from . import output
from .output import Line

_DEEPEST: Final = 60
"""Down to which level guides are drawn; below, the level is a number."""


class Branch(NamedTuple):
    """A line of a tree, and what is below it."""

    line: Line
    below: list[Branch]


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


def drawn(roots: Sequence[Branch]) -> Iterator[Line]:
    """Give the lines of trees."""
    guides = _UNICODE if output.has_unicode() else _ASCII
    waiting = [(branch, "", "", 0) for branch in reversed(roots)]
    while waiting:
        branch, before, further, level = waiting.pop()
        yield [(before, "dim"), *branch.line]
        last = branch.below[-1] if branch.below else None
        for child in reversed(branch.below):
            ends = child is last
            if level < _DEEPEST:
                lead = further + (guides.end if ends else guides.fork)
                past = further + (guides.past if ends else guides.through)
            else:
                lead = past = f"{level + 1}. "
            waiting.append((child, lead, past, level + 1))
