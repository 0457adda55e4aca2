"""Which events are about getting into the namespaces of a target."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from ..tracing import LostEvent, SetnsEvent, TraceEvent
from .failures import Failure
from .opening import opened
from .targets import Target, Types

Places: TypeAlias = Collection[tuple[str, int]]
"""Namespaces, by type and inode number."""


@contextmanager
def places_of(target: Target | None, types: Types) -> Iterator[Places | None]:
    """
    Hold the namespaces of a target that are not the caller's, and give them.

    Held, none of them dies, and no other one gets its number.

    Raises:
        Failure: There are none.
    """
    if target is None:
        yield None
        return
    with opened(target, types) as namespaces:
        found = {
            (str(type), namespace.id.ino)
            for type, namespace in namespaces.items()
            if not namespace.is_current()
        }
        if not found:
            named = f" ({', '.join(types)})" if types else ""
            raise Failure(f"{target}{named} is where you are")
        yield found


def is_into(event: TraceEvent, places: Places) -> bool:
    """Return whether somebody got into one of these, or has tried to; or a loss."""
    if isinstance(event, LostEvent):
        return True
    ids = [change.after for change in event.changes]
    if isinstance(event, SetnsEvent):
        ids.append(event.target)
    return any(id is not None and (str(id.type), id.ino) in places for id in ids)
