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
    Row,
    Sample,
    Times,
    in_turn,
    output_of,
    print_times,
    read_times,
)
from .place import Place

_LSNS: Final = ["lsns", "--json"]
# One that has few pages, if it is there.
_IDLE: Final = [*(["busybox"] if which("busybox") else []), "sleep", "infinity"]
_OWN: Final = lowlevel.CLONE_NEWUTS | lowlevel.CLONE_NEWIPC
_BOUNDS: Final = {2_000: 0.3, 8_000: 0.15}
# A scan takes long beside a time slice; so few rounds will do.
_MOST_ROUNDS: Final = 7

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
        found[count] = read_times(output_of(*_APART, str(count), rounds))
        yield Row(what, against, found[count], bound)
    if len(found) == len(_BOUNDS):
        small, large = found.values()
        growth = max(_BOUNDS) / min(_BOUNDS)
        each = Times([seconds / growth for seconds in large.ours], small.ours)
        yield Row("the same, by process, at 8,000", "at 2,000", each)


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


def main() -> None:
    """Do what `rows` asks for, in a process of its own."""
    count, rounds = map(int, sys.argv[1:])
    samples: list[Sample] = [_scanning, _lsns]
    with _population(count):
        print_times(Times(*in_turn(samples, rounds)))


if __name__ == "__main__":
    main()
