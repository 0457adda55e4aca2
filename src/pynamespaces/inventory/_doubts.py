"""
Numbers that passed from one namespace to the next during a scan.

The kernel gives the inode number of a namespace that has died to the next one at once.
Who was found with such a number is asked again: those that still have it are in the
namespace that has it now, and the others have gone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from typing import Final, TypeAlias

from .. import _proc, lowlevel
from .._core import census, elsewhere, reach
from .._lib import lib
from .._types import NamespaceId, NamespaceType
from ..errors import NamespaceError
from ._holdings import PROCESS_LINKS, THREAD_LINKS, Holdings
from ._kin import Family

_Place: TypeAlias = str | tuple[int, int, int]
"""The path of a link; or a process, its descriptor, and whether that is a socket."""


# With those of children.
_OF_PROCESS: Final = slice(PROCESS_LINKS.start, PROCESS_LINKS.stop + 2)
_OF_THREAD: Final = slice(THREAD_LINKS.start, THREAD_LINKS.stop + 2)
_CHILDREN: Final = (NamespaceType.PID, NamespaceType.TIME)


def doubt_mounted(mounted: Iterable[int], family: Family, held: Holdings) -> None:
    """
    Doubt those of what is mounted that nobody is in any more who was found there.

    Not those that were kept open: their numbers are theirs.
    """
    for ino in {*mounted} - family.held:
        id = family.ids.get(ino)
        if id is not None and not any(
            _is_in(task, id)
            for tasks in (held.processes(ino), held.threads.get(ino, ()))
            for task in tasks[:1]
        ):
            family.doubtful.add(ino)


def _is_in(task: int, id: NamespaceId) -> bool:
    fd = lib.pyns_open_namespace(os.fsencode(_proc.namespace_path(task, id.type)))
    if fd < 0:
        return False
    try:
        return reach.identify(fd)[1] == id
    finally:
        os.close(fd)


def settle(parts: list[census.Part], family: Family) -> list[census.Part]:
    """Return the rows without what leads elsewhere by now."""
    confirmed: dict[int, tuple[NamespaceId, set[_Place]]] = {}
    for place, ino in _doubted(parts, family.doubtful):
        id = _ask_again(place, ino, family)
        if id is None:
            continue
        # Those that were confirmed in another one have left it since, or it lived.
        if ino not in confirmed or confirmed[ino][0] != id:
            confirmed[ino] = id, set()
        confirmed[ino][1].add(place)
    family.forget(family.doubtful.difference(confirmed))
    kept = set[_Place]().union(*(places for _, places in confirmed.values()))
    return [_without(part, family.doubtful, kept) for part in parts]


def _doubted(
    parts: list[census.Part], doubtful: set[int]
) -> Iterator[tuple[_Place, int]]:
    for folder, links in _tasks(parts):
        if not doubtful.isdisjoint(links):
            for index, ino in enumerate(links):
                if ino in doubtful:
                    yield _link(folder, index), ino
    for part in parts:
        for row in part.files:
            if row[2] in doubtful:
                yield _file(row), row[2]


def _tasks(parts: list[census.Part]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in parts:
        for row in part.processes:
            yield _process(row), row[_OF_PROCESS]
        for row in part.threads:
            yield _thread(row), row[_OF_THREAD]


def _process(row: census.Row) -> str:
    return str(row[1])


def _thread(row: census.Row) -> str:
    return f"{row[0]}/task/{row[1]}"


def _link(folder: str, index: int) -> str:
    if index < len(census.LINKS):
        return _proc.namespace_path(folder, census.LINKS[index])
    type = _CHILDREN[index - len(census.LINKS)]
    return _proc.namespace_path(folder, f"{type}_for_children")


def _file(row: census.Row) -> _Place:
    pid, fd, _, is_socket = row
    return pid, fd, is_socket


def _ask_again(place: _Place, ino: int, family: Family) -> NamespaceId | None:
    if isinstance(place, str):
        fd = lib.pyns_open_namespace(os.fsencode(place))
    else:
        pid, number, is_socket = place
        fd = (_open_of_socket if is_socket else _open_file)(pid, number)
    if fd < 0:
        return None
    try:
        return family.ids.get(ino) if family.meet(fd) == ino else None
    finally:
        os.close(fd)


def _open_file(pid: int, fd: int) -> int:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return -1  # The process has ended.
    for task in tasks:
        # The first one may have ended before the others.
        path = f"/proc/{pid}/task/{task}/fd/{fd}"
        if (opened := lib.pyns_open_namespace(os.fsencode(path))) >= 0:
            return opened
    return -1


def _open_of_socket(pid: int, fd: int) -> int:
    opened = []
    try:
        opened.append(lowlevel.pidfd_open(pid))
        opened.append(lowlevel.pidfd_getfd(opened[0], fd))
        return elsewhere.open_netns_of(opened[1], int)
    except NamespaceError:
        return -1  # It is closed, or its process has ended.
    finally:
        for each in opened:
            os.close(each)


def _without(
    part: census.Part, doubtful: set[int], kept: Collection[_Place]
) -> census.Part:
    processes = (
        _cut(row, _OF_PROCESS, _process(row), doubtful, kept) for row in part.processes
    )
    threads = (
        _cut(row, _OF_THREAD, _thread(row), doubtful, kept) for row in part.threads
    )
    files = (row for row in part.files if row[2] not in doubtful or _file(row) in kept)
    return part._replace(
        packed_processes=census.pack(census.PROCESS, processes),
        packed_threads=census.pack(census.THREAD, threads),
        packed_files=census.pack(census.FILE, files),
    )


def _cut(
    row: census.Row,
    where: slice[int, int, None],
    folder: str,
    doubtful: set[int],
    kept: Collection[_Place],
) -> census.Row:
    links = row[where]
    if doubtful.isdisjoint(links):
        return row
    sound = tuple(
        0 if ino in doubtful and _link(folder, index) not in kept else ino
        for index, ino in enumerate(links)
    )
    return row[: where.start] + sound + row[where.stop :]
