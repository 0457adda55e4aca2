"""
An inventory as JSON, both ways.

The document is for other programs as well. A namespace is referred to by its inode
number, since the key says of which type it is; ``others`` has those that are only
referred to, as owners are that were not asked for. All have ``dev`` in common. A byte
of a name that is not UTF-8 is a lone surrogate, as Python has it.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from .._types import NamespaceId, NamespaceType
from . import _fields as check
from ._reading import Reader, read_unreadable
from .records import NamespaceRecord, ProcessRecord, Unreadable

VERSION: Final = 1

_Refer: TypeAlias = Callable[[NamespaceType, NamespaceId], object]
"""How a namespace is referred to, where one of a type belongs."""


def write(
    namespaces: Sequence[NamespaceRecord],
    processes: Sequence[ProcessRecord],
    unreadable: Iterable[Unreadable],
    indent: int | None,
) -> str:
    """Write the parts of an inventory."""
    ids = dict.fromkeys(_ids(namespaces, processes))
    devices = Counter(id.dev for id in ids).most_common(1)
    dev = devices[0][0] if devices else None
    known: dict[tuple[str, int], NamespaceId] = {}
    for id in ids:
        known.setdefault((id.type, id.ino), id)

    def refer(type: NamespaceType, id: NamespaceId) -> object:
        # Inventories that no scan has made may have two of one number.
        return id.ino if known.get((type, id.ino)) == id else _identity(id, dev)

    listed = {record.id for record in namespaces}
    others = [id for id in known.values() if id not in listed]
    document = {
        "version": VERSION,
        "dev": dev,
        "namespaces": [as_object(record, dev, refer) for record in namespaces],
        "others": [_identity(id, dev) for id in others],
        "processes": [process_object(process, refer) for process in processes],
        "unreadable": [place._asdict() for place in unreadable],
    }
    separators = (",", ":") if indent is None else None
    return json.dumps(document, indent=indent, separators=separators)


def _ids(
    namespaces: Iterable[NamespaceRecord], processes: Iterable[ProcessRecord]
) -> Iterator[NamespaceId]:
    """Yield all ids, those of the records first."""
    for record in namespaces:
        yield record.id
    for record in namespaces:
        yield from (id for id in (record.owner, record.parent) if id is not None)
        yield from (pin.mnt for pin in record.pins)
    for process in processes:
        yield from process.namespaces.values()


def _identity(id: NamespaceId, dev: int | None = None) -> dict[str, object]:
    identity: dict[str, object] = {
        "ns": id.ino,
        "type": id.type.value,
        "unique": id.unique,
    }
    if dev not in (None, id.dev):
        identity["dev"] = id.dev
    return identity


def _inode(_type: NamespaceType, id: NamespaceId) -> object:
    return id.ino


def as_object(
    record: NamespaceRecord, dev: int | None = None, refer: _Refer = _inode
) -> dict[str, object]:
    """Return what JSON has of a namespace."""
    owner, parent = record.owner, record.parent
    return {
        **_identity(record.id, dev),
        "owner": None if owner is None else refer(NamespaceType.USER, owner),
        "parent": None if parent is None else refer(record.type, parent),
        "owner_uid": record.owner_uid,
        "leader": record.leader,
        "processes": list(record.processes),
        "threads": list(record.threads),
        "for_children": list(record.for_children),
        "descriptors": [holder._asdict() for holder in record.descriptors],
        "sockets": [holder._asdict() for holder in record.sockets],
        "pins": [
            {"path": pin.path, "mnt": refer(NamespaceType.MNT, pin.mnt)}
            for pin in record.pins
        ],
        "name": record.name,
    }


def process_object(process: ProcessRecord, refer: _Refer = _inode) -> dict[str, object]:
    """Return what JSON has of a process."""
    container = process.container
    return {
        "pid": process.pid,
        "ppid": process.ppid,
        "uid": process.uid,
        "name": process.name,
        "arguments": list(process.arguments),
        "started": process.started,
        "threads": process.threads,
        "namespaces": {
            type.value: refer(type, id) for type, id in process.namespaces.items()
        },
        "pids": list(process.pids),
        "container": None if container is None else container._asdict(),
    }


def read(
    text: str | bytes,
) -> tuple[list[NamespaceRecord], list[ProcessRecord], list[Unreadable]]:
    """
    Read what `write` has written.

    Raises:
        ValueError: It is something else. The message says where and why.
    """
    try:
        return _read(_parsed(text))
    except ValueError as error:
        where = str(error)
        if where.startswith(":"):
            where = "not an inventory" + where
        raise ValueError(where.removeprefix(".")) from None


def _parsed(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(": it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


def _read(
    parsed: object,
) -> tuple[list[NamespaceRecord], list[ProcessRecord], list[Unreadable]]:
    document = check.fields(parsed)
    version = check.at(document, "version", check.long)
    if version > VERSION:
        raise ValueError(
            f".version: {version} was made by a later version of pynamespaces; this "
            f"one reads {VERSION}"
        )
    if version != VERSION:
        raise ValueError(f".version: {version}, where {VERSION} belongs")
    reader = Reader(check.optional(document, "dev", check.long))
    for key in ("namespaces", "others"):
        deque(check.each(document, key, reader.enter), maxlen=0)
    namespaces = list(check.each(document, "namespaces", reader.namespace))
    processes = list(check.each(document, "processes", reader.process))
    unreadable = list(check.each(document, "unreadable", read_unreadable))
    return namespaces, processes, unreadable
