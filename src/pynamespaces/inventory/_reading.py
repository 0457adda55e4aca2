"""The records of an inventory, from objects of JSON."""

from collections.abc import Callable, Mapping
from typing import Final

from .._types import NamespaceId, NamespaceType
from . import _fields as check
from .records import (
    Container,
    Holder,
    NamespaceRecord,
    Pin,
    ProcessRecord,
    Unreadable,
)

_TYPES: Final[Mapping[str, NamespaceType]] = {
    type.value: type for type in NamespaceType
}


class Reader:
    """Makes records, knowing which namespaces the document has."""

    __slots__ = ("_dev", "_known", "_pids", "_references")

    def __init__(self, dev: int | None) -> None:
        self._dev = dev
        self._known: dict[tuple[NamespaceType, int], NamespaceId] = {}
        self._pids: set[int] = set()
        self._references = {type: self._reference(type) for type in NamespaceType}

    def enter(self, value: object) -> None:
        """Keep the id of a namespace, for what refers to it."""
        id = self._identity(value)
        if self._known.setdefault((id.type, id.ino), id) is not id:
            raise ValueError(f": {id} is there twice")

    def namespace(self, value: object) -> NamespaceRecord:
        """Return the record of a namespace, when all have been entered."""
        found = check.fields(value)
        type = check.at(found, "type", _type)
        return NamespaceRecord(
            id=self._known[type, check.at(found, "ns", check.long)],
            type=type,
            owner=check.optional(found, "owner", self._references[NamespaceType.USER]),
            parent=check.optional(found, "parent", self._references[type]),
            owner_uid=check.optional(found, "owner_uid", check.user_id),
            leader=check.optional(found, "leader", check.process_id),
            processes=tuple(check.each(found, "processes", check.process_id)),
            threads=tuple(check.each(found, "threads", check.process_id)),
            for_children=tuple(check.each(found, "for_children", check.process_id)),
            descriptors=tuple(check.each(found, "descriptors", _holder)),
            sockets=tuple(check.each(found, "sockets", _holder)),
            pins=tuple(check.each(found, "pins", self._pin)),
            name=check.optional(found, "name", check.text),
        )

    def process(self, value: object) -> ProcessRecord:
        """Return the record of a process."""
        found = check.fields(value)
        pid = check.at(found, "pid", check.process_id)
        if pid in self._pids:
            raise ValueError(f".pid: {pid} is there twice")
        self._pids.add(pid)
        return ProcessRecord(
            pid=pid,
            ppid=check.at(found, "ppid", check.count),
            uid=check.at(found, "uid", check.user_id),
            name=check.at(found, "name", check.text),
            arguments=tuple(check.each(found, "arguments", check.text)),
            started=check.at(found, "started", check.long),
            threads=check.at(found, "threads", check.count),
            namespaces=check.at(found, "namespaces", self._places),
            pids=tuple(check.each(found, "pids", check.process_id)),
            container=check.optional(found, "container", _container),
        )

    def _places(self, value: object) -> dict[NamespaceType, NamespaceId]:
        found = check.fields(value)
        types = [_type(name) for name in found]
        return {type: check.at(found, type, self._references[type]) for type in types}

    def _pin(self, value: object) -> Pin:
        found = check.fields(value)
        path = check.at(found, "path", check.text)
        return Pin(path, check.at(found, "mnt", self._references[NamespaceType.MNT]))

    def _reference(self, type: NamespaceType) -> Callable[[object], NamespaceId]:
        def read(value: object) -> NamespaceId:
            if isinstance(value, dict):
                id = self._identity(value)
                if id.type is not type:
                    raise ValueError(f": {id}, where one of the type {type} belongs")
                return id
            ino = check.long(value)
            if (type, ino) not in self._known:
                raise ValueError(f": {type}:[{ino}] is not in the document")
            return self._known[type, ino]

        return read

    def _identity(self, value: object) -> NamespaceId:
        found = check.fields(value)
        dev = self._dev
        if dev is None or "dev" in found:
            dev = check.at(found, "dev", check.long)
        return NamespaceId(
            check.at(found, "type", _type),
            dev,
            check.at(found, "ns", check.long),
            check.optional(found, "unique", check.long),
        )


def read_unreadable(value: object) -> Unreadable:
    """Return what could not be read."""
    found = check.fields(value)
    return Unreadable(
        check.at(found, "what", check.text), check.at(found, "reason", check.text)
    )


def _type(value: object) -> NamespaceType:
    name = check.text(value)
    if name not in _TYPES:
        raise ValueError(f": {check.shown(name)} is no type of namespace")
    return _TYPES[name]


def _holder(value: object) -> Holder:
    found = check.fields(value)
    return Holder(
        check.at(found, "pid", check.process_id), check.at(found, "fd", check.count)
    )


def _container(value: object) -> Container:
    found = check.fields(value)
    return Container(
        check.at(found, "engine", check.text),
        check.at(found, "id", check.text),
        check.optional(found, "name", check.text),
    )
