"""
Who is where, and who has what open: the rows of a census, sorted by namespace.

Thousands of processes pass through here, so loops are plain, and what many of them have
in common is done once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Final, TypeAlias

from .._core import census
from .._types import NamespaceType
from .records import Holder

_COUNT: Final = len(census.LINKS)
_PID: Final = census.LINKS.index(NamespaceType.PID)
_TIME: Final = census.LINKS.index(NamespaceType.TIME)

Links: TypeAlias = tuple[int, ...]
"""Inode numbers, in the order of the types; 0: not known."""

# Where rows have their number of threads, and links, by the layouts of census.PROCESS
# and census.THREAD.
_THREADS: Final = 4
PROCESS_LINKS: Final = slice(5, 5 + _COUNT)
_PROCESS_CHILDREN: Final = slice(5 + _COUNT, 7 + _COUNT)
THREAD_LINKS: Final = slice(2, 2 + _COUNT)
_THREAD_CHILDREN: Final = slice(2 + _COUNT, 4 + _COUNT)


class Holdings:
    """By inode number: who holds a namespace, and how."""

    def __init__(self) -> None:
        self.threads: defaultdict[int, list[int]] = defaultdict(list)
        self.for_children: defaultdict[int, list[int]] = defaultdict(list)
        self.descriptors: defaultdict[int, list[Holder]] = defaultdict(list)
        self.sockets: defaultdict[int, list[Holder]] = defaultdict(list)
        self.started: dict[int, int] = {}
        """When a process began, by its id."""
        # Processes that are together in all, and by each namespace its groups: the
        # first, and the others of those that have any.
        self._groups: dict[Links, list[int]] = {}
        self._first_group: dict[int, list[int]] = {}
        self._other_groups: defaultdict[int, list[list[int]]] = defaultdict(list)
        self._firsts: dict[int, Links] = {}

    def add(self, part: census.Part) -> None:
        """Sort the rows of a part."""
        started, firsts, groups = self.started, self._firsts, self._groups
        for row in part.processes:
            pid = row[1]
            started[pid] = row[0]
            links = row[PROCESS_LINKS]
            group = groups.get(links)
            if group is None:
                group = self._new_group(links)
            group.append(pid)
            if row[_THREADS] > 1:
                firsts[pid] = links
            children = row[_PROCESS_CHILDREN]
            if children != (links[_PID], links[_TIME]):
                self._note_children(pid, links, children)
        for row in part.threads:
            self._note_thread(row)
        for pid, fd, ino, is_socket in part.files:
            holders = self.sockets if is_socket else self.descriptors
            holders[ino].append(Holder(pid, fd))

    def processes(self, ino: int) -> Sequence[int]:
        """Return the processes that are in a namespace, in no order."""
        first = self._first_group.get(ino, ())
        if ino not in self._other_groups:
            return first
        return [*first, *chain.from_iterable(self._other_groups[ino])]

    def _new_group(self, links: Links) -> list[int]:
        """Make a group, which will be seen to grow."""
        group: list[int] = []
        self._groups[links] = group
        first = self._first_group
        for ino in links:
            if first.setdefault(ino, group) is not group:
                self._other_groups[ino].append(group)
        return group

    def _note_thread(self, row: census.Row) -> None:
        pid, tid = row[:2]
        links = row[THREAD_LINKS]
        for ino, first in zip(links, self._firsts[pid], strict=True):
            if ino != first:
                self.threads[ino].append(tid)
        self._note_children(tid, links, row[_THREAD_CHILDREN])

    def _note_children(self, tid: int, links: Links, children: Links) -> None:
        for index, ino in zip((_PID, _TIME), children, strict=True):
            if ino not in (0, links[index]):
                self.for_children[ino].append(tid)
