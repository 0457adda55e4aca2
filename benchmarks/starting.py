"""Starting programs: in fresh namespaces, and as `subprocess` does it."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import repeat
from typing import Final

from pynamespaces import TypeLike, run

from . import large
from .measure import Loop, Row, batch_of, compare, one_cpu
from .place import Place

_OURS: Final = "`run(['true'], new='uts')`"
_INIT: Final = "`run(['true'], new=('pid', 'mnt'))`: with an init and /proc"

# The work is another process's: what is measured varies more than a call does.
_TIMES: Final = 10


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


if __name__ == "__main__":
    large.answer(batch_of(_run("uts")), sys.argv[1])
