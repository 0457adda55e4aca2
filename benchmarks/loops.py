"""
The loops of `entering`, run in an interpreter of their own.

``alone`` prints the seconds of our loop, for alternating processes; ``pair`` runs two
loops in turn in this process, and prints the times of both.
"""

import argparse
import ctypes
import statistics
from collections.abc import Callable
from itertools import repeat
from typing import Final, TypeAlias

from pynamespaces import Namespace, NamespaceSet, NamespaceType

from .measure import Loop, batches, compare, print_times

Arguments: TypeAlias = argparse.Namespace

SIX: Final = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def entering(ns: Namespace | NamespaceSet) -> Loop:
    """Into what is open already, and back."""

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with ns:
                pass

    return loop


def opening_by_path(path: str) -> Loop:
    """Open by path, enter, come back."""

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with Namespace.from_path(path, "net"):
                pass

    return loop


def opening_by_pid(pid: int) -> Loop:
    """Open by pid, enter, come back."""

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with Namespace.from_pid(pid, "net"):
                pass

    return loop


def c_loop(library: str, ns: Namespace) -> Loop:
    """Return the loop in C, called in this process."""
    round_trips = ctypes.CDLL(library).round_trips
    round_trips.argtypes = (
        *(ctypes.c_char_p, ctypes.c_int),
        *(ctypes.c_int, ctypes.c_long),
    )
    link = f"/proc/thread-self/ns/{ns.type}".encode()

    def loop(count: int) -> None:
        result = round_trips(link, ns.fileno(), int(ns.type.flag), count)
        if result < 0:
            raise OSError(-result, f"the loop in C, {ns.type}")

    return loop


def pyroute2_loop(target: str | int) -> Loop:
    """Return pyroute2's stack of network namespaces; a name, a path or a descriptor."""
    from pyroute2 import netns

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            netns.pushns(target)
            netns.popns()

    return loop


def nsenter_loop(pid: int) -> Loop:
    """Return the context manager of nsenter, which is good for one entry."""
    import nsenter

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            with nsenter.Namespace(pid, "net"):
                pass

    return loop


def c_pair(given: Arguments) -> tuple[Loop, Loop]:
    """Return the loops of one type, both by a descriptor that is open."""
    ns = Namespace.from_pid(given.pid, NamespaceType(given.type))
    return entering(ns), c_loop(given.library, ns)


def net(given: Arguments) -> Namespace:
    """Open the target's net namespace, which keeps it cheap to open for all."""
    return Namespace.from_pid(given.pid, "net")


def pyroute2_open_pair(given: Arguments) -> tuple[Loop, Loop]:
    """Return the loops by a descriptor that is open."""
    ns = net(given)
    return entering(ns), pyroute2_loop(ns.fileno())


def one_by_one_pair(given: Arguments) -> tuple[Loop, Loop]:
    """Return the loops of a set with a pidfd, and of the same one without."""
    by_pidfd = NamespaceSet.from_pid(given.pid, *SIX)
    return entering(by_pidfd), entering(NamespaceSet(by_pidfd.values()))


PAIRS: Final[dict[str, Callable[[Arguments], tuple[Loop, Loop]]]] = {
    "c": c_pair,
    "pyroute2-open": pyroute2_open_pair,
    "pyroute2": lambda given: (entering(net(given)), pyroute2_loop(given.path)),
    "pyroute2-opening": lambda given: (
        opening_by_path(given.path),
        pyroute2_loop(given.path),
    ),
    "nsenter": lambda given: (entering(net(given)), nsenter_loop(given.pid)),
    "nsenter-opening": lambda given: (
        opening_by_pid(given.pid),
        nsenter_loop(given.pid),
    ),
    "one-by-one": one_by_one_pair,
}


def main() -> None:
    """Do what `entering` asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pair", choices=("alone", *PAIRS))
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--path")
    parser.add_argument("--library")
    parser.add_argument("--type", default="net")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--count", type=int, required=True)
    given = parser.parse_args()
    if given.pair == "alone":
        print(statistics.median(batches(entering(net(given)), given.rounds, given.count)))
        return
    ours, theirs = PAIRS[given.pair](given)
    print_times(compare(ours, theirs, given.rounds, given.count))


if __name__ == "__main__":
    main()
