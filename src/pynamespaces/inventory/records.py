"""What a scan has found: plain typed data, that may be kept, sent and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from .._core.containers import Container as Container
from .._types import NamespaceId, NamespaceType, override

Item = TypeVar("Item")


class Holder(NamedTuple):
    """An open descriptor of a process."""

    pid: int
    """The process."""

    fd: int
    """The number that the descriptor has there."""


class Pin(NamedTuple):
    """A mount that keeps a namespace."""

    path: str
    """Where it is mounted, from the root of the mount namespace."""

    mnt: NamespaceId
    """The mount namespace that has it."""


class NamespaceRecord(NamedTuple):
    """
    One namespace, and what keeps it alive.

    All ids of processes and threads are as the ``/proc`` of the caller has them, those
    of users as its user namespace does.
    """

    id: NamespaceId
    """Which it is."""

    type: NamespaceType
    """Its type."""

    owner: NamespaceId | None = None
    """
    The user namespace that owns it; of a user namespace, its parent. ``None`` where
    that is outside the caller's own, or could not be asked.
    """

    parent: NamespaceId | None = None
    """Of the types pid and user: what it was made in. ``None`` as with `owner`."""

    owner_uid: int | None = None
    """Who made the user namespace that it is, or the one that owns it."""

    leader: int | None = None
    """The process that has been in it for longest: the oldest of `processes`."""

    processes: tuple[int, ...] = ()
    """The processes whose first thread is in it."""

    threads: tuple[int, ...] = ()
    """The other threads that are in it while the first of their process is not."""

    for_children: tuple[int, ...] = ()
    """
    Of the types pid and time: processes and threads whose children are born in it,
    while they are elsewhere.
    """

    descriptors: tuple[Holder, ...] = ()
    """Where it is open: descriptors of it."""

    sockets: tuple[Holder, ...] = ()
    """Of the type net: its sockets in processes that are not in it."""

    pins: tuple[Pin, ...] = ()
    """Where it is mounted."""

    name: str | None = None
    """Of the type net: its name for ``ip netns``."""


class ProcessRecord(NamedTuple):
    """One process, as its first thread has it."""

    pid: int
    """Its id."""

    ppid: int
    """The id of its parent; 0 where that is none that the caller may know of."""

    uid: int
    """Its effective user; 0 where the kernel hides that of an undumpable process."""

    name: str
    """Its name (``comm``), 15 bytes at most."""

    arguments: tuple[str, ...] = ()
    """Its command line; empty for a thread of the kernel, or where not read."""

    started: int = 0
    """When it began, in clock ticks since the machine was booted."""

    threads: int = 1
    """How many threads it has."""

    namespaces: Mapping[NamespaceType, NamespaceId] = {}
    """Where it is, as far as that may be read."""

    pids: tuple[int, ...] = ()
    """What it is called: here, and in each pid namespace from here to its own."""

    container: Container | None = None
    """The container that it is in."""


class Unreadable(NamedTuple):
    """Something that the caller was not allowed to see, so that more may be there."""

    what: str
    """What could not be read, such as ``/proc/1/ns``."""

    reason: str
    """Why not."""


class Node(NamedTuple, Generic[Item]):
    """
    A place in a tree.

    Walk it with a list of what is to be done: a tree of processes can be deeper than
    functions may call themselves. Comparing and pickling do, and raise
    `RecursionError` for such a one; an inventory may always be compared and pickled.
    """

    item: Item
    """The record."""

    children: list[Node[Item]]
    """What is below it."""

    @override
    def __repr__(self) -> str:
        return f"<Node of {self.item!r}, with {len(self.children)} below>"


class Move(NamedTuple):
    """A process that has gone from one namespace to another."""

    pid: int
    """The process."""

    type: NamespaceType
    """The type of both."""

    before: NamespaceId
    """Where it was."""

    after: NamespaceId
    """Where it is."""


class InventoryDiff(NamedTuple):
    """What has changed from one inventory to a later one."""

    appeared: tuple[NamespaceRecord, ...]
    """The namespaces that only the later one has."""

    vanished: tuple[NamespaceRecord, ...]
    """The namespaces that only the older one has."""

    moved: tuple[Move, ...]
    """The processes that both have, elsewhere."""

    def __bool__(self) -> bool:
        """Return whether anything has changed."""
        return any(self[:])
