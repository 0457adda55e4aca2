"""What is done elsewhere raises an audit event, which may forbid it."""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing, suppress

import pytest
from reaching import Places
from support import in_child


def connect_to_two(places: Places) -> None:
    """Try two addresses, which are not to be reached."""
    target = socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 9)
    with suppress(OSError):
        places.net.create_connection(("x", 9), getaddrinfo=lambda *_: [target] * 2)


def set_hostname(places: Places) -> None:
    """Set the host name."""
    places.uts.hostname = "forbidden"


ACTS: dict[str, tuple[Callable[[Places], object], list[str]]] = {
    "socket": (lambda places: places.net.socket().close(), ["net"]),
    "server": (lambda places: places.net.create_server(("", 0)).close(), ["net"]),
    "connection": (connect_to_two, ["net", "net"]),
    "cookie": (lambda places: places.net.cookie, ["net"]),
    "open": (lambda places: os.close(places.mnt.open("/")), ["mnt"]),
    "hostname": (lambda places: places.uts.hostname, ["uts"]),
    "set hostname": (set_hostname, ["uts"]),
}
acts = pytest.mark.parametrize(("act", "expected"), ACTS.values(), ids=ACTS)


@acts
def test_events(act: Callable[[Places], object], expected: list[str]) -> None:
    """Each helper task that enters has its event, with the type."""

    def ask() -> list[str]:
        found: list[str] = []

        def hook(event: str, args: tuple[object, ...]) -> None:
            if event.startswith("pynamespaces."):
                (types,) = args
                assert event == "pynamespaces.setns"
                assert isinstance(types, tuple)
                found.extend(str(type) for type in types)

        with closing(Places()) as places:
            sys.addaudithook(hook)
            act(places)
        return found

    assert in_child(ask) == expected


@acts
def test_forbidden(act: Callable[[Places], object], expected: list[str]) -> None:
    """A hook that raises keeps it from being done."""

    def ask() -> None:
        def refuse(event: str, _: tuple[object, ...]) -> None:
            if armed and event.startswith("pynamespaces."):
                raise ZeroDivisionError(event)

        armed = False
        sys.addaudithook(refuse)
        with closing(Places()) as places:
            hostname = places.uts.hostname
            before = os.listdir("/proc/self/fd")
            armed = True
            with pytest.raises(ZeroDivisionError, match="setns"):
                act(places)
            armed = False
            assert os.listdir("/proc/self/fd") == before
            assert places.uts.hostname == hostname

    in_child(ask)


def test_socket_event_of_python() -> None:
    """The event of every new socket of Python's is raised too, and may forbid it."""

    def ask() -> None:
        def refuse(event: str, _: tuple[object, ...]) -> None:
            if event == "socket.__new__":
                raise ZeroDivisionError(event)

        with closing(Places()) as places:
            before = os.listdir("/proc/self/fd")
            sys.addaudithook(refuse)
            with pytest.raises(ZeroDivisionError):
                places.net.socket()
            assert os.listdir("/proc/self/fd") == before

    in_child(ask)
