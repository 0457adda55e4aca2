"""What namespaces say of themselves when they are asked: their ids, owners, parents."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from .. import lowlevel
from .._core import census, reach
from .._types import NamespaceId, NamespaceType
from ..errors import SystemCallError

_USER: Final = NamespaceType.USER
_BY_FLAG: Final = {int(type.flag): type for type in NamespaceType}


class Kin(NamedTuple):
    """One namespace; owner and parent are inode numbers, or 0; and their ids, or 0."""

    id: NamespaceId
    owner: int
    parent: int
    owner_uid: int | None
    owner_unique: int
    parent_unique: int


class Family:
    """All namespaces that were found, by inode number."""

    def __init__(self) -> None:
        self.known: dict[int, Kin] = {}
        self.ids: dict[int, NamespaceId] = {}
        """The same, ids only."""
        self.doubtful: set[int] = set()
        """Numbers that may have passed from one namespace to the next meanwhile."""
        self.held: set[int] = set()
        """Numbers that cannot have: a worker kept the namespace open to the end."""

    def add(self, part: census.Part) -> None:
        """Take in what a part of a census says of namespaces."""
        known, ids = self.known, self.ids
        for row in part.namespaces:
            dev, unique, owner_unique, parent_unique = row[:4]
            ino, flag, owner, parent, uid, is_held = row[4:]
            type = _BY_FLAG[flag]
            id = NamespaceId(type, dev, ino, unique or None)
            if is_held:
                self.held.add(ino)
            if ino in ids:
                # Without ids that are given once, who was not held may be another.
                if ids[ino] != id or not (unique or is_held):
                    self.doubtful.add(ino)
                continue
            ids[ino] = id
            if type is _USER:
                known[ino] = Kin(id, owner, owner, uid, owner_unique, owner_unique)
            else:
                known[ino] = Kin(id, owner, parent, None, owner_unique, parent_unique)
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

    def note(self, kin: Kin) -> None:
        """Take in one namespace; it takes the place of what else has its number."""
        self.known[kin.id.ino] = kin
        self.ids[kin.id.ino] = kin.id

    def forget(self, numbers: Iterable[int]) -> None:
        """Leave out what has died; who is others' kin stays."""
        named = {ino for kin in self.known.values() for ino in kin[1:3]}
        for ino in {*numbers} - named:
            self.known.pop(ino, None)
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
            Kin(id, owner, parent, uid, self._unique_of(owner), self._unique_of(parent))
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
