"""`get_context`: processes of `multiprocessing` that start in namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from multiprocessing.context import SpawnContext
from typing import TYPE_CHECKING

from typing_extensions import Unpack

from .._members import kept
from .._set import NamespaceSet
from .._types import NamespaceType
from ..process._place import Place
from ._starting import Inhabitant, Start

if TYPE_CHECKING:
    from ..process._options import Places


class NamespaceContext(SpawnContext):
    """
    A context of `multiprocessing` whose processes start in namespaces.

    It is made by `get_context`.
    """

    def __init__(self, start: Start) -> None:
        # Which a process object finds by its class, of which users make subclasses.
        name = Inhabitant.__name__
        kind = type(name, (Inhabitant,), {"_start": start, "_is_made": True})
        setattr(self, "Process", kind)  # noqa: B010 - a class variable for typeshed


def get_context(
    *, preload: Iterable[str] = (), **places: Unpack[Places]
) -> NamespaceContext:
    """
    Return a context of `multiprocessing` whose processes start in namespaces.

    What it has works as ever, inside: ``Process``, ``Pool``, ``Queue``, ``Manager``,
    and ``concurrent.futures.ProcessPoolExecutor(mp_context=...)``. A process is a fresh
    interpreter, as by the start method ``spawn``, and with *new* has fresh namespaces
    of its own: several share some if they join a `NamespaceSet.new`.

    A joined mount namespace need not have a Python: a process enters it when it has
    loaded what it runs. What it imports later, as a pool does for each function that
    it has not seen, comes from there.

    Locks and queues are files of the caller's, which another user cannot open.

    Args:
        preload: Modules to import before a mount namespace is entered.

        places: The arguments of `Popen` from *join* on. The namespaces to join are
            duplicated, and stay the caller's.

    Raises:
        ValueError: Arguments contradict each other; as `Popen`.
    """
    given = places.get("join")
    members = NamespaceSet() if given is None else kept(given)
    fixed = _fixed(places)
    fixed["join"] = members
    Place(**fixed)  # Refuses what contradicts itself.
    if NamespaceType.MNT in members and fixed.get("caps") is not None:
        raise ValueError(
            "caps are dropped before a mount namespace can be joined by an interpreter "
            "that is outside: leave out one of them"
        )
    names = (preload,) if isinstance(preload, str) else tuple(preload)
    return NamespaceContext(Start(members, fixed, names))


def _fixed(places: Places) -> Places:
    """Return a copy that is as good for the last process as for the first."""
    fixed = places.copy()
    new = fixed.get("new", ())
    fixed["new"] = new if isinstance(new, str) else tuple(new)
    caps = fixed.get("caps")
    fixed["caps"] = caps if caps is None or isinstance(caps, str) else tuple(caps)
    offsets = fixed.get("time_offsets")
    if isinstance(offsets, Mapping):
        fixed["time_offsets"] = dict(offsets)
    return fixed
