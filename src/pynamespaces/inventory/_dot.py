"""
An inventory as a picture for Graphviz.

A frame is a user namespace, around those that it owns and the user namespaces in it. A
box has the namespaces of one leader, a line for each: so a container is one box, and a
thousand processes do not make a thousand. Arrows lead from a pid namespace to those
that were made in it; where these are many, each has a line about it instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

from .._types import NamespaceId, NamespaceType
from . import _trees
from ._captions import box_html, frame_html, summary_html
from .records import NamespaceRecord, Node

if TYPE_CHECKING:
    from ._inventory import Inventory

_HEAD: Final = """\
digraph inventory {
charset="UTF-8"; rankdir=LR; ranksep=0.5; nodesep=0.15; bgcolor=white;
fontname="sans-serif"; fontsize=10; labeljust=l;
style="rounded,filled"; color="#7080a0"; fillcolor="#5070b018";
node [shape=plain, fontname="sans-serif", fontsize=10];
edge [color="#a03040", arrowsize=0.7];"""

_IN_A_COLUMN: Final = 6
"""How many boxes may stand one below the other before they stand in a square."""


def write(inventory: Inventory) -> str:
    """Write it."""
    return "\n".join(_Picture(inventory).lines()) + "\n"


class _Picture:
    """What goes where."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._boxes: dict[NamespaceId | None, dict[int | None, str]] = {}
        self._in_box: dict[str, list[NamespaceRecord]] = {}
        self._box_of: dict[NamespaceId, str] = {}
        self._made_in: dict[NamespaceId, list[NamespaceRecord]] = {}
        for record in inventory:
            if record.type is not NamespaceType.USER:
                self._put(record)
            if record.type is NamespaceType.PID and record.parent is not None:
                parent = self._known(record.parent)
                self._made_in.setdefault(parent, []).append(record)

    def _put(self, record: NamespaceRecord) -> None:
        owner = None if record.owner is None else self._known(record.owner)
        boxes = self._boxes.setdefault(owner, {})
        box = boxes.setdefault(record.leader, str(record.id))
        self._in_box.setdefault(box, []).append(record)
        self._box_of[record.id] = box

    def _known(self, id: NamespaceId) -> NamespaceId:
        """Return an id as its record has it, which may know more."""
        record = self._inventory.namespace(id)
        return id if record is None else record.id

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file."""
        yield f"{_HEAD}\nlabel=<{summary_html(self._inventory)}>; labelloc=b;"
        yield from self._frames()
        # What is left has an owner that is outside, or could not be asked.
        for owner in self._boxes:
            yield from self._filled(self._boxes_of(owner))
        yield from self._arrows()
        yield "}"

    def _frames(self) -> Iterator[str]:
        """Yield the frames, with the boxes in them; without recursion."""
        users = self._inventory.namespaces(NamespaceType.USER)
        owners = {id for id in self._boxes if id is not None}
        unseen = sorted(owners - {user.id for user in users}, key=str)
        others = (NamespaceRecord(id, NamespaceType.USER) for id in unseen)
        waiting: list[Node[NamespaceRecord] | None] = []
        waiting += reversed(_trees.of_namespaces(chain(users, others)))
        while waiting:
            node = waiting.pop()
            if node is None:
                yield "}"
                continue
            id = node.item.id
            label = frame_html(self._inventory, node.item, seen=id not in unseen)
            yield f'subgraph "cluster {id}" {{\nlabel=<{label}>; labelloc=t;'
            boxes = self._boxes_of(id)
            self._boxes.pop(id, None)
            yield from self._filled(boxes)
            if not boxes and not node.children:
                # Graphviz leaves out a frame with nothing in it.
                yield f'"{id}" [shape=point, style=invis];'
            if len(node.children) > _IN_A_COLUMN:
                yield from _square([self._first_in(child) for child in node.children])
            waiting += [None, *reversed(node.children)]

    def _boxes_of(self, owner: NamespaceId | None) -> list[str]:
        return list(self._boxes.get(owner, {}).values())

    def _first_in(self, node: Node[NamespaceRecord]) -> str:
        """Return the first thing that a frame has in it."""
        while not (boxes := self._boxes_of(node.item.id)) and node.children:
            node = node.children[0]
        return boxes[0] if boxes else str(node.item.id)

    def _filled(self, boxes: Sequence[str]) -> Iterator[str]:
        for box in boxes:
            table = box_html(self._inventory, self._in_box[box], self._has_arrow)
            yield f'"{box}" [label=<{table}>];'
        yield from _square(boxes)

    def _has_arrow(self, record: NamespaceRecord) -> bool:
        """Return whether an arrow leads to it: more from one place are a tangle."""
        if record.parent is None:
            return False
        parent = self._known(record.parent)
        return parent in self._box_of and len(self._made_in[parent]) <= _IN_A_COLUMN

    def _arrows(self) -> Iterator[str]:
        for parent, records in self._made_in.items():
            for record in filter(self._has_arrow, records):
                tail = f'"{self._box_of[parent]}":q{parent.ino}:e'
                yield f'{tail} -> "{self._box_of[record.id]}":p{record.id.ino}:w;'


def _square(names: Sequence[str]) -> Iterator[str]:
    """Yield edges that nobody sees, which put many boxes beside one another."""
    if len(names) > _IN_A_COLUMN:
        # A box is twice as wide as high.
        height = max(_IN_A_COLUMN, math.isqrt(2 * len(names)))
        for left, right in zip(names, names[height:], strict=False):
            yield f'"{left}" -> "{right}" [style=invis];'
