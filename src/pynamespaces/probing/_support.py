"""`support`: what this kernel lets this caller do, and why not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import final

from .._types import NamespaceType, TypeLike, override
from ._asking import outcomes_of
from ._operations import OF_KERNEL, OF_TYPES
from ._tasks import Task
from .records import Operation


@final
class Support:
    """
    Which operations work for a caller, and why the others do not.

    Iterating gives an `Operation` for each, first those of each type. Those of one type
    are had by name: ``support()["net"]["new"].works``; the others by `general`. It is
    plain data, which may be pickled, compared and written as JSON.
    """

    __slots__ = ("__weakref__", "_operations")

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = tuple(operations)

    def __getitem__(self, type: TypeLike) -> dict[str, Operation]:
        """Return the operations of a type, by name."""
        return self._those_of(NamespaceType(type))

    @property
    def general(self) -> dict[str, Operation]:
        """The operations that are not about one type, by name."""
        return self._those_of(None)

    def _those_of(self, type: NamespaceType | None) -> dict[str, Operation]:
        return {found.name: found for found in self._operations if found.type is type}

    def as_object(self) -> dict[str, list[dict[str, str | int | bool | None]]]:
        """Return it as what JSON is made of."""
        return {"operations": [found._asdict() for found in self._operations]}

    def to_json(self, *, indent: int | None = None) -> str:
        """
        Write it as JSON.

        Args:
            indent: How many spaces a level is indented by; ``None``: one long line.
        """
        return json.dumps(self.as_object(), indent=indent)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations)

    def __len__(self) -> int:
        return len(self._operations)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Support):
            return NotImplemented
        return self._operations == other._operations

    @override
    def __hash__(self) -> int:
        return hash(self._operations)

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return Support, (self._operations,)

    @override
    def __repr__(self) -> str:
        count = sum(found.works for found in self._operations)
        return f"<Support: {count} of {len(self)} operations work>"


def support() -> Support:
    """
    Find out what this kernel lets the calling thread do with namespaces.

    And why not the rest. Each operation is tried, by a child that has the rights and
    limits of the calling thread; nothing is guessed from a setting, and nothing is left
    of it. The thread stays where it is. This takes some tenths of a second. See
    :manpage:`namespaces(7)`.

    The child is a copy of this process, if that has one thread. Else it is a fresh
    interpreter, as it is where the thread's children are born in another pid namespace.

    Raises:
        SystemCallError: No child could be started, so nothing could be tried.

        CallError: The child has ended without an answer; or, with threads, the calling
            thread is in a mount namespace of somebody's, where no interpreter is
            started.

        IrreversibleError: The children of the thread are born in another time
            namespace, whose clocks they would set for good.
    """
    planned = _planned()
    outcomes = outcomes_of([task for _, task in planned])
    found = zip(planned, outcomes, strict=True)
    return Support(
        Operation(task.name, task.type, title, *outcome)
        for (title, task), outcome in found
    )


def _planned() -> Sequence[tuple[str, Task]]:
    of_types = [
        (row.title, Task(row.name, type, is_threaded=row.is_threaded))
        for type in NamespaceType
        for row in OF_TYPES
        if type not in row.without
    ]
    return [*of_types, *((row.title, Task(row.name)) for row in OF_KERNEL)]
