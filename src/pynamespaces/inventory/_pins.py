"""Where namespaces are mounted: here, and in other mount namespaces."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from .. import _proc
from .._core import census, elsewhere, mountinfo, mounts, reach, registry, statmount
from .._core.mountinfo import Mount
from .._lib import lib
from .._types import NamespaceId, NamespaceType
from ..errors import NamespaceError
from ._holdings import Holdings
from ._kin import Family
from .records import Pin, Unreadable

_MNT: Final = NamespaceType.MNT

# Each that is mounted in another one is opened from there.
_DEEPEST: Final = 16


_Place: TypeAlias = tuple[int, str]
"""A mount namespace, and a path in it."""


class Pins:
    """The mounts of namespaces, by the inode numbers of these."""

    def __init__(
        self, parts: Iterable[census.Part], family: Family, held: Holdings
    ) -> None:
        self.pins: defaultdict[int, list[Pin]] = defaultdict(list)
        self.names: dict[int, str] = {}
        """Those that ``ip netns`` has."""
        self.unreadable: list[Unreadable] = []
        self._family = family
        self._held = held
        self._own = _own_mnt()
        self._toured: set[int] = set()
        self._add(_read(parts))

    def look_deeper(self) -> None:
        """Look into mount namespaces in which no process has all in sight."""
        while waiting := [
            id
            for id in self._family.ids.values()
            if id.type is _MNT and id.ino not in self._toured
        ]:
            for id in waiting:
                self._look_into(id)

    def _look_into(self, id: NamespaceId) -> None:
        self._toured.add(id.ino)
        fd = self._open(id)
        if fd is None:
            self._refuse(f"the mounts of {id}", "nobody there may be looked into")
            return
        try:
            # The one begins at the mount on top of its root, the other below that.
            found = [*mounts.list_mounts(fd), *(statmount.list_mounts(fd) or ())]
        except (NamespaceError, OSError) as error:
            self._refuse(f"the mounts of {id}", str(error))
        else:
            self._add({id.ino: {mount.id: mount for mount in reversed(found)}})
        finally:
            os.close(fd)

    def _add(self, found: Mapping[int, Mapping[int, Mount]]) -> None:
        self._toured.update(found)
        places: defaultdict[tuple[NamespaceType, int], list[_Place]] = defaultdict(list)
        for mnt, listed in found.items():
            for mount in listed.values():
                if mount.type == "nsfs" and (named := _named(mount.root)) is not None:
                    places[named].append((mnt, mount.path))
        for (type, ino), mounted_at in places.items():
            if ino not in self._family.ids:
                self._meet(type, ino, mounted_at)
            for mnt, path in mounted_at:
                where = self._family.ids.get(mnt)
                if where is not None:
                    self.pins[ino].append(Pin(path, where))
                if mnt == self._own and type is NamespaceType.NET:
                    self._name(ino, path)

    def _name(self, ino: int, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if folder == registry.DIRECTORY:
            self.names[ino] = min(name, self.names.get(ino, name))

    def _meet(self, type: NamespaceType, ino: int, places: Iterable[_Place]) -> None:
        """Ask a namespace that only mounts are known to keep."""
        reason = path = ""
        for mnt, path in places:
            try:
                fd = self._open_mounted(mnt, path)
            except (NamespaceError, OSError) as error:
                reason = str(error)
                continue
            reason = "something else lies above it"
            if fd is None:
                continue
            try:
                if self._family.meet(fd) == ino:
                    return
            finally:
                os.close(fd)
        self._refuse(f"{type}:[{ino}] at {path}", reason)
        device = next(iter(self._family.ids.values())).dev
        self._family.note(NamespaceId(type, device, ino))

    def _open_mounted(self, mnt: int, path: str, depth: int = 0) -> int | None:
        if mnt == self._own:
            fd = lib.pyns_open_namespace(os.fsencode(path))
            if fd >= 0:
                return fd
        id = self._family.ids.get(mnt)
        folder = None if id is None else self._open(id, depth)
        if folder is None:
            return None
        try:
            # Whatever it is, it is not opened for more than to see what it is.
            found = elsewhere.open_file(folder, path, os.O_PATH | os.O_NOFOLLOW, 0)
        finally:
            os.close(folder)
        try:
            own = f"/proc/thread-self/fd/{found}"
            fd = lib.pyns_open_namespace(os.fsencode(own))
        finally:
            os.close(found)
        return fd if fd >= 0 else None

    def _open(self, id: NamespaceId, depth: int = 0) -> int | None:
        """Open a mount namespace by whoever, or whatever, holds it."""
        for fd in self._tries(id, depth):
            found = reach.identify(fd)[1]
            if (found.ino, id.unique or found.unique) == (id.ino, found.unique):
                return fd
            os.close(fd)
        return None

    def _tries(self, id: NamespaceId, depth: int) -> Iterator[int]:
        """Open what had it when it was looked at."""
        for path in self._paths(id):
            fd = lib.pyns_open_namespace(os.fsencode(path))
            if fd >= 0:
                yield fd
        if depth == _DEEPEST:
            return
        for pin in self.pins.get(id.ino, ()):
            with suppress(NamespaceError, OSError):
                mounted = self._open_mounted(pin.mnt.ino, pin.path, depth + 1)
                if mounted is not None:
                    yield mounted

    def _paths(self, id: NamespaceId) -> Iterator[str]:
        for task in self._held.processes(id.ino):
            yield _proc.namespace_path(task, _MNT)
        for task in self._held.threads.get(id.ino, ()):
            yield _proc.namespace_path(task, _MNT)
        for pid, fd in self._held.descriptors.get(id.ino, ()):
            yield f"/proc/{pid}/fd/{fd}"

    def _refuse(self, what: str, reason: str) -> None:
        self.unreadable.append(Unreadable(what, reason))


_TYPES: Final = frozenset(NamespaceType)


def _own_mnt() -> int | None:
    try:
        return os.stat(_proc.namespace_path("thread-self", _MNT)).st_ino
    except OSError:
        return None


def mounted(parts: Iterable[census.Part]) -> set[int]:
    """Return the numbers of the namespaces that are mounted."""
    listings = _read(parts).values()
    roots = (mount.root for listed in listings for mount in listed.values())
    return {named[1] for root in roots if (named := _named(root))}


def _named(root: str) -> tuple[NamespaceType, int] | None:
    """Return what the root of a mount says that it is."""
    type, _, number = root.rstrip("]").partition(":[")
    if type not in _TYPES or not number.isdecimal():
        return None
    return NamespaceType(type), int(number)


def _read(parts: Iterable[census.Part]) -> dict[int, dict[int, Mount]]:
    """
    Read the lines of mountinfos, by mount namespace and id.

    Only of those that were read by a process that had all in sight. Several workers may
    have read the same one.
    """
    found: defaultdict[int, dict[int, Mount]] = defaultdict(dict)
    whole: set[int] = set()
    for part in parts:
        for mnt, line, size, _ in part.mounts:
            if not size:
                whole.add(mnt)
            for mount in mountinfo.parse(part.text[line : line + size]):
                found[mnt][mount.id] = mount
    return {mnt: found[mnt] for mnt in whole}
