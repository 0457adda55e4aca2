"""Every switch of a thread raises an audit event, which may forbid it."""

import sys
from collections.abc import Callable
from contextlib import closing
from typing import TypeAlias

import pytest
from holding import holder, in_own_userns
from support import own_all

from pynamespaces import Namespace, NamespaceSet, lowlevel, setns, unshare, unshared

Event: TypeAlias = tuple[str, frozenset[str]]


def recorded(action: Callable[[], None]) -> list[Event]:
    """Return the audit events of an action; the hook stays for good."""
    events: list[Event] = []

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event.startswith("pynamespaces."):
            (types,) = args
            assert isinstance(types, tuple)
            events.append((event, frozenset(str(type) for type in types)))

    sys.addaudithook(hook)
    action()
    return events


def setns_of(*types: str) -> Event:
    """Return the event of a setns."""
    return "pynamespaces.setns", frozenset(types)


def unshare_of(*types: str) -> Event:
    """Return the event of an unshare."""
    return "pynamespaces.unshare", frozenset(types)


def enter_one(members: NamespaceSet) -> None:
    """Enter and leave one namespace."""
    with members["uts"]:
        pass


def enter_set(members: NamespaceSet) -> None:
    """Enter and leave two at once."""
    with members:
        pass


def enter_fresh(_: NamespaceSet) -> None:
    """Enter and leave fresh ones."""
    with unshared("net", "ipc"):
        pass


@pytest.mark.parametrize(
    ("action", "events"),
    [
        (lambda _: unshare("uts", "net"), [unshare_of("uts", "net")]),
        (lambda members: setns(members["uts"]), [setns_of("uts")]),
        (lambda members: lowlevel.setns(members["ipc"]), [setns_of("ipc")]),
        (enter_one, [setns_of("uts")] * 2),
        (enter_set, [setns_of("uts", "ipc")] * 2),
        (enter_fresh, [unshare_of("net", "ipc"), setns_of("net", "ipc")]),
    ],
    ids=["unshare", "setns", "lowlevel", "one", "set", "unshared"],
)
def test_events(action: Callable[[NamespaceSet], None], events: list[Event]) -> None:
    """Each way to move has its events, with the names of the types."""

    def inside() -> list[Event]:
        with (
            holder("uts", "ipc") as target,
            closing(NamespaceSet.from_pid(target.pid, "uts", "ipc")) as members,
        ):
            return recorded(lambda: action(members))

    assert in_own_userns(inside, "uts", "net", "ipc") == events


@pytest.mark.parametrize(
    "action",
    [
        lambda _: unshare("uts", "net"),
        lambda members: setns(members["uts"]),
        enter_one,
        enter_set,
        enter_fresh,
    ],
    ids=["unshare", "setns", "one", "set", "unshared"],
)
def test_forbidden(action: Callable[[NamespaceSet], None]) -> None:
    """A hook that raises keeps the thread where it is."""

    def refuse(event: str, _: tuple[object, ...]) -> None:
        if event.startswith("pynamespaces."):
            raise ZeroDivisionError(event)

    def inside() -> None:
        with (
            holder("uts", "ipc") as target,
            closing(NamespaceSet.from_pid(target.pid, "uts", "ipc")) as members,
        ):
            sys.addaudithook(refuse)
            before = own_all()
            with pytest.raises(ZeroDivisionError):
                action(members)
            assert own_all() == before

    in_own_userns(inside, "uts", "net", "ipc")


def test_leaving_cannot_be_forbidden() -> None:
    """A hook that raises at the end does not keep a thread from home."""
    forbidden: list[bool] = []

    def refuse(event: str, _: tuple[object, ...]) -> None:
        if event.startswith("pynamespaces.") and forbidden:
            raise ZeroDivisionError(event)

    def inside() -> None:
        with (
            holder("uts") as target,
            closing(Namespace.from_pid(target.pid, "uts")) as namespace,
        ):
            sys.addaudithook(refuse)
            before = own_all()
            with pytest.raises(ZeroDivisionError), namespace:
                forbidden.append(True)
            assert own_all() == before

    in_own_userns(inside, "uts")
