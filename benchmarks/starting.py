"""Starting programs: in fresh namespaces, and as `subprocess` does it."""

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from itertools import repeat
from typing import Final

from pynamespaces import TypeLike, lowlevel, run

from . import large
from .measure import (
    Curve,
    Loop,
    Role,
    Row,
    Sample,
    batch_of,
    compare,
    in_turn,
    one_cpu,
    output_of_python,
    print_rounds,
    read_rounds,
    seconds_each,
)
from .place import Place

_OURS: Final = "`run(['true'], new='uts')`"
_INIT: Final = "`run(['true'], new=('pid', 'mnt'))`: with an init and /proc"

# The work is another process's: what is measured varies more than a call does.
_TIMES: Final = 10

_MIB: Final = 1 << 20
_SIZES: Final = (0, 256 * _MIB, 1024 * _MIB, 2048 * _MIB)
# The first is what the others are compared with.
_PLOTTED: Final[tuple[tuple[str, Role], ...]] = (
    (_OURS, "ours"),
    ("`subprocess.run(['unshare', '--uts', 'true'])`", "peer"),
    ("`subprocess.run(['true'], preexec_fn=...)`", "peer"),
    ("`subprocess.run(['true'])`", "floor"),
)


def rows(place: Place) -> Iterator[Row]:
    """Measure each of the figures."""
    rounds = place.rounds * _TIMES
    peers: list[tuple[list[str], float | None]] = [
        (["true"], 1.15),
        (["unshare", "--uts", "true"], 0.6),
    ]
    with one_cpu():
        for command, bound in peers:
            times = compare(_run("uts"), _subprocess(command), rounds)
            yield Row(_OURS, f"`subprocess.run({command})`", times, bound)
        command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
        times = compare(_run("pid", "mnt"), _subprocess(command), rounds)
        yield Row(_INIT, f"`subprocess.run({command})`", times)
    what = f"{_OURS}: {large.THREADS} threads, 2 GiB touched"
    small = "the same in a small process"
    yield large.row(what, small, "starting", rounds=place.rounds, bound=1.2)


def curves(place: Place) -> Iterator[Curve]:
    """Measure the ways to start in a fresh namespace, in processes of some sizes."""
    found: list[dict[int, list[float]]] = [{} for _ in _PLOTTED]
    rounds = str(2 * place.rounds)
    for size in filter(large.has_room, _SIZES):
        with one_cpu():
            taken = read_rounds(output_of_python("starting", "all", str(size), rounds))
        for times, seconds in zip(found, taken, strict=True):
            times[size] = seconds
    for (what, role), times in zip(_PLOTTED, found, strict=True):
        yield Curve(what, role, times)


def _run(*types: TypeLike) -> Loop:
    def loop(count: int) -> None:
        for _ in repeat(None, count):
            run(["true"], new=types, check=True)

    return loop


def _subprocess(command: list[str]) -> Loop:
    def loop(count: int) -> None:
        for _ in repeat(None, count):
            subprocess.run(command, check=True)

    return loop


def _preexec(count: int) -> None:
    """Leave by a function that Python calls in the child, for which it must fork."""
    unshare = ctypes.CDLL(None).unshare

    def leave() -> None:
        if unshare(lowlevel.CLONE_NEWUTS):
            raise OSError("unshare by hand has failed")

    for _ in repeat(None, count):
        subprocess.run(["true"], check=True, preexec_fn=leave)


def _once(loop: Loop) -> Sample:
    return lambda: seconds_each(loop, 1)


def _all(size: int, rounds: int) -> list[list[float]]:
    """Measure all that is plotted, in this process, once it is so large."""
    command = ["true"]
    loops = [_run("uts"), _subprocess(["unshare", "--uts", *command]), _preexec]
    memory = large.touched(size)
    taken = in_turn([_once(loop) for loop in [*loops, _subprocess(command)]], rounds)
    del memory
    return taken


def main() -> None:
    """Do what `rows` and `curves` ask for, in a process of its own."""
    what, *arguments = sys.argv[1:]
    if what == "all":
        size, rounds = map(int, arguments)
        print_rounds(_all(size, rounds))
    else:
        large.answer(batch_of(_run("uts")), what)


if __name__ == "__main__":
    main()
