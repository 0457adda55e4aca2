"""What trying has shown: plain typed data, that may be kept, sent and compared."""

from __future__ import annotations

from typing import NamedTuple

from .._types import NamespaceId, NamespaceType


class Outcome(NamedTuple):
    """Whether something works, and if not, why; true if it works."""

    works: bool
    """Whether it does."""

    reason: str | None = None
    """Why not."""

    hint: str | None = None
    """What works instead, or what would make it work."""

    errno: int | None = None
    """What the kernel said, where it was the kernel that refused."""

    def __bool__(self) -> bool:
        return self.works


class Operation(NamedTuple):
    """Something that can be done with namespaces; true if this caller can do it."""

    name: str
    """What it is called in `Support`, such as ``"new"``."""

    type: NamespaceType | None
    """With namespaces of which type; ``None`` where it is not about one type."""

    title: str
    """What it is, for people."""

    works: bool
    """Whether the caller can do it."""

    reason: str | None = None
    """Why not, in a sentence."""

    hint: str | None = None
    """What works instead, or what would make it work."""

    errno: int | None = None
    """What the kernel said, where it was the kernel that refused."""

    def __bool__(self) -> bool:
        return self.works


class Access(NamedTuple):
    """Whether a caller could go to one namespace, and how."""

    type: NamespaceType
    """Its type."""

    id: NamespaceId | None
    """Which it is; ``None`` where the caller may not even look."""

    shared: bool
    """Whether the caller is in it already, and its children are born in it."""

    enter: Outcome
    """Whether the calling thread can enter it as it is, by ``with namespace:``."""

    join: Outcome
    """Whether a program can be started in it, by ``run(..., join=namespace)``."""

    @property
    def can_enter(self) -> bool:
        """Whether the calling thread can enter it."""
        return self.enter.works

    @property
    def can_join(self) -> bool:
        """Whether a program can be started in it."""
        return self.join.works
