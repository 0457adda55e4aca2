"""`scan`: all namespaces of the machine, as far as the caller may see them."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing

from .._core import census, engines
from .._lib import lib
from .._types import NamespaceType, TypeLike
from . import _doubts, _listed, _pins
from ._assembly import Processes, namespace_records
from ._holdings import Holdings
from ._inventory import Inventory
from ._kin import Family
from .records import Unreadable


def scan(
    types: TypeLike | Iterable[TypeLike] | None = None,
    *,
    threads: bool = True,
    descriptors: bool = True,
    mounts: bool = True,
    arguments: bool = True,
    progress: census.Progress | None = None,
) -> Inventory:
    """
    Find every namespace that the caller can see, and who keeps it alive.

    It is found by a process or a single thread that is in it, by an open descriptor or
    a socket, by a mount, also inside other mount namespaces, and by being the owner or
    the parent of another. One pass over ``/proc``, by short-lived threads of the shim;
    no thread of the caller's is moved. What is found is kept open until the scan is
    through, by descriptors that nobody else has.

    The caller sees the processes of its ``/proc``, of which it may look into
    (:manpage:`ptrace(2)`, PTRACE_MODE_READ_FSCREDS); what it was not allowed to see is
    in `Inventory.unreadable`. The machine goes on meanwhile: what vanishes is left out,
    what appears may be missed, but nothing is taken for another that got its number.

    Args:
        types: Which types to look for; all, if not given.

        threads: Look at each thread. Else only at the first of each process.

        descriptors: Look at open descriptors, and at sockets where the kernel tells
            whose they are (CAP_SYS_PTRACE and CAP_NET_ADMIN).

        mounts: Look for namespaces that are mounted on files. One that lies in a file
            system of a privileged container's own can keep its reader waiting.

        arguments: Read command lines, the first 32 KiB of each. They are in the memory
            of the processes, so one that means ill can keep its reader waiting.

        progress: Called a few times a second with how many processes were read, and of
            how many.

    Raises:
        NoSuchNamespaceError: There is no ``/proc`` here.

        NamespaceLimitError: There was no room.

        ValueError: A type is none of the eight.
    """
    wanted = _wanted(types)
    if progress is not None and not callable(progress):
        raise TypeError(f"progress is a function, not {type(progress).__name__}")
    known = engines.Known()
    wish = census.Wish(wanted, threads, descriptors, mounts, arguments)
    drafts = _Drafts(known, wanted)
    parts = []
    with closing(census.take(wish, known, progress)) as taken:
        for part in taken:
            drafts.add(part)
            parts.append(part)
    if mounts:
        _doubts.doubt_mounted(_pins.mounted(parts), drafts.family, drafts.held)
    if drafts.family.doubtful:
        parts = _doubts.settle(parts, drafts.family)
        drafts = drafts.anew(parts)
    _listed.meet_listed(drafts.family, wanted)
    found = _pins.Pins(parts, drafts.family, drafts.held)
    if mounts:
        found.look_deeper()
    return Inventory(
        namespace_records(
            drafts.family, drafts.held, found.pins, found.names, frozenset(wanted)
        ),
        drafts.processes.records,
        [*_refusals(parts), *found.unreadable],
    )


class _Drafts:
    """What grows with each part."""

    def __init__(
        self,
        known: engines.Known,
        types: Collection[NamespaceType],
        family: Family | None = None,
    ) -> None:
        self._known = known
        self._types = frozenset(types)
        self.family = Family() if family is None else family
        self.held = Holdings()
        self.processes = Processes(self.family, known, self._types)

    def add(self, part: census.Part) -> None:
        """Take in a part."""
        self.family.add(part)
        self.held.add(part)
        self.processes.add(part)

    def anew(self, parts: Iterable[census.Part]) -> _Drafts:
        """Begin again, with the family as it is."""
        fresh = _Drafts(self._known, self._types, self.family)
        for part in parts:
            fresh.held.add(part)
            fresh.processes.add(part)
        return fresh


def _wanted(types: TypeLike | Iterable[TypeLike] | None) -> tuple[NamespaceType, ...]:
    if types is None:
        return tuple(NamespaceType)
    given = (types,) if isinstance(types, str) else types
    return tuple(dict.fromkeys(NamespaceType(type) for type in given))


def _refusals(parts: Sequence[census.Part]) -> Iterator[Unreadable]:
    """Say what could not be read of processes."""
    for part in parts:
        for pid, number, what, _ in part.refusals:
            if what == 0:
                yield Unreadable(f"/proc/{pid}/ns", _reason(number))
            elif what == lib.PYNS_WANT_DESCRIPTORS:
                yield Unreadable(f"/proc/{pid}/fd", _reason(number))
            elif what == lib.PYNS_WANT_THREADS:
                yield Unreadable(f"/proc/{pid}/task", _reason(number))


def _reason(number: int) -> str:
    why = "the caller may not look into the process (ptrace(2))"
    if number == errno.EXDEV:
        why = "something else is mounted over it"
    return f"{os.strerror(number)}: {why}"
