"""Acting elsewhere: a socket of another network, and fresh namespaces."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import repeat
from typing import Final

from pynamespaces import Namespace, NamespaceType, NetNamespace

from . import large
from .measure import (
    Curve,
    Loop,
    Role,
    Row,
    batch_of,
    compare,
    in_turn,
    output_of_python,
    print_rounds,
    print_times,
    read_rounds,
    read_times,
)
from .place import Place

_SOCKET: Final = "`net_ns.socket()`"
_PYROUTE2: Final = "pyroute2 `netns.create_socket(path)`"

_TYPES: Final = ("net", "uts")

_PLOTTED: Final[tuple[tuple[str, Role], ...]] = (
    (_SOCKET, "ours"),
    ("`with net_ns: socket.socket()`", "ours"),
    ("`socket.socket()`, where one is", "floor"),
    (_PYROUTE2, "peer"),
)


def rows(place: Place) -> Iterator[Row]:
    """Measure both."""
    against = _PYROUTE2
    times = None
    if find_spec("pyroute2") is None:
        against += ": pyroute2 is not installed"
    else:
        names = (str(place.netns()), str(place.rounds))
        times = read_times(output_of_python("sockets", "beside", *names))
    yield Row(_SOCKET, against, times, 0.05)
    yield from _fresh_rows(place)


def _fresh_rows(place: Place) -> Iterator[Row]:
    for type in _TYPES:
        against = f"`subprocess.run(['unshare', '--{type}', 'true'])`"
        text = output_of_python("sockets", "unshare", type, str(place.rounds))
        yield Row(f"`Namespace.new('{type}')`", against, read_times(text))
    small = "the same in a small process"
    for type in _TYPES:
        what = f"`Namespace.new('{type}')`: {large.THREADS} threads, 2 GiB touched"
        yield large.row(what, small, "sockets", type, rounds=place.rounds, bound=1.2)


def curves(place: Place) -> Iterator[Curve]:
    """Measure the ways to have a socket, in turn in one process."""
    # The first is what the others are compared with.
    names = (str(place.netns()), str(place.rounds))
    taken = read_rounds(output_of_python("sockets", "all", *names))
    for (what, role), times in zip(_PLOTTED, taken, strict=False):
        yield Curve(what, role, {0: times})


def _socket(netns: NetNamespace) -> Loop:
    def loop(count: int) -> None:
        for _ in repeat(None, count):
            netns.socket().close()

    return loop


def _inside(netns: NetNamespace) -> Loop:
    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with netns:
                one = socket.socket()
            one.close()

    return loop


def _here(count: int) -> None:
    for _ in repeat(None, count):
        socket.socket().close()


def _all(path: str) -> list[Loop]:
    """Return the loops that are plotted; the last one only if it can be had."""
    netns = Namespace.from_path(path, "net")
    loops: list[Loop] = [_socket(netns), _inside(netns), _here]
    return [*loops, _pyroute2(path)] if find_spec("pyroute2") else loops


def _pyroute2(path: str) -> Loop:
    from pyroute2 import netns  # noqa: PLC0415 - may be missing

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            netns.create_socket(path).close()

    return loop


def _new(name: str) -> Loop:
    type = NamespaceType(name)

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            Namespace.new(type).close()

    return loop


def _unshare(type: str) -> Loop:
    command = ["unshare", f"--{type}", "true"]

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            subprocess.run(command, check=True)

    return loop


def main() -> None:
    """Do what `rows` asks for, in a process of its own."""
    what, *arguments = sys.argv[1:]
    if what == "beside":
        path, rounds = arguments
        ours = _socket(Namespace.from_path(path, "net"))
        print_times(compare(ours, _pyroute2(path), int(rounds)))
    elif what == "all":
        path, rounds = arguments
        print_rounds(in_turn([batch_of(loop) for loop in _all(path)], int(rounds)))
    elif what == "unshare":
        type, rounds = arguments
        print_times(compare(_new(type), _unshare(type), int(rounds)))
    else:
        (type,) = arguments
        large.answer(batch_of(_new(type)), what)


if __name__ == "__main__":
    main()
