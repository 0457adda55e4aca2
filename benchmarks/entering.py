"""Entering: ``with namespace: pass`` against the same in C and in other libraries."""

import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .measure import (
    Curve,
    Role,
    Row,
    Sample,
    Times,
    in_turn,
    one_cpu,
    output_of,
    output_of_python,
    read_times,
)
from .place import Place

_CLONE_NEWNET: Final = 0x40000000

# How often the program in C fills a batch as long as those of Python.
_COUNT: Final = 50
# Of a process alone, and of two loops beside each other, for each round of processes.
_BATCHES: Final = 101
_PAIRS: Final = 20

_WITH: Final = "`with net_ns: pass`"
_WITH_PATH: Final = "`with Namespace.from_path(path, 'net'): pass`"
_WITH_PID: Final = "`with Namespace.from_pid(pid, 'net'): pass`"
_C: Final = "C: open, setns, setns, close"
_PUSH: Final = "pyroute2 `pushns(path)`, `popns()`"
_PUSH_FD: Final = "pyroute2 `pushns(fd)`, `popns()`"
_NSENTER: Final = "`with nsenter.Namespace(pid, 'net'): pass`"

_MANY: Final = 100

# What is plotted: what it says, and the name of the loop; that of C has none.
_PLOTTED: Final = (
    (_WITH, "ours"),
    (_C, ""),
    ("`os.open`, `os.setns` twice, `os.close`", "os"),
    ("the same with `setns` by ctypes", "ctypes"),
    (_PUSH_FD, "pyroute2-by-fd"),
    (_PUSH, "pyroute2-by-path"),
    (_WITH_PATH, "ours-by-path"),
    (_NSENTER, "nsenter-by-pid"),
)


@dataclass(frozen=True)
class _Peer:
    """A row against another library: what it says, and the names of both loops."""

    what: str
    against: str
    ours: str
    theirs: str
    bound: float | None = None
    names: int = 1
    """How many named namespaces there are: pyroute2 lists them on each entry."""


# Theirs open the target each time, but for pushns(fd): each is measured against ours
# as it is used in a loop, and once more against ours doing the same work.
_PEERS: Final = (
    _Peer(_WITH, _PUSH, "ours", "pyroute2-by-path", 0.2),
    _Peer(_WITH, f"{_PUSH}, of {_MANY}", "ours", "pyroute2-by-path", names=_MANY),
    _Peer(_WITH, _PUSH_FD, "ours", "pyroute2-by-fd"),
    _Peer(_WITH_PATH, _PUSH, "ours-by-path", "pyroute2-by-path"),
    _Peer(_WITH, _NSENTER, "ours", "nsenter-by-pid", 0.1),
    _Peer(_WITH_PID, _NSENTER, "ours-by-pid", "nsenter-by-pid"),
)


class _Runner:
    """Runs the loops of `loops`, and the program in C."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._program = place.compiled("c_loop.c")
        self._library = place.compiled("c_loop.c", "library", "-shared", "-fPIC")

    def _python(self, *names: str, rounds: int, type: str, path: Path) -> str:
        return output_of_python(
            *("loops", *names, "--pid", str(self._place.pid), "--path", str(path)),
            *("--library", self._library, "--type", type, "--rounds", str(rounds)),
        )

    def _alone(self, name: str, path: Path) -> Sample:
        return lambda: float(self._python(name, rounds=_BATCHES, type="net", path=path))

    def _c_alone(self) -> float:
        link, target = "/proc/thread-self/ns/net", f"/proc/{self._place.pid}/ns/net"
        numbers = (str(_CLONE_NEWNET), str(_BATCHES), str(_COUNT))
        lines = output_of(self._program, link, target, *numbers).split()
        return statistics.median(float(line) for line in lines)

    def all_in_turn(self) -> Iterator[Curve]:
        """Run all that there is to plot, in processes of their own, in turn."""
        path = self._place.netns()
        plotted = [(what, name) for what, name in _PLOTTED if _is_there(name)]
        samples = [
            self._alone(name, path) if name else self._c_alone for _, name in plotted
        ]
        taken = in_turn(samples, self._place.rounds)
        for (what, name), times in zip(plotted, taken, strict=True):
            role: Role = "ours" if name.startswith("ours") else "peer"
            yield Curve(what, role, {0: times})

    def against_c(self) -> Times:
        """
        Run the program in C and ours in turn, so that neither lives beside the other.

        While ours lives, it holds its own net namespace open, which is then cheaper
        to open for everybody.
        """
        ours = self._alone("ours", self._place.netns())
        return Times(*in_turn([ours, self._c_alone], self._place.rounds))

    def against(self, peer: _Peer) -> Times:
        """Run two loops in processes of their own, in turn."""
        path = self._place.netns(peer.names)
        samples = [self._alone(name, path) for name in (peer.ours, peer.theirs)]
        return Times(*in_turn(samples, self._place.rounds))

    def beside(self, ours: str, theirs: str, type: str = "net") -> Times:
        """Run two loops in one process, which takes them in turn."""
        path, rounds = self._place.netns(), self._place.rounds * _PAIRS
        return read_times(
            self._python(ours, theirs, rounds=rounds, type=type, path=path)
        )


def _is_there(name: str) -> bool:
    module = name.partition("-")[0]
    if module == "os":
        return sys.version_info >= (3, 12)
    return module not in ("pyroute2", "nsenter") or find_spec(module) is not None


def _rows(run: _Runner) -> Iterator[Row]:
    yield Row(_WITH, f"{_C}; a process of its own", run.against_c(), 0.85)
    # Here our own net namespace, which we hold open, serves the loop in C as well.
    yield Row(_WITH, f"{_C}; in our process", run.beside("ours", "c"))
    for peer in _PEERS:
        module = peer.theirs.partition("-")[0]
        if find_spec(module) is None:
            against = f"{peer.against}: {module} is not installed"
            yield Row(peer.what, against, None, peer.bound)
        else:
            yield Row(peer.what, peer.against, run.against(peer), peer.bound)
    for type in ("uts", "ipc", "cgroup", "pid", "mnt"):
        times = run.beside("ours", "c", type)
        yield Row(f"`with {type}_ns: pass`", f"{_C}; in our process", times)
    yield Row(
        "6 types: `with NamespaceSet.from_pid(...): pass`",
        "6 types: `with` nested, one by one",
        run.beside("set", "nested"),
    )


def rows(place: Place) -> Iterator[Row]:
    """Measure entering; all on one CPU, since moving between two is noise."""
    with one_cpu():
        yield from _rows(_Runner(place))


def curves(place: Place) -> Iterator[Curve]:
    """Measure each of the ways to enter, on one CPU as well."""
    with one_cpu():
        yield from _Runner(place).all_in_turn()
