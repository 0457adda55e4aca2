"""
Looking at a thread that is being supervised, through ``/proc``.

What cannot be read is ``None`` or missing: the thread may be gone, or in a place where
the supervisor has no power over it.
"""

import os
import struct
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from .. import _proc
from .._core import reach
from .._lib import lib
from .._types import NamespaceId, NamespaceType
from ..errors import SystemCallError

_FOR_CHILDREN: Final = "_for_children"

_TYPES: Final = {str(type): type for type in NamespaceType}

_FLAGS: Final = struct.Struct("=Q")
"""Of struct clone_args, the first."""


class Task(NamedTuple):
    """A thread."""

    tid: int
    started: bytes
    """When, so that another with its id is told from it."""

    pid: int
    ppid: int | None
    comm: str


class Links(NamedTuple):
    """Where a thread was, and where its children would have been born."""

    own: Mapping[NamespaceType, NamespaceId]
    for_children: Mapping[NamespaceType, int | None]
    """Inode numbers; ``None`` where that namespace waits for its first process."""


class Lookout:
    """Who looks, and what it remembers."""

    __slots__ = ("_device", "_pids")

    def __init__(self) -> None:
        # Else its ids would be those of other threads.
        self._device: int | None = None
        if _proc.shows_this_process():
            self._device = os.stat("/proc/thread-self/ns/mnt").st_dev
        self._pids: dict[tuple[int, bytes], int] = {}

    def task(self, tid: int) -> Task | None:
        """Look who a thread is."""
        if self._device is None or tid == 0:
            return None
        fields = _proc.stat_fields(tid)
        if len(fields) < 20:
            return None
        started = fields[19]
        pid = self._pids.get((tid, started))
        if pid is None:
            pid = _proc.process_of(tid)
            if pid is None:
                return None
            if len(self._pids) > 4096:
                self._pids.clear()
            self._pids[tid, started] = pid
        ppid = int(fields[1]) or None
        return Task(tid, started, pid, ppid, _proc.task_name(str(tid)))

    def is_same(self, task: Task) -> bool:
        """Return whether the id is still that thread's."""
        return _proc.stat_fields(task.tid)[19:20] == [task.started]

    def links(self, task: Task, types: Iterable[NamespaceType] = ()) -> Links | None:
        """
        Look where a thread is; of some types, also the id that is never given twice.

        ``None`` if it has ended, or may not be seen.
        """
        texts = _proc.task_links(str(task.tid))
        own: dict[NamespaceType, NamespaceId] = {}
        for_children: dict[NamespaceType, int | None] = {}
        for name, text in texts.items():
            ino = None if text is None else _inode(text)
            type = _TYPES.get(name.removesuffix(_FOR_CHILDREN))
            if type is None:
                continue  # of a newer kernel
            if name.endswith(_FOR_CHILDREN):
                for_children[type] = ino
            elif ino is not None:
                own[type] = NamespaceId(type, self._device or 0, ino)
        if not own:
            return None
        links = Links(own, for_children)
        return self.with_unique(links, task, types)

    def with_unique(
        self, links: Links, task: Task, types: Iterable[NamespaceType]
    ) -> Links:
        """Add to the ids of some types what is never given twice."""
        own = dict(links.own)
        for type in types:
            id = _identify(_proc.namespace_path(task.tid, type))
            if id is not None and type in own and id.ino == own[type].ino:
                own[type] = id
        return links._replace(own=own)

    def link(self, task: Task, name: str) -> int | None:
        """Look at one link of a thread: its inode number."""
        text = _proc.link_text(_proc.namespace_path(task.tid, name))
        return None if text is None else _inode(text)

    def target(
        self, task: Task, fd: int, types: tuple[NamespaceType, ...]
    ) -> NamespaceId | None:
        """Look which namespace a descriptor of a thread leads to, by setns(2)."""
        found = _identify(f"/proc/{task.tid}/fd/{fd}")
        if found is None and len(types) == 1:
            pid = _proc.pid_of_descriptor(task.tid, fd)
            if pid is not None:
                return _identify(_proc.namespace_path(pid, types[0]))
        return found

    def may_look(self, task: Task) -> bool:
        """Return whether what a thread has open may be seen."""
        return os.access(f"/proc/{task.tid}/fd", os.R_OK | os.X_OK) and bool(
            _proc.task_links(str(task.tid))
        )

    def flags_at(self, task: Task, address: int) -> int | None:
        """Read the flags of struct clone_args in the memory of a thread."""
        try:
            fd = os.open(f"/proc/{task.tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            (flags,) = _FLAGS.unpack(os.pread(fd, _FLAGS.size, address))
        except (OSError, OverflowError, struct.error):
            return None
        else:
            return int(flags)
        finally:
            os.close(fd)

    def children(self, task: Task) -> frozenset[int]:
        """Look what a thread has borne."""
        return _proc.children_of(task.pid, task.tid)

    def id_for(self, task: Task, child: int) -> int | None:
        """Return the id of a child as the thread that has borne it sees it."""
        own, ids = (_proc.nspids(str(number)) for number in (task.pid, child))
        return None if not own or not ids or len(ids) < len(own) else ids[len(own) - 1]


def moves(before: Links, after: Links | None) -> list[NamespaceType]:
    """Return the types of the namespaces that are others."""
    if after is None:
        return []
    own, was = after.own, before.own
    return [
        type
        for type in NamespaceType
        if type in own and (type not in was or was[type].ino != own[type].ino)
    ]


def _inode(link: str) -> int:
    """Read ``net:[4026531840]``."""
    return int(link.rpartition("[")[2].removesuffix("]"))


def _identify(path: str) -> NamespaceId | None:
    fd = lib.pyns_open_namespace(os.fsencode(path))
    if fd < 0:
        return None
    try:
        return reach.identify(fd)[1]
    except SystemCallError:
        return None
    finally:
        os.close(fd)
