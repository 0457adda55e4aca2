"""
Who is where, and who has what open: the rows of a census, sorted by namespace.

Thousands of processes pass through here, so loops are plain, and what many of them have
in common is done once.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, TypeAlias

from .._core import census
from .._types import NamespaceType
from .records import Holder

_COUNT: Final = len(census.LINKS)
_PID: Final = census.LINKS.index(NamespaceType.PID)
_TIME: Final = census.LINKS.index(NamespaceType.TIME)

Links: TypeAlias = tuple[int, ...]
"""Inode numbers, in the order of the types; 0: not known."""

# Where rows have links, by the layouts of census.PROCESS and census.THREAD.
PROCESS_LINKS: Final = slice(5, 5 + _COUNT)
_PROCESS_CHILDREN: Final = slice(5 + _COUNT, 7 + _COUNT)
THREAD_LINKS: Final = slice(2, 2 + _COUNT)
_THREAD_CHILDREN: Final = slice(2 + _COUNT, 4 + _COUNT)


class Holdings:
    """By inode number: who holds a namespace, and how."""

    def __init__(self) -> None:
        self.processes: defaultdict[int, list[int]] = defaultdict(list)
        self.threads: defaultdict[int, list[int]] = defaultdict(list)
        self.for_children: defaultdict[int, list[int]] = defaultdict(list)
        self.descriptors: defaultdict[int, list[Holder]] = defaultdict(list)
        self.sockets: defaultdict[int, list[Holder]] = defaultdict(list)
        self.started: dict[int, int] = {}
        """When a process began, by its id."""
        self._firsts: dict[int, Links] = {}

    def add(self, part: census.Part) -> None:
        """Sort the rows of a part."""
        # Most processes are where others are, so these go together.
        groups: defaultdict[Links, list[int]] = defaultdict(list)
        started, firsts = self.started, self._firsts
        for row in part.processes:
            pid = row[1]
            started[pid] = row[0]
            firsts[pid] = links = row[PROCESS_LINKS]
            groups[links].append(pid)
            children = row[_PROCESS_CHILDREN]
            if children != (links[_PID], links[_TIME]):
                self._note_children(pid, links, children)
        processes = self.processes
        for links, pids in groups.items():
            for ino in links:
                processes[ino] += pids
        for row in part.threads:
            self._note_thread(row)
        for pid, fd, ino, is_socket in part.files:
            holders = self.sockets if is_socket else self.descriptors
            holders[ino].append(Holder(pid, fd))

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
