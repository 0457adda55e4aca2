"""Finding all namespaces, among many processes with namespaces of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which
from typing import Final

from pynamespaces import lowlevel, scan

from .measure import (
    Curve,
    Role,
    Row,
    Sample,
    Times,
    in_turn,
    output_of,
    print_rounds,
    read_rounds,
)
from .place import Place

_LSNS: Final = ["lsns", "--json"]
# One that has few pages, if it is there.
_IDLE: Final = [*(["busybox"] if which("busybox") else []), "sleep", "infinity"]
_OWN: Final = lowlevel.CLONE_NEWUTS | lowlevel.CLONE_NEWIPC
_BOUNDS: Final = {2_000: 0.3, 8_000: 0.15}
# A scan takes long beside a time slice; so few rounds will do.
_MOST_ROUNDS: Final = 7

_SIZES: Final = (250, 500, 1000, 2000, 4000)
# The first is what the others are compared with.
_PLOTTED: Final[tuple[tuple[str, Role], ...]] = (
    ("`scan()`", "ours"),
    ("`lsns --json`", "peer"),
    ("a loop over `/proc/*/ns/*` in Python", "peer"),
)

# With a /proc of their own, where nobody else comes and goes: lsns gives up where a
# process ends meanwhile.
_APART: Final = (
    *("unshare", "--pid", "--fork", "--mount", "--mount-proc"),
    *(sys.executable, "-m", "benchmarks.scanning"),
)


def rows(place: Place) -> Iterator[Row]:
    """Measure both, at two sizes."""
    found = {}
    rounds = str(min(place.rounds, _MOST_ROUNDS))
    for count, bound in _BOUNDS.items():
        what = f"`scan()`: {count:,} processes, two own namespaces each"
        against = "`lsns --json`"
        if which("lsns") is None or os.geteuid() != 0:
            yield Row(
                what, f"{against}: it is missing, or this is not root", None, bound
            )
            continue
        ours, theirs, _ = _measured(count, rounds)
        found[count] = Times(ours, theirs)
        yield Row(what, against, found[count], bound)
    if len(found) == len(_BOUNDS):
        small, large = found.values()
        growth = max(_BOUNDS) / min(_BOUNDS)
        each = Times([seconds / growth for seconds in large.ours], small.ours)
        yield Row("the same, by process, at 8,000", "at 2,000", each)


def curves(place: Place) -> Iterator[Curve]:
    """Measure all ways, at more sizes, which are smaller."""
    if which("lsns") is None or os.geteuid() != 0:
        return
    rounds = str(min(place.rounds, _MOST_ROUNDS))
    taken = {count: _measured(count, rounds) for count in _SIZES}
    for index, (what, role) in enumerate(_PLOTTED):
        yield Curve(what, role, {count: taken[count][index] for count in _SIZES})


def _measured(count: int, rounds: str) -> list[list[float]]:
    """Measure what is plotted, among so many processes."""
    return read_rounds(output_of(*_APART, str(count), rounds))


@contextmanager
def _population(count: int) -> Iterator[None]:
    """
    Have so many processes, each in namespaces of its own.

    Each is another program, as elsewhere: thousands of forks that share all their
    memory keep the kernel busy where it samples what memory is used (DAMON), which
    takes one of the cores from who uses more than one.
    """
    ready, say = os.pipe()
    pids = []
    try:
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                try:
                    lowlevel.unshare(_OWN)
                    os.execvp(_IDLE[0], _IDLE)
                except OSError as error:
                    os.write(say, str(error).encode())
                finally:
                    os._exit(1)
            pids.append(pid)
        os.close(say)
        # The last one's end is closed as it becomes another program.
        if failed := os.read(ready, 1000):
            raise RuntimeError(failed.decode())
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)


def _scanning() -> float:
    start = time.perf_counter()
    scan()
    return time.perf_counter() - start


def _lsns() -> float:
    start = time.perf_counter()
    subprocess.run(_LSNS, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _loop() -> float:
    """Look only at what each process is in, as a program without a library does."""
    start = time.perf_counter()
    found: dict[str, list[str]] = {}
    for pid in os.listdir("/proc"):
        if not pid.isdecimal():
            continue
        folder = f"/proc/{pid}/ns"
        try:
            for name in os.listdir(folder):
                found.setdefault(os.readlink(f"{folder}/{name}"), []).append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return time.perf_counter() - start


def main() -> None:
    """Do what `rows` asks for, in a process of its own."""
    count, rounds = map(int, sys.argv[1:])
    samples: list[Sample] = [_scanning, _lsns, _loop]
    with _population(count):
        print_rounds(in_turn(samples, rounds))


if __name__ == "__main__":
    main()
