"""What has changed from one inventory to the next."""

from collections.abc import Iterable, Iterator, Mapping

from .._types import NamespaceId
from .records import InventoryDiff, Move, NamespaceRecord, ProcessRecord


def same(one: NamespaceId, other: NamespaceId) -> bool:
    """
    Return whether two ids are of one namespace, as far as can be told.

    One may have been got where its unique number was not to be had.
    """
    if one.unique is not None and other.unique is not None:
        return (one.type, one.unique) == (other.type, other.unique)
    return (one.type, one.dev, one.ino) == (other.type, other.dev, other.ino)


def between(
    old: Iterable[NamespaceRecord],
    new: Iterable[NamespaceRecord],
    old_processes: Mapping[int, ProcessRecord],
    new_processes: Mapping[int, ProcessRecord],
) -> InventoryDiff:
    """Compare two inventories."""
    return InventoryDiff(
        appeared=tuple(_without(new, old)),
        vanished=tuple(_without(old, new)),
        moved=tuple(_moves(old_processes, new_processes)),
    )


def _without(
    records: Iterable[NamespaceRecord], others: Iterable[NamespaceRecord]
) -> Iterator[NamespaceRecord]:
    """Yield the records of namespaces that the others have none of."""
    # As long as it lives, it keeps its inode number.
    known = {(record.type, record.id.ino): record.id for record in others}
    for record in records:
        id = known.get((record.type, record.id.ino))
        if id is None or not same(id, record.id):
            yield record


def _moves(
    old: Mapping[int, ProcessRecord], new: Mapping[int, ProcessRecord]
) -> Iterator[Move]:
    for pid, after in new.items():
        before = old.get(pid)
        if before is None or before.started != after.started:
            continue
        for type, id in sorted(after.namespaces.items()):
            was: NamespaceId | None = before.namespaces.get(type)
            if was is not None and not same(was, id):
                yield Move(pid, type, was, id)
