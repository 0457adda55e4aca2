"""From what a census has found to the records of an inventory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from .._core import census, engines
from .._types import NamespaceId, NamespaceType
from ._holdings import PROCESS_LINKS, Holdings, Links
from ._kin import Family
from .records import NamespaceRecord, Pin, ProcessRecord


def process_records(
    parts: Iterable[census.Part],
    family: Family,
    known: engines.Known,
    types: Collection[NamespaceType],
) -> Iterator[ProcessRecord]:
    """Make the records of processes."""
    places = _Places(family, types)
    for part in parts:
        text = part.text
        for row in part.processes:
            started, pid, ppid, uid, threads = row[:5]
            name, name_size, line, line_size, group, group_size, pids, pids_size = row[
                15:
            ]
            arguments: tuple[str, ...] = ()
            if line_size:
                data = text[line : line + line_size].rstrip(b"\0")
                words = data.decode("utf-8", "surrogateescape").split("\0")
                arguments = tuple(words)
            container = None
            if group_size:
                container = known.of_cgroup(text[group : group + group_size])
            own_pids: tuple[int, ...] = (pid,)
            if pids_size:
                own_pids = tuple(map(int, text[pids : pids + pids_size].split()))
            yield ProcessRecord(
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


class _Places(dict[Links, Mapping[NamespaceType, NamespaceId]]):
    """Where processes are, by their links: one mapping for all that are together."""

    def __init__(self, family: Family, types: Collection[NamespaceType]) -> None:
        self._ids = {ino: kin.id for ino, kin in family.known.items()}
        self._types = types
        self._has_all = len(types) == len(census.LINKS)

    def __missing__(self, links: Links) -> Mapping[NamespaceType, NamespaceId]:
        ids = self._ids
        if self._has_all and all(map(ids.__contains__, links)):
            made = dict(zip(census.LINKS, map(ids.__getitem__, links), strict=True))
        else:
            made = {
                type: ids[ino]
                for type, ino in zip(census.LINKS, links, strict=True)
                if type in self._types and ino in ids
            }
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
    started, id_of = held.started, family.id_of
    threads, children = held.threads, held.for_children
    descriptors, sockets = held.descriptors, held.sockets
    for ino, kin in family.known.items():
        id = kin.id
        if id.type not in types:
            continue
        members = held.processes.get(ino, [])
        leader = members[0] if members else None
        if len(members) > 1:
            members.sort()
            leader = min(members, key=started.__getitem__)
        yield NamespaceRecord(
            id,
            id.type,
            id_of(kin.owner),
            id_of(kin.parent),
            family.owner_uid_of(kin),
            leader,
            tuple(members),
            tuple(sorted(threads[ino])) if ino in threads else (),
            tuple(sorted(children[ino])) if ino in children else (),
            tuple(sorted(descriptors[ino])) if ino in descriptors else (),
            tuple(sorted(sockets[ino])) if ino in sockets else (),
            tuple(pins[ino]) if ino in pins else (),
            names.get(ino),
        )
