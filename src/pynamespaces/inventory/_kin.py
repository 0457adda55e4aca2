"""What namespaces say of themselves when they are asked: their ids, owners, parents."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from .. import lowlevel
from .._core import census, reach
from .._types import NamespaceId, NamespaceType
from ..errors import SystemCallError

_USER: Final = NamespaceType.USER
_BY_FLAG: Final = {int(type.flag): type for type in NamespaceType}


# No class of its own, and no id in it: the collector of garbage passes over plain
# tuples of numbers, of which there are thousands here.
Kin: TypeAlias = tuple[int, int, int | None, int, int]
"""Of one namespace: owner, parent, owner's uid; the ids of owner and parent, or 0."""

ALONE: Final[Kin] = (0, 0, None, 0, 0)
"""That of a namespace which cannot be asked."""


class Family:
    """All namespaces that were found, by inode number."""

    def __init__(self) -> None:
        self.ids: dict[int, NamespaceId] = {}
        """Which they are."""
        self.kin: dict[int, Kin] = {}
        """What each of them is related to, by inode numbers, or 0."""
        self.doubtful: set[int] = set()
        """Numbers that may have passed from one namespace to the next meanwhile."""
        self.held: set[int] = set()
        """Numbers that cannot have: a worker kept the namespace open to the end."""

    def add(self, part: census.Part) -> None:
        """Take in what a part of a census says of namespaces."""
        kin, ids, held = self.kin, self.ids, self.held
        for row in part.namespaces:
            dev, unique, owner_id, parent_id, ino, flag, owner, parent, uid, kept = row
            type = _BY_FLAG[flag]
            id = NamespaceId(type, dev, ino, unique or None)
            if kept:
                held.add(ino)
            if ino in ids:
                # Without ids that are given once, who was not held may be another.
                if ids[ino] != id or not (unique or kept):
                    self.doubtful.add(ino)
                continue
            ids[ino] = id
            if type is _USER:
                kin[ino] = owner, owner, uid, owner_id, owner_id
            else:
                kin[ino] = owner, parent, None, owner_id, parent_id
        self.doubtful.update(ino for (ino,) in part.doubts)

    def relative(self, ino: int, unique: int) -> NamespaceId | None:
        """
        Return the owner or parent of a namespace, by its numbers.

        ``None`` if that has died with it, and the inode number is another's by now.
        """
        id = self.ids.get(ino)
        if id is None or not unique or id.unique is None or id.unique == unique:
            return id
        return None

    def note(self, id: NamespaceId, kin: Kin = ALONE) -> None:
        """Take in one namespace; it takes the place of what else has its number."""
        self.ids[id.ino] = id
        self.kin[id.ino] = kin

    def forget(self, numbers: Iterable[int]) -> None:
        """Leave out what has died; who is others' kin stays."""
        named = {ino for kin in self.kin.values() for ino in kin[:2]}
        for ino in {*numbers} - named:
            self.kin.pop(ino, None)
            self.ids.pop(ino, None)

    def meet(self, fd: int) -> int:
        """
        Ask a namespace, and those that it leads to; return its inode number.

        It takes the place of what else has that number: this one lives.
        """
        id = reach.identify(fd)[1]
        if id.unique is not None and self.ids.get(id.ino) == id:
            return id.ino
        is_user = id.type is _USER
        owner = self._follow(lowlevel.ns_get_userns, fd)
        parent = owner if is_user else 0
        if id.type is NamespaceType.PID:
            parent = self._follow(lowlevel.ns_get_parent, fd)
        uid = lowlevel.ns_get_owner_uid(fd) if is_user else None
        self.note(
            id, (owner, parent, uid, self._unique_of(owner), self._unique_of(parent))
        )
        return id.ino

    def _unique_of(self, ino: int) -> int:
        id = self.ids.get(ino)
        return 0 if id is None else id.unique or 0

    def _follow(self, ask: Callable[[int], int], fd: int) -> int:
        try:
            kin = ask(fd)
        except SystemCallError:
            return 0  # It is the first, or above what the caller may know.
        try:
            return self.meet(kin)
        finally:
            os.close(kin)
