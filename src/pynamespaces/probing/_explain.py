"""`explain`: which namespaces a caller could go to, and why not to the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final, TypeAlias, final

from .. import _causes
from .._core.outcomes import refusal
from .._lib import lib
from .._namespace import Namespace
from .._set import NamespaceSet
from .._types import NamespaceType, TypeLike, override, parse_types
from ..errors import NamespacePermissionError
from . import _copying
from ._answering import outcome_of
from ._asking import outcomes_of
from ._tasks import Task
from .records import Access, Outcome

_DONE: Final = Outcome(works=True)

Target: TypeAlias = int | Namespace | NamespaceSet


@final
class Explanation:
    """
    Which namespaces of a target a caller could go to, and why not to the others.

    Iterating gives an `Access` for each; ``explanation["net"]`` is that of one type. It
    is plain data, which may be pickled, compared and written as JSON.
    """

    __slots__ = ("__weakref__", "_accesses", "_enter", "_join")

    def __init__(
        self, accesses: Iterable[Access], enter: Outcome, join: Outcome
    ) -> None:
        self._accesses = {access.type: access for access in accesses}
        self._enter = enter
        self._join = join

    @property
    def enter(self) -> Outcome:
        """Whether the thread can enter all at once, by ``with NamespaceSet(...)``."""
        return self._enter

    @property
    def join(self) -> Outcome:
        """Whether a program can be started in all at once: ``run(..., join=...)``."""
        return self._join

    def __getitem__(self, type: TypeLike) -> Access:
        return self._accesses[NamespaceType(type)]

    def __iter__(self) -> Iterator[Access]:
        return iter(self._accesses.values())

    def __len__(self) -> int:
        return len(self._accesses)

    def as_object(self) -> dict[str, object]:
        """Return it as what JSON is made of."""
        return {
            "enter": self._enter._asdict(),
            "join": self._join._asdict(),
            "namespaces": [_as_object(access) for access in self],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """
        Write it as JSON.

        Args:
            indent: How many spaces a level is indented by; ``None``: one long line.
        """
        return json.dumps(self.as_object(), indent=indent)

    def _values(self) -> tuple[tuple[Access, ...], Outcome, Outcome]:
        return tuple(self), self._enter, self._join

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Explanation):
            return NotImplemented
        return self._values() == other._values()

    @override
    def __hash__(self) -> int:
        return hash(self._values())

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return Explanation, self._values()

    @override
    def __repr__(self) -> str:
        enter = [access.type.value for access in self if access.can_enter]
        join = [access.type.value for access in self if access.can_join]
        return f"<Explanation: can enter {enter}, can join {join}>"


def _as_object(access: Access) -> dict[str, object]:
    id = access.id
    return {
        "type": access.type,
        "id": None if id is None else str(id),
        "shared": access.shared,
        "enter": access.enter._asdict(),
        "join": access.join._asdict(),
    }


def explain(target: Target, *types: TypeLike) -> Explanation:
    """
    Find out to which namespaces the calling thread could go, and why not.

    Each is tried, by a child that has the rights and limits of the calling thread, as
    in `support`: whether the thread could enter it (as it is, in a process that has
    threads or has none), and whether a program could be started in it; one by one, and
    all together, which for a user namespace and what it owns is another thing. No
    program is run, nothing is left, and the thread stays where it is. See
    :manpage:`setns(2)`.

    Args:
        target: The id of a process or thread, a `Namespace` or a `NamespaceSet`.

        types: Which of its namespaces; all that it has if none is named.

    Raises:
        NoSuchProcessError: There is no such process.

        SystemCallError: No child could be started, so nothing could be tried.

        CallError: As `support`.

        IrreversibleError: As `support`.

        ValueError: *target* has no namespace of one of the types.
    """
    wanted = parse_types(types)
    with ExitStack() as stack:
        if isinstance(target, (Namespace, NamespaceSet)):
            return _tried(_chosen(target, wanted), stack)
        try:
            found = NamespaceSet.from_pid(target, *wanted)
        except NamespacePermissionError as error:
            return _all_refused(wanted, outcome_of(error))
        stack.callback(found.close)
        return _tried(list(found.values()), stack)


def _all_refused(types: Sequence[NamespaceType], why: Outcome) -> Explanation:
    """Say of a process that may not be looked into that nothing of it can be had."""
    refused = [
        Access(type, id=None, shared=False, enter=why, join=why)
        for type in types or NamespaceType
    ]
    return Explanation(refused, why, why)


def _chosen(
    target: Namespace | NamespaceSet, types: Sequence[NamespaceType]
) -> list[Namespace]:
    members = {target.type: target} if isinstance(target, Namespace) else {**target}
    for type in types:
        if type not in members:
            raise ValueError(f"{target!r} has no {type} namespace")
    return [members[type] for type in types or members]


def _tried(namespaces: Sequence[Namespace], stack: ExitStack) -> Explanation:
    # Held, so that a number stays that namespace's until all is through.
    fds = {
        each.type: stack.enter_context(each._hold())
        for each in namespaces
        if not each._is_where_children_are()
    }
    groups = [(fd,) for fd in fds.values()] + [tuple(fds.values())] * (len(fds) != 1)
    entering, joining = _asked(groups, tuple(fds)) if fds else ([_DONE], [_DONE])
    enter = dict(zip(fds, entering, strict=False))
    join = dict(zip(fds, joining, strict=False))
    accesses = [
        Access(
            type=each.type,
            id=each.id,
            shared=each.type not in fds,
            enter=enter.get(each.type, _DONE),
            join=join.get(each.type, _DONE),
        )
        for each in namespaces
    ]
    return Explanation(accesses, entering[-1], joining[-1])


def _asked(
    groups: Sequence[tuple[int, ...]], types: tuple[NamespaceType, ...]
) -> tuple[list[Outcome], list[Outcome]]:
    """Try to enter and to join each group of descriptors, the last of which is all."""
    is_threaded = not _copying.is_alone()
    own_fs = is_threaded and not _causes.shares_fs()
    enter = [Task("enter given", None, fds, is_threaded, own_fs) for fds in groups]
    join = [Task("join given", None, fds) for fds in groups]
    found = outcomes_of([*enter, *join])
    entering, joining = found[: len(groups)], found[len(groups) :]
    if lib.pyns_lost():
        # It could not come back once, and enters nothing any more.
        entering = [outcome_of(refusal(-lib.PYNS_ELOST, types))] * len(groups)
    return entering, joining
