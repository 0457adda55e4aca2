"""`Inventory`: what a scan has found, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Literal, TypeAlias, final, overload

from .. import _core
from .._types import NamespaceId, NamespaceType, TypeLike, override, shown
from . import _changes, _dot, _json, _trees
from .records import (
    InventoryDiff,
    NamespaceRecord,
    Node,
    ProcessRecord,
    Unreadable,
)

_ByType: TypeAlias = dict[NamespaceType, dict[int, NamespaceRecord]]

Hierarchy: TypeAlias = Literal["user", "pid", "process"]


@final
class Inventory:
    """
    The namespaces of a machine at one time, and the processes in them.

    Iterating gives the namespaces, sorted by type and inode number. It holds no
    descriptor and keeps no namespace alive; it may be pickled, written as JSON, and
    compared. It is not changed once it is made.
    """

    __slots__ = ("__weakref__", "_by_type", "_namespaces", "_processes", "_unreadable")

    def __init__(
        self,
        namespaces: Iterable[NamespaceRecord] = (),
        processes: Iterable[ProcessRecord] = (),
        unreadable: Iterable[Unreadable] = (),
    ) -> None:
        # Of two that say the same of which they are, as of two processes, one counts.
        found: _ByType = {type: {} for type in NamespaceType}
        for record in namespaces:
            found[record.type][record.id.ino] = record
        self._by_type = {
            type: {ino: records[ino] for ino in sorted(records)}
            for type, records in found.items()
        }
        self._namespaces = [
            record for records in self._by_type.values() for record in records.values()
        ]
        by_pid = {process.pid: process for process in processes}
        self._processes = {pid: by_pid[pid] for pid in sorted(by_pid)}
        self._unreadable = list(unreadable)

    def namespaces(self, type: TypeLike | None = None) -> list[NamespaceRecord]:
        """
        Return the namespaces, or those of one type.

        Raises:
            ValueError: *type* is none of the eight.
        """
        if type is None:
            return list(self._namespaces)
        return list(self._by_type[NamespaceType(type)].values())

    def namespace(self, id: NamespaceId) -> NamespaceRecord | None:
        """Return the record of a namespace; ``None`` if it was not found."""
        if not isinstance(id, NamespaceId):
            raise TypeError(f"a namespace has a NamespaceId, not {type(id).__name__}")
        record = self._by_type[id.type].get(id.ino)
        return record if record is not None and _changes.same(record.id, id) else None

    def processes(self) -> list[ProcessRecord]:
        """Return the processes, sorted by id."""
        return list(self._processes.values())

    def process(self, pid: int) -> ProcessRecord | None:
        """Return the record of a process; ``None`` if it was not found."""
        return self._processes.get(pid)

    @property
    def unreadable(self) -> list[Unreadable]:
        """What the caller was not allowed to see: more namespaces may be there."""
        return list(self._unreadable)

    @overload
    def tree(self, kind: Literal["user", "pid"]) -> list[Node[NamespaceRecord]]: ...
    @overload
    def tree(self, kind: Literal["process"]) -> list[Node[ProcessRecord]]: ...
    @overload
    def tree(
        self, kind: Hierarchy
    ) -> list[Node[NamespaceRecord]] | list[Node[ProcessRecord]]: ...
    def tree(
        self, kind: Hierarchy
    ) -> list[Node[NamespaceRecord]] | list[Node[ProcessRecord]]:
        """
        Return a hierarchy: its roots, each with what is below it.

        There may be several roots, since a namespace whose parent the caller may not
        see stands for itself.

        Args:
            kind: ``"user"`` and ``"pid"``: the namespaces of the type, each below
                its parent. ``"process"``: the processes, each below its parent.

        Raises:
            ValueError: *kind* is none of the three.
        """
        if kind == "process":
            return _trees.of_processes(self._processes)
        if kind not in ("user", "pid"):
            raise ValueError(
                f"{shown(kind)} is no tree: use 'user', 'pid' or 'process'"
            )
        return _trees.of_namespaces(self.namespaces(kind))

    def diff(self, older: Inventory) -> InventoryDiff:
        """
        Compare with an inventory that was made before.

        A namespace is told from another that got its inode number where the kernel has
        ids that are never given twice (Linux 6.18). A process is told from another that
        got its id by when it began.
        """
        if not isinstance(older, Inventory):
            kind = type(older).__name__
            raise TypeError(f"an Inventory is compared with another, not {kind}")
        return _changes.between(
            older._namespaces, self._namespaces, older._processes, self._processes
        )

    def to_json(self, *, indent: int | None = None) -> str:
        """
        Write it as JSON, for `from_json` and other programs.

        Args:
            indent: How many spaces a level is indented by; ``None``: one long line.
        """
        return _json.write(self._namespaces, self.processes(), self._unreadable, indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Inventory:
        """
        Read what `to_json` has written.

        Raises:
            ValueError: *text* is something else, or contradicts itself.
        """
        return cls(*_json.read(text))

    def to_dot(self) -> str:
        """
        Write it as a picture for Graphviz: ``dot -Tsvg``.

        A user namespace is a frame around those that it owns, and a box has what has
        one leader; who is in them, and what else keeps them, is told. Names are such
        that they can do no harm.
        """
        return _dot.write(self)

    def to_html(self) -> str:
        """
        Write it as a page to look through by clicking, filtering and searching.

        The page is one file that fetches nothing, for any browser.
        """
        page: ModuleType = _core.import_later(f"{__package__}._html")
        text: str = page.write(self)
        return text

    def __iter__(self) -> Iterator[NamespaceRecord]:
        return iter(self._namespaces)

    def __len__(self) -> int:
        return len(self._namespaces)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Inventory):
            return NotImplemented
        return (
            self._namespaces == other._namespaces
            and self._processes == other._processes
            and self._unreadable == other._unreadable
        )

    # It is plain data, and as a dict is, too large to be one's key.
    __hash__ = None  # type: ignore[assignment]

    @override
    def __reduce__(self) -> tuple[object, ...]:
        processes = list(self._processes.values())
        return Inventory, (self._namespaces, processes, self._unreadable)

    @override
    def __repr__(self) -> str:
        return (
            f"<Inventory of {len(self._namespaces)} namespaces, "
            f"{len(self._processes)} processes>"
        )
