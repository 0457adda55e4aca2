"""Calling: ``net_ns.call(f)`` against threads and processes that move by hand."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Final, Literal

from .measure import (
    Curve,
    Loop,
    Row,
    Sample,
    Times,
    compare,
    in_turn,
    one_cpu,
    output_of_python,
    print_times,
    read_times,
    seconds_each,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from pynamespaces import NetNamespace

    from .place import Place

_THREAD: Final = "`net_ns.call(f)`"
_BARE: Final = "`threading.Thread`: start, setns, f(), join"
_FORK: Final = "`net_ns.call(f, how='process')`"
_FORK_BY_HAND: Final = "multiprocessing, fork: open, setns, f(), pipe, join"
_SPAWN: Final = f"{_FORK}: beside another thread"
_SPAWN_BY_HAND: Final = "multiprocessing, spawn: open, setns, f(), pipe, join"

# A batch is a handful of threads, and those are at the mercy of the scheduler.
_TIMES: Final = 10
# An interpreter takes a tenth of a second to start.
_FEW: Final = 10


def rows(place: Place) -> Iterator[Row]:
    """Measure each in a process of its own, which has one thread to begin with."""
    many, few = place.rounds * _TIMES, min(place.rounds, _FEW)
    yield Row(_THREAD, _BARE, _measured(place, "thread", many), 1.3)
    with one_cpu():
        times = _measured(place, "thread", many)
    yield Row(f"{_THREAD}; on one CPU", _BARE, times, 1.3)
    yield Row(_FORK, _FORK_BY_HAND, _measured(place, "fork", place.rounds))
    yield Row(_SPAWN, _SPAWN_BY_HAND, _measured(place, "spawn", few))


def curves(place: Place) -> Iterator[Curve]:
    """Measure each of the ways and what it is beside."""
    few = min(place.rounds, _FEW)
    pairs = (
        (_THREAD, _BARE, "thread", place.rounds * _TIMES),
        (_FORK, _FORK_BY_HAND, "fork", place.rounds),
        (_SPAWN, _SPAWN_BY_HAND, "spawn", few),
    )
    for group, (what, against, way, rounds) in enumerate(pairs):
        times = _measured(place, way, rounds)
        yield Curve(what, "ours", {0: times.ours}, group)
        yield Curve(against, "peer", {0: times.theirs}, group)


def _measured(place: Place, way: str, rounds: int) -> Times:
    names = (way, str(place.netns()), str(rounds))
    return read_times(output_of_python("calling", *names))


def _nothing() -> int:
    """Be what is called."""
    return 0


_setns: Callable[[int, int], object]
if sys.version_info >= (3, 12):
    _setns = os.setns
else:
    _setns = ctypes.CDLL(None).setns


def _move(fd: int) -> None:
    # The function of C says so; that of Python raises, and returns nothing.
    if _setns(fd, 0):
        raise OSError("setns by hand has failed")


def _ours(netns: NetNamespace) -> Loop:
    def loop(count: int) -> None:
        for _ in repeat(None, count):
            netns.call(_nothing)

    return loop


def _ours_in_process(netns: NetNamespace) -> Loop:
    def loop(count: int) -> None:
        for _ in repeat(None, count):
            netns.call(_nothing, how="process")

    return loop


def _bare(fd: int) -> Loop:
    def work() -> None:
        _move(fd)
        _nothing()

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    return loop


def _answer(pipe: Connection[int, int], path: str) -> None:
    """Be the function of a process."""
    fd = os.open(path, os.O_RDONLY)
    _move(fd)
    os.close(fd)
    pipe.send(_nothing())


def _by_hand(method: Literal["fork", "spawn"], path: str) -> Loop:
    # Type checkers know the methods one by one.
    context = (
        multiprocessing.get_context("fork")
        if method == "fork"
        else multiprocessing.get_context("spawn")
    )

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_answer, args=(theirs, path))
            process.start()
            theirs.close()
            ours.recv()
            ours.close()
            process.join()

    return loop


def _once(loop: Loop) -> Sample:
    return lambda: seconds_each(loop, 1)


@contextmanager
def _another_thread() -> Iterator[None]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def main() -> None:
    """Do what `rows` asks for, in a process of its own."""
    # Not above: the interpreters of multiprocessing import this file, but need it not.
    from pynamespaces import Namespace  # noqa: PLC0415

    way, path, number = sys.argv[1:]
    rounds = int(number)
    netns = Namespace.from_path(path, "net")
    if way == "thread":
        print_times(compare(_ours(netns), _bare(netns.fileno()), rounds))
    elif way == "fork":
        sides = [_ours_in_process(netns), _by_hand("fork", path)]
        print_times(Times(*in_turn([_once(side) for side in sides], rounds)))
    else:
        sides = [_ours_in_process(netns), _by_hand("spawn", path)]
        with _another_thread():
            print_times(Times(*in_turn([_once(side) for side in sides], rounds)))


if __name__ == "__main__":
    main()
