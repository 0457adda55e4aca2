"""Which ids of a user namespace stand for which outside."""

import errno
import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Final, Literal, Self, TypeAlias

from .._types import NamespaceType, override, shown
from ..errors import NamespacePermissionError

Extent: TypeAlias = tuple[int, int, int]
"""Ids from *inner* on stand for those from *outer* on: (inner, outer, count)."""

Kind: TypeAlias = Literal["uid", "gid"]

_LAST_ID: Final = 2**32 - 2
_MOST_EXTENTS: Final = 340
_MOST_BYTES: Final = 4095


class IdMap:
    """
    A map of the ids of a user namespace to those of its parent.

    It serves for uids and gids alike. Iterating gives the triples, and maps with equal
    triples are equal; where those for uids and gids differ (`root`, `current`,
    `subids`), these are the ones for uids. See :manpage:`user_namespaces(7)`.

    Args:
        extents: Triples (inner, outer, count): the ids from *inner* on, in the user
            namespace, stand for those from *outer* on, in its parent.

    Raises:
        ValueError: There is none, two overlap, one is out of range, or there are more
            than the kernel takes (340 triples, or 4095 bytes when written).
    """

    __slots__ = ("_gids", "_uids")

    _uids: tuple[Extent, ...]
    _gids: tuple[Extent, ...]

    def __init__(self, extents: Iterable[Extent]) -> None:
        self._uids = self._gids = _checked(extents)
        if not self._uids:
            raise ValueError("an IdMap needs at least one triple (inner, outer, count)")

    @classmethod
    def _of(cls, uids: Iterable[Extent], gids: Iterable[Extent]) -> Self:
        """Make a map with triples of its own for gids; there may be none."""
        self = cls.__new__(cls)
        self._uids, self._gids = _checked(uids), _checked(gids)
        return self

    @classmethod
    def root(cls) -> Self:
        """Map only id 0, to the caller's effective uid and gid."""
        return cls._of([(0, os.geteuid(), 1)], [(0, os.getegid(), 1)])

    @classmethod
    def current(cls) -> Self:
        """Map only the caller's effective uid and gid, each to itself."""
        uid, gid = os.geteuid(), os.getegid()
        return cls._of([(uid, uid, 1)], [(gid, gid, 1)])

    @classmethod
    def subids(cls, user: str | int | None = None) -> Self:
        """
        Map id 0 to a user, and the ids from 1 on to its subordinate ids.

        These are what ``/etc/subuid`` and ``/etc/subgid`` give it, one range after the
        other: see :manpage:`subuid(5)`. Others than root need newuidmap and newgidmap
        to use such a map.

        Args:
            user: A name or uid; the caller's own user if not given.

        Raises:
            NamespacePermissionError: The files give the user none.

            LookupError: There is no such user.
        """
        name, uid, gid = _find_user(user)
        uids = [(0, uid, 1), *_subordinate("/etc/subuid", name, uid)]
        gids = [(0, gid, 1), *_subordinate("/etc/subgid", name, uid)]
        return cls._of(uids, gids)

    def __iter__(self) -> Iterator[Extent]:
        return iter(self._uids)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdMap):
            return NotImplemented
        return self._uids == other._uids

    @override
    def __hash__(self) -> int:
        return hash(self._uids)

    @override
    def __repr__(self) -> str:
        return f"IdMap({list(self._uids)!r})"

    def _extents(self, kind: Kind) -> tuple[Extent, ...]:
        """Return the triples for uids or for gids."""
        return self._uids if kind == "uid" else self._gids

    def _written(self, kind: Kind) -> bytes:
        """Return the map as the kernel reads it."""
        return _text(self._extents(kind))


def _checked(extents: Iterable[Extent]) -> tuple[Extent, ...]:
    """Return triples that the kernel will take, or say why it would not."""
    checked = tuple(_checked_extent(extent) for extent in extents)
    for side, name in enumerate(("inner", "outer")):
        ranges = sorted((extent[side], extent[2]) for extent in checked)
        for (first, count), (second, _) in itertools.pairwise(ranges):
            if first + count > second:
                raise ValueError(f"{name} ids overlap at {second}: {list(checked)}")
    if len(checked) > _MOST_EXTENTS or len(_text(checked)) > _MOST_BYTES:
        raise ValueError(
            f"the kernel takes {_MOST_EXTENTS} triples and {_MOST_BYTES} bytes at "
            f"most, not {len(checked)} and {len(_text(checked))}"
        )
    return checked


def _checked_extent(extent: Extent) -> Extent:
    try:
        inner, outer, count = extent
    except (TypeError, ValueError):
        raise ValueError(
            f"{shown(extent)} is no triple (inner, outer, count)"
        ) from None
    for number in (inner, outer, count):
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"the ids of an IdMap are ints: {shown(extent)}")
    if min(inner, outer) < 0 or count < 1 or max(inner, outer) + count - 1 > _LAST_ID:
        raise ValueError(
            f"{shown(extent)} is out of range: ids go from 0 to {_LAST_ID}"
        )
    return inner, outer, count


def _text(extents: Iterable[Extent]) -> bytes:
    lines = (f"{inner} {outer} {count}" for inner, outer, count in extents)
    return "\n".join(lines).encode()


def _find_user(user: str | int | None) -> tuple[str, int, int]:
    """Return name, uid and gid of a user; the caller's own needs no entry."""
    import pwd

    if user is None:
        uid, gid = os.geteuid(), os.getegid()
        try:
            return pwd.getpwuid(uid).pw_name, uid, gid
        except KeyError:
            return str(uid), uid, gid
    if isinstance(user, bool) or not isinstance(user, str | int):
        raise TypeError(f"a user is a name or a uid, not {shown(user)}")
    try:
        entry = pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
    except KeyError:
        raise LookupError(f"there is no user {shown(user)}") from None
    return entry.pw_name, entry.pw_uid, entry.pw_gid


def _subordinate(path: str, name: str, uid: int) -> list[Extent]:
    """Return the ranges that a file gives a user, one after the other from 1 on."""
    extents: list[Extent] = []
    inner = 1
    for owner, start, count in _subordinate_lines(path):
        if owner in (name, str(uid)) and count > 0:
            extents.append((inner, start, count))
            inner += count
    if extents:
        return extents
    what = "uids" if path.endswith("subuid") else "gids"
    raise NamespacePermissionError(
        errno.EPERM,
        os.strerror(errno.EPERM),
        path,
        syscall=f"new{what[:-1]}map",
        types=(NamespaceType.USER,),
        reason=f"it gives the user {name} no subordinate {what}",
        hint=f"as root: usermod --add-sub{what} 100000-165535 {name}",
    )


def _subordinate_lines(path: str) -> Iterator[tuple[str, int, int]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        owner, _, numbers = line.strip().partition(":")
        start, _, count = numbers.partition(":")
        if start.isdecimal() and count.isdecimal():
            yield owner, int(start), int(count)
