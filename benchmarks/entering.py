"""Entering: ``with namespace: pass`` against the same in C and in other libraries."""

import statistics
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .measure import (
    Row,
    Times,
    in_turn,
    one_cpu,
    output_of,
    output_of_python,
    read_times,
)
from .place import Place

_CLONE_NEWNET: Final = 0x40000000

# A batch is a few milliseconds: long beside the clock, short beside a time slice.
_COUNT: Final = 500
_BATCHES: Final = 11

_ENTER: Final = "`with net_ns: pass`"
_C: Final = "C: open, setns, setns, close"

# what, against, the pair's name, the peer's distribution, the bound
_PEERS: Final = (
    (_ENTER, "pyroute2 `pushns(path)`, `popns()`", "pyroute2", 0.2),
    (_ENTER, "pyroute2 `pushns(fd)`, `popns()`", "pyroute2-open", 0.2),
    (
        "`with Namespace.from_path(path, 'net'): pass`",
        "pyroute2 `pushns(path)`, `popns()`",
        "pyroute2-opening",
        None,
    ),
    (_ENTER, "`with nsenter.Namespace(pid, 'net'): pass`", "nsenter", 0.1),
    (
        "`with Namespace.from_pid(pid, 'net'): pass`",
        "`with nsenter.Namespace(pid, 'net'): pass`",
        "nsenter-opening",
        None,
    ),
)


def _compile(source: Path, output: Path, *options: str) -> str:
    command = ["cc", "-O2", "-Wall", *options, "-o", str(output), str(source)]
    subprocess.run(command, check=True)
    return str(output)


def _alternating_processes(place: Place, program: str) -> Times:
    """
    Run the program in C and ours in turn, so that neither lives beside the other.

    While ours lives, its own net namespace is held open, and so is cheaper to open
    for everybody.
    """
    link, target = "/proc/thread-self/ns/net", f"/proc/{place.pid}/ns/net"
    batches, count = str(_BATCHES), str(_COUNT)

    def ours() -> float:
        options = ("--pid", str(place.pid), "--rounds", batches, "--count", count)
        return float(output_of_python("loops", "alone", *options))

    def theirs() -> float:
        lines = output_of(program, link, target, str(_CLONE_NEWNET), batches, count)
        return statistics.median(float(line) for line in lines.split())

    return Times(*in_turn([ours, theirs], place.rounds))


def _pair(
    place: Place, name: str, library: str, *, type: str = "net", count: int = _COUNT
) -> Times:
    """Run two loops of `loops` in one process, which are in turn there."""
    text = output_of_python(
        *("loops", name, "--pid", str(place.pid), "--path", str(place.netns)),
        *("--library", library, "--type", type),
        *("--rounds", str(place.rounds * 3), "--count", str(count)),
    )
    return read_times(text)


def _rows(place: Place) -> Iterator[Row]:
    source = Path(__file__).with_name("c_loop.c")
    program = _compile(source, place.directory / "c_loop")
    library = _compile(source, place.directory / "c_loop.so", "-shared", "-fPIC")
    alone = _alternating_processes(place, program)
    yield Row(_ENTER, f"{_C}; a process of its own", alone, 0.85)
    beside = _pair(place, "c", library)
    yield Row(_ENTER, f"{_C}; in the same process", beside, 0.85)
    for what, against, name, bound in _PEERS:
        peer = name.partition("-")[0]
        if find_spec(peer) is None:
            yield Row(what, f"{against}: {peer} is not installed", None, bound)
            continue
        yield Row(what, against, _pair(place, name, library, count=100), bound)
    for type in ("uts", "ipc", "cgroup", "pid", "mnt"):
        times = _pair(place, "c", library, type=type)
        yield Row(f"`with {type}_ns: pass`", f"{_C}; in the same process", times)
    yield Row(
        "`with NamespaceSet.from_pid(...)` of 6 types, by one setns(pidfd)",
        "`with NamespaceSet(...)` of the same, one by one",
        _pair(place, "one-by-one", library, count=100),
    )


def rows(place: Place) -> Iterator[Row]:
    """Measure entering; all on one CPU, since moving between two is noise."""
    with one_cpu():
        yield from _rows(place)
