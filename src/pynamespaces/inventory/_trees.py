"""Hierarchies: each record below its parent. Without recursion, however deep."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

from .records import Item, NamespaceRecord, Node, ProcessRecord

_Key = TypeVar("_Key", bound=Hashable)


def of_namespaces(records: Iterable[NamespaceRecord]) -> list[Node[NamespaceRecord]]:
    """Put namespaces of one type below their parents."""
    nodes = {(record.id.dev, record.id.ino): Node(record, []) for record in records}
    parents = {key: node.item.parent for key, node in nodes.items()}
    return _grow(
        nodes, {key: (id.dev, id.ino) for key, id in parents.items() if id is not None}
    )


def of_processes(records: Mapping[int, ProcessRecord]) -> list[Node[ProcessRecord]]:
    """Put processes below their parents."""
    nodes = {pid: Node(record, []) for pid, record in records.items()}
    parents: dict[int, int] = {}
    for pid, record in records.items():
        parent = records.get(record.ppid)
        # Else the parent has ended, and its id was given to another meanwhile.
        if parent and (not record.started or parent.started <= record.started):
            parents[pid] = record.ppid
    return _grow(nodes, parents)


def _grow(
    nodes: Mapping[_Key, Node[Item]], parents: Mapping[_Key, _Key]
) -> list[Node[Item]]:
    """Hang the nodes below their parents, in their order; return those without."""
    above = {key: parent for key, parent in parents.items() if parent in nodes}
    for key in _closing(nodes, above):
        del above[key]
    for key, parent in above.items():
        nodes[parent].children.append(nodes[key])
    return [node for key, node in nodes.items() if key not in above]


def _closing(keys: Iterable[_Key], above: Mapping[_Key, _Key]) -> list[_Key]:
    """
    Return one key of each circle, which would have no root: the first that is met.

    No machine has any, but what is read may say so of itself.
    """
    found: list[_Key] = []
    seen: set[_Key] = set()
    for start in keys:
        path: dict[_Key, None] = {}
        key = start
        while key not in seen:
            seen.add(key)
            path[key] = None
            if key not in above:
                break
            key = above[key]
        else:
            if key in path:
                found.append(key)
    return found
