"""
Numbers that passed from one namespace to the next during a scan.

The kernel gives the inode number of a namespace that has died to the next one at once.
Who was found with such a number is asked again: those that still have it are in the
namespace that has it now, and the others have gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TypeAlias

from .. import _proc
from .._core import census
from .._lib import lib
from .._types import NamespaceId
from ._holdings import PROCESS_LINKS, THREAD_LINKS
from ._kin import Family

_Place: TypeAlias = tuple[str, int]
"""The folder of a task, and which of its links."""


def settle(parts: list[census.Part], family: Family) -> list[census.Part]:
    """Return the rows without the links that lead elsewhere by now."""
    confirmed: dict[int, tuple[NamespaceId, set[_Place]]] = {}
    for folder, links in _tasks(parts):
        for index, ino in enumerate(links):
            if ino not in family.doubtful:
                continue
            id = _ask_again(folder, index, ino, family)
            if id is None:
                continue
            # Those that were confirmed in another one have left it since, or it lived.
            if ino not in confirmed or confirmed[ino][0] != id:
                confirmed[ino] = id, set()
            confirmed[ino][1].add((folder, index))
    kept = set().union(*(places for _, places in confirmed.values()))
    return [_without(part, family.doubtful, kept) for part in parts]


def _tasks(parts: list[census.Part]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in parts:
        for row in part.processes:
            yield _process(row), row[PROCESS_LINKS]
        for row in part.threads:
            yield _thread(row), row[THREAD_LINKS]


def _process(row: census.Row) -> str:
    return str(row[1])


def _thread(row: census.Row) -> str:
    return f"{row[0]}/task/{row[1]}"


def _ask_again(folder: str, index: int, ino: int, family: Family) -> NamespaceId | None:
    path = _proc.namespace_path(folder, census.LINKS[index])
    fd = lib.pyns_open_namespace(os.fsencode(path))
    if fd < 0:
        return None
    try:
        return family.ids.get(ino) if family.meet(fd) == ino else None
    finally:
        os.close(fd)


def _without(part: census.Part, doubtful: set[int], kept: set[_Place]) -> census.Part:
    processes = (
        _cut(row, PROCESS_LINKS, _process(row), doubtful, kept)
        for row in part.processes
    )
    threads = (
        _cut(row, THREAD_LINKS, _thread(row), doubtful, kept) for row in part.threads
    )
    return part._replace(
        packed_processes=census.pack(census.PROCESS, processes),
        packed_threads=census.pack(census.THREAD, threads),
    )


def _cut(
    row: census.Row,
    where: slice[int, int, None],
    folder: str,
    doubtful: set[int],
    kept: set[_Place],
) -> census.Row:
    links = row[where]
    if doubtful.isdisjoint(links):
        return row
    sound = tuple(
        0 if ino in doubtful and (folder, index) not in kept else ino
        for index, ino in enumerate(links)
    )
    return row[: where.start] + sound + row[where.stop :]
