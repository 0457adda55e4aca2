"""
Who is where, and who has what open: the rows of a census, sorted by namespace.

Thousands of processes pass through here, so loops are plain, and what many of them have
in common is done once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

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


class Holdings(NamedTuple):
    """By inode number: who holds a namespace, and how."""

    processes: dict[int, list[int]]
    threads: dict[int, list[int]]
    for_children: dict[int, list[int]]
    descriptors: dict[int, list[Holder]]
    sockets: dict[int, list[Holder]]
    started: dict[int, int]
    """When a process began, by its id."""
    firsts: dict[int, Links]
    """Where the first thread of a process is, by the id of that."""


def sort_out(parts: Sequence[census.Part]) -> Holdings:
    """Sort the rows of all workers."""
    found = Holdings(
        defaultdict(list),
        defaultdict(list),
        defaultdict(list),
        defaultdict(list),
        defaultdict(list),
        {},
        {},
    )
    # Most processes are where others are, so these go together.
    groups: defaultdict[Links, list[int]] = defaultdict(list)
    started, firsts = found.started, found.firsts
    for part in parts:
        for row in part.processes:
            pid = row[1]
            started[pid] = row[0]
            firsts[pid] = links = row[PROCESS_LINKS]
            groups[links].append(pid)
            children = row[_PROCESS_CHILDREN]
            if children != (links[_PID], links[_TIME]):
                _note_children(found, pid, links, children)
        for pid, fd, ino, is_socket in part.files:
            holders = found.sockets if is_socket else found.descriptors
            holders[ino].append(Holder(pid, fd))
    processes = found.processes
    for links, pids in groups.items():
        for ino in links:
            processes[ino] += pids
    for part in parts:
        for row in part.threads:
            _note_thread(found, row)
    return found


def _note_thread(found: Holdings, row: census.Row) -> None:
    pid, tid = row[:2]
    links = row[THREAD_LINKS]
    for ino, first in zip(links, found.firsts[pid], strict=True):
        if ino != first:
            found.threads[ino].append(tid)
    _note_children(found, tid, links, row[_THREAD_CHILDREN])


def _note_children(found: Holdings, tid: int, links: Links, children: Links) -> None:
    for index, ino in zip((_PID, _TIME), children, strict=True):
        if ino not in (0, links[index]):
            found.for_children[ino].append(tid)
