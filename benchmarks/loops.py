"""
The loops of `entering`, run in an interpreter of their own.

Given one name it prints the seconds of that loop, for alternating processes; given
two it runs both in turn in this process, and prints the times of all rounds.
"""

import argparse
import ctypes
import os
import statistics
import sys
from collections.abc import Callable
from itertools import repeat
from typing import Final, TypeAlias

# Importing it opens no namespace, and so makes none cheaper to open for the peers.
from pynamespaces import Namespace, NamespaceSet, NamespaceType

from .measure import Loop, batch_of, compare, print_times

Given: TypeAlias = argparse.Namespace

_SIX: Final = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def _entering(ns: Namespace | NamespaceSet) -> Loop:
    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with ns:
                pass

    return loop


def _ours(given: Given) -> Loop:
    """Into what is open already, and back."""
    return _entering(Namespace.from_pid(given.pid, NamespaceType(given.type)))


def _ours_by_path(given: Given) -> Loop:
    """Open by path, enter, come back, close."""
    path = given.path

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with Namespace.from_path(path, "net"):
                pass

    return loop


def _ours_by_pid(given: Given) -> Loop:
    """Open by pid, enter, come back, close."""
    pid = given.pid

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with Namespace.from_pid(pid, "net"):
                pass

    return loop


def _set(given: Given) -> Loop:
    """Enter six namespaces as a set."""
    return _entering(NamespaceSet.from_pid(given.pid, *_SIX))


def _nested(given: Given) -> Loop:
    """Enter six namespaces by as many with statements."""
    one, two, three, four, five, six = NamespaceSet.from_pid(given.pid, *_SIX).values()

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with one, two, three, four, five, six:
                pass

    return loop


def _c(given: Given) -> Loop:
    """Call the loop in C in this process."""
    round_trips = ctypes.CDLL(given.library).round_trips
    round_trips.argtypes = (
        *(ctypes.c_char_p, ctypes.c_int),
        *(ctypes.c_int, ctypes.c_long),
    )
    link = f"/proc/thread-self/ns/{given.type}".encode()
    target = os.open(f"/proc/{given.pid}/ns/{given.type}", os.O_RDONLY)
    nstype = int(NamespaceType(given.type).flag)

    def loop(count: int) -> None:
        result = round_trips(link, target, nstype, count)
        if result < 0:
            raise OSError(-result, f"the loop in C, {given.type}")

    return loop


def _by_hand(given: Given, setns: Callable[[int, int], object]) -> Loop:
    """Do what the program in C does, with a setns of Python's own or of ctypes."""
    link = f"/proc/thread-self/ns/{given.type}"
    target = os.open(f"/proc/{given.pid}/ns/{given.type}", os.O_RDONLY)
    nstype = int(NamespaceType(given.type).flag)

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            home = os.open(link, os.O_RDONLY)
            # That of C says so if it fails; that of Python raises, and returns nothing.
            if setns(target, nstype) or setns(home, nstype):
                raise OSError("setns by hand has failed")
            os.close(home)

    return loop


def _pyroute2(target: str | int) -> Loop:
    from pyroute2 import netns  # noqa: PLC0415 - may be missing

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            netns.pushns(target)
            netns.popns()

    return loop


def _nsenter(given: Given) -> Loop:
    """Use nsenter's context manager, which is good for one entry and opens both."""
    import nsenter  # noqa: PLC0415 - may be missing

    pid = given.pid

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with nsenter.Namespace(pid, "net"):
                pass

    return loop


_LOOPS: dict[str, Callable[[Given], Loop]] = {
    "ours": _ours,
    "ours-by-path": _ours_by_path,
    "ours-by-pid": _ours_by_pid,
    "set": _set,
    "nested": _nested,
    "c": _c,
    "ctypes": lambda given: _by_hand(given, ctypes.CDLL(None).setns),
    "pyroute2-by-path": lambda given: _pyroute2(given.path),
    "pyroute2-by-fd": lambda given: _pyroute2(os.open(given.path, os.O_RDONLY)),
    "nsenter-by-pid": _nsenter,
}
if sys.version_info >= (3, 12):
    _LOOPS["os"] = lambda given: _by_hand(given, os.setns)


def main() -> None:
    """Do what `entering` asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+", choices=_LOOPS)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--type", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    given = parser.parse_args()
    first, *others = [_LOOPS[name](given) for name in given.names]
    if others:
        print_times(compare(first, others[0], given.rounds))
    else:
        sample = batch_of(first)
        print(statistics.median(sample() for _ in range(given.rounds)))


if __name__ == "__main__":
    main()
