"""From what a census has found to the records of an inventory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from .._core import census, engines
from .._types import NamespaceId, NamespaceType
from ._holdings import PROCESS_LINKS, Holdings, Links
from ._kin import Family
from .records import NamespaceRecord, Pin, ProcessRecord

# Where rows have what is in the text, by the layout of census.PROCESS.
_TEXTS: Final = slice(15, 23)


class Processes:
    """The records of processes, made part by part."""

    def __init__(
        self, family: Family, known: engines.Known, types: Collection[NamespaceType]
    ) -> None:
        self.records: list[ProcessRecord] = []
        self._known = known
        self._places = _Places(family, types)

    def add(self, part: census.Part) -> None:
        """Make the records of a part, the namespaces of which are known."""
        text, places, keep = part.text, self._places, self.records.append
        for row in part.processes:
            started, pid, ppid, uid, threads = row[:5]
            name, name_size, line, line_size, group, group_size, pids, pids_size = row[
                _TEXTS
            ]
            arguments: tuple[str, ...] = ()
            if line_size:
                data = text[line : line + line_size].removesuffix(b"\0")
                words = data.decode("utf-8", "surrogateescape").split("\0")
                arguments = tuple(words)
            container = None
            if group_size:
                container = self._known.of_cgroup(text[group : group + group_size])
            own_pids: tuple[int, ...] = (pid,)
            if pids_size:
                own_pids = tuple(map(int, text[pids : pids + pids_size].split()))
            keep(
                ProcessRecord(
                    pid,
                    ppid,
                    uid,
                    text[name : name + name_size].decode("utf-8", "surrogateescape"),
                    arguments,
                    started,
                    threads,
                    places[row[PROCESS_LINKS]],
                    own_pids,
                    container,
                )
            )


class _Places(dict[Links, Mapping[NamespaceType, NamespaceId]]):
    """Where processes are, by their links: one mapping for all that are together."""

    def __init__(self, family: Family, types: Collection[NamespaceType]) -> None:
        self._ids = family.ids
        self._types = types
        self._are_all = len(types) == len(census.LINKS)

    def __missing__(self, links: Links) -> Mapping[NamespaceType, NamespaceId]:
        ids = self._ids
        if self._are_all and 0 not in links:
            made = dict(zip(census.LINKS, map(ids.__getitem__, links), strict=True))
        else:
            pairs = zip(census.LINKS, links, strict=True)
            made = {type: ids[n] for type, n in pairs if n and type in self._types}
        self[links] = made
        return made


def namespace_records(
    family: Family,
    held: Holdings,
    pins: Mapping[int, Sequence[Pin]],
    names: Mapping[int, str],
    types: Collection[NamespaceType],
) -> Iterator[NamespaceRecord]:
    """Make the records of namespaces."""
    started, relative = held.started, family.relative
    threads, children = held.threads, held.for_children
    descriptors, sockets = held.descriptors, held.sockets
    for ino, id in family.ids.items():
        if id.type not in types:
            continue
        owner, parent, owner_uid, owner_unique, parent_unique = family.kin[ino]
        owned_by = relative(owner, owner_unique)
        if owned_by is not None and owner_uid is None and owner in family.kin:
            owner_uid = family.kin[owner][2]
        members = held.processes(ino)
        leader = members[0] if members else None
        if len(members) > 1:
            members = sorted(members)
            leader = min(members, key=started.__getitem__)
        yield NamespaceRecord(
            id,
            id.type,
            owned_by,
            relative(parent, parent_unique) if parent else None,
            owner_uid,
            leader,
            tuple(members),
            tuple(sorted(threads[ino])) if ino in threads else (),
            tuple(sorted(children[ino])) if ino in children else (),
            tuple(sorted(descriptors[ino])) if ino in descriptors else (),
            tuple(sorted(sockets[ino])) if ino in sockets else (),
            tuple(pins[ino]) if ino in pins else (),
            names.get(ino),
        )
