"""What is known of tasks while they are watched: where they are, names, parents."""

from __future__ import annotations

import errno
import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import closing
from typing import Final, TypeAlias

from .. import _proc, lowlevel
from .._core import census, engines
from .._types import NamespaceId, NamespaceType
from ..errors import NoSuchNamespaceError
from .events import NamespaceChange

_T: Final = NamespaceType

ORDER: Final = (_T.NET, _T.UTS, _T.IPC, _T.PID, _T.USER, _T.MNT, _T.CGROUP, _T.TIME)
"""The types as the kernel's records have them; of time, they say nothing."""

PID: Final = ORDER.index(_T.PID)

Places: TypeAlias = tuple[int, ...]
"""Inode numbers, in `ORDER`; 0 or missing: not known."""

# Where rows of processes have where their name is, and how long it is.
_NAME: Final = 15
_LINKS: Final = tuple(census.LINKS.index(type) for type in ORDER[:-1])


class Tasks:
    """
    Every task that has been heard of.

    Args:
        tree: The processes that are watched, with all that they bear; ``None``: all.

        knows_own: Whether nothing else is heard of than they, and the caller.
    """

    def __init__(
        self, tree: Collection[int] | None = None, *, knows_own: bool = False
    ) -> None:
        self._knows_own = knows_own
        self._places: dict[int, Places] = {}
        # Where tasks were at the beginning; of most threads, where their process was.
        self._before: dict[int, Places] = {}
        self._comms: dict[int, str] = {}
        # Whose child a process is, once that was asked; who has made it.
        self._parents: dict[int, int] = {}
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._makers: dict[int, int] = {}
        self.children_pid: dict[int, int] = {}
        """Into which pid namespace a thread bears children, if elsewhere than it is."""
        self.pending_pid: dict[int, bool | None] = {}
        """Threads whose next child is born elsewhere: whether that is a fresh one."""
        self._tree = None if tree is None else set(tree)
        self._roots = set(self._tree or ())
        # Whether a birth may have been lost, and who was found not to be watched since.
        self._has_lost = False
        self.is_doubtful = False
        """Whether something is being told that may be from before or after a loss."""
        self._others: set[int] = set()
        self._surveyed_at = 0
        self.device = os.stat("/proc/thread-self/ns/user").st_dev

    def survey(self) -> None:
        """Look where all tasks are before anything is watched."""
        wish = census.Wish(ORDER, descriptors=False, mounts=False, arguments=False)
        with closing(census.take(wish, engines.Known(), None)) as parts:
            for part in parts:
                for row in part.processes:
                    links = row[5 : 5 + len(census.LINKS)]
                    self._before[row[1]] = tuple(links[at] for at in _LINKS)
                    self._makers[row[1]] = row[2]
                    name = part.text[row[_NAME] : row[_NAME] + row[_NAME + 1]]
                    self._comms[row[1]] = name.decode("utf-8", "surrogateescape")
                for row in part.threads:
                    links = row[2 : 2 + len(census.LINKS)]
                    self._before[row[1]] = tuple(links[at] for at in _LINKS)
        self._surveyed_at = time.monotonic_ns()
        if self._tree is not None:
            self._grow_tree()

    def look_at(self, tid: int) -> None:
        """Look where one thread is."""
        places = look(tid)
        if places is not None:
            self._places[tid] = places
        self._comms[tid] = _proc.task_name(str(tid))
        self._makers[os.getpid()] = os.getppid()

    def _grow_tree(self) -> None:
        """Add who descends from the tree already."""
        assert self._tree is not None
        found = self._tree
        while found:
            found = {p for p, parent in self._makers.items() if parent in found}
            found -= self._tree
            self._tree |= found

    # --- who they are ---

    def is_watched(self, pid: int) -> bool:
        """Return whether a process is to be told of."""
        if self._tree is None or pid in self._tree:
            return True
        if not self._has_lost or pid in self._others:
            return False
        # That it was born may have been lost.
        line, ancestor = [pid], _proc.parent_of(pid)
        if ancestor is None:
            return self._knows_own  # It has ended since.
        while ancestor and ancestor not in self._tree:
            line.append(ancestor)
            ancestor = _proc.parent_of(ancestor)
        (self._tree if ancestor else self._others).update(line)
        return bool(ancestor)

    def watch(self, pid: int) -> None:
        """Watch a process, and what it bears."""
        self._roots.add(pid)
        if self._tree is not None:
            self._tree.add(pid)

    def born(self, pid: int, tid: int, maker: int, maker_tid: int, flags: int) -> None:
        """Note a new task; *flags* are those of the call, as far as they are known."""
        self.children_pid.pop(tid, None)
        self.pending_pid.pop(tid, None)
        if pid != maker:
            self._others.discard(pid)
            parent = self._makers.get(maker) if flags & lowlevel.CLONE_PARENT else maker
            if parent is not None:
                self._makers[pid] = parent
            if self._tree is not None and maker in self._tree:
                self._tree.add(pid)
            elif self._tree is not None and pid not in self._roots:
                self._tree.discard(pid)
        elif maker_tid in self.children_pid:
            # A thread has this from who made it.
            self.children_pid[tid] = self.children_pid[maker_tid]
        self._comms[tid] = self._comms.get(maker_tid, "")

    def ended(self, pid: int, tid: int) -> None:
        """Forget a task that has ended."""
        for known in (self._places, self._comms, self.children_pid, self.pending_pid):
            known.pop(tid, None)
        if pid == tid:
            self._makers.pop(pid, None)
            self._parents.pop(pid, None)
            # Another thread may go on, or become the first by execve(2).
            self._before.pop(pid, None)
            # They are somebody else's now.
            for child in self._children.pop(pid, ()):
                self._parents.pop(child, None)

    def named(self, tid: int, comm: str) -> None:
        """Note what a task calls itself by now."""
        self._comms[tid] = comm

    def comm(self, pid: int, tid: int) -> str:
        """Return the name of a task; empty if that is not known."""
        name = self._comms.get(tid)
        if not name:
            name = self._comms[tid] = _proc.task_name(f"{pid}/task/{tid}")
        return name

    def parent(self, pid: int) -> int | None:
        """Return the parent of a process, if that is known."""
        parent = self._parents.get(pid)
        if parent is None:
            maker, parent = self._makers.get(pid), _proc.parent_of(pid)
            if maker in self._makers and (
                parent is None or parent != self._makers[maker]
            ):
                # By the time of the call; by now it may have been orphaned. But who has
                # made it need not be its parent (CLONE_PARENT).
                parent = maker
            if parent is None:
                return maker
            self._parents[pid] = parent
            self._children[parent].append(pid)
        return parent

    # --- where they are ---

    def places(self, tid: int, pid: int, time: int) -> Places | None:
        """Return where a thread was until then, as far as that is known."""
        if self.is_doubtful:
            return None
        found = self._places.get(tid)
        # What happened while it was looked at may have come before or after that.
        if found is None and time > self._surveyed_at:
            found = self._before.get(tid) or self._before.get(pid)
        return found

    def move(self, tid: int, places: Places) -> None:
        """Note where a thread is."""
        self._places[tid] = places

    def forget_places(self) -> None:
        """Believe nothing of where anybody is, or who: something was lost."""
        self._has_lost = True
        self._others.clear()
        self._comms.clear()
        self._parents.clear()
        self._children.clear()
        self._places.clear()
        self._before.clear()
        self.children_pid.clear()
        self.pending_pid.clear()

    def id(self, index: int, ino: int) -> NamespaceId:
        """Return which namespace it is."""
        return NamespaceId(ORDER[index], self.device, ino)

    def changes(
        self,
        before: Places | None,
        after: Places,
        created: Collection[NamespaceType] | None,
        named: Collection[NamespaceType] = (),
    ) -> Iterator[NamespaceChange]:
        """
        Compare two places.

        Args:
            before: Where it was; if that is not known, those of *named* have changed.

            after: Where it is.

            created: The types of which it made a fresh one; ``None`` if nobody knows.

            named: The types that the call spoke of.
        """
        for index, ino in enumerate(after):
            type = ORDER[index]
            old = None if before is None else before[index]
            if old == ino or not ino or (old is None and type not in named):
                continue
            yield NamespaceChange(
                type,
                self.id(index, old) if old else None,
                self.id(index, ino),
                None if created is None else type in created,
            )


def look(tid: int) -> Places | None:
    """Return where a thread is; ``None`` if it has ended or may not be looked into."""
    places = []
    for type in ORDER:
        text = _proc.link_text(_proc.namespace_path(tid, type))
        if text is None and type is not _T.TIME:  # Older kernels have none.
            return None
        places.append(int(text.partition("[")[2].rstrip("]")) if text else 0)
    return tuple(places)


def refuse_foreign_proc() -> None:
    """
    Refuse where ``/proc`` does not tell of the ids that perf tells of.

    Raises:
        NoSuchNamespaceError: There is none, or it is of another pid namespace.
    """
    if not _proc.shows_this_process():
        raise NoSuchNamespaceError(
            errno.ENOENT,
            os.strerror(errno.ENOENT),
            "/proc/self",
            syscall="readlink",
            reason="no /proc of the caller's own pid namespace is mounted here",
        )
