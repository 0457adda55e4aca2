"""Which events somebody wants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .._types import NamespaceType, TypeLike
from ._points import SYSCALLS, Syscall
from .events import (
    ChangeEvent,
    CloneEvent,
    LostEvent,
    SetnsEvent,
    TraceEvent,
)

_ALL: Final = frozenset(NamespaceType)


class Wish:
    """
    What is to be told of; the arguments are those of `trace`.

    Raises:
        ValueError: A type or a call is none.
    """

    def __init__(
        self,
        types: TypeLike | Iterable[TypeLike] | None = None,
        syscalls: Iterable[Syscall] | None = None,
        *,
        changed_only: bool = False,
        failed: bool = True,
    ) -> None:
        given = (types,) if isinstance(types, str) else types
        self._types = _ALL if given is None else frozenset(map(NamespaceType, given))
        named = SYSCALLS if syscalls is None else tuple(dict.fromkeys(syscalls))
        self.syscalls: tuple[Syscall, ...] = named
        for name in named:
            if name not in SYSCALLS:
                known = ", ".join(SYSCALLS)
                raise ValueError(f"{name!r} is no call of namespaces: they are {known}")
        if not named:
            raise ValueError("syscalls names none: leave it out, or say calls=False")
        self._changed_only = changed_only
        self._failed = failed

    def wants(self, event: TraceEvent) -> bool:
        """Return whether an event is to be told; what was lost always is."""
        if isinstance(event, LostEvent):
            return True
        if self._types is not _ALL and self._types.isdisjoint(_types_of(event)):
            return False
        if isinstance(event, ChangeEvent):
            return set(self.syscalls) == set(SYSCALLS)
        if _syscall_of(event) not in self.syscalls:
            return False
        if self._changed_only and not event.changes:
            return False
        return self._failed or (event.error is None and not event.denied)


def _types_of(event: TraceEvent) -> set[NamespaceType]:
    found = set[NamespaceType]()
    if not isinstance(event, LostEvent):
        found.update(change.type for change in event.changes)
        if not isinstance(event, ChangeEvent):
            found.update(event.types)
    return found


def _syscall_of(event: TraceEvent) -> Syscall:
    if isinstance(event, CloneEvent):
        return event.syscall
    return "setns" if isinstance(event, SetnsEvent) else "unshare"
