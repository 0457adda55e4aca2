"""How all figures are measured: both sides in turn, medians, ratios of each round."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from os import sched_getaffinity, sched_setaffinity
from pathlib import Path
from typing import Final, Literal, TypeAlias

ROOT: Final = Path(__file__).resolve().parent.parent

# Long beside the clock and the call of a loop, and short beside a time slice: with
# other work on the machine, most batches still run undisturbed, and so their median.
BATCH_SECONDS: Final = 0.0005
_TRIAL: Final = 50

Loop: TypeAlias = Callable[[int], object]
"""Does the thing so many times."""

Sample: TypeAlias = Callable[[], float]
"""Measures the thing once, in seconds."""


@dataclass(frozen=True)
class Times:
    """What was measured of the two sides: seconds of each round."""

    ours: list[float]
    theirs: list[float]

    def less(self, base: Sequence[float]) -> "Times":
        """Subtract, round by round, what both sides have in common."""
        return Times(
            [ours - same for ours, same in zip(self.ours, base, strict=True)],
            [theirs - same for theirs, same in zip(self.theirs, base, strict=True)],
        )

    @property
    def ratio(self) -> float:
        """
        The median of the rounds' ratios.

        The sides of one round run right after each other, so what slows the machine
        for longer than that slows both; the ratio of the medians would show it.
        """
        return statistics.median(
            ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)
        )


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    against: str
    times: Times | None
    """None: not measured, as *against* says why."""

    bound: float | None = None
    """What the ratio must not exceed; None: for information."""

    @property
    def met(self) -> bool | None:
        """Whether the bound is met, which what was not measured is not."""
        if self.bound is None:
            return None
        return self.times is not None and self.times.ratio <= self.bound


Role: TypeAlias = Literal["ours", "peer", "floor"]
"""Whose way it is; the floor is what remains if nothing is done about namespaces."""


@dataclass(frozen=True)
class Curve:
    """
    A line of a plot: one way to do something, at several sizes.

    It is compared, round by round, with the first of its group.
    """

    name: str
    role: Role
    times: dict[int, list[float]]
    """Seconds of each round, by size; of what has no size, at 0 alone."""

    group: int = 0
    """What was measured in turn, and does the same."""


def in_turn(samples: Sequence[Sample], rounds: int) -> list[list[float]]:
    """Take samples in turn, every other round backwards, so none is always first."""
    for sample in samples:  # Warm up: caches, bytecode, lazy imports.
        sample()
    taken: list[list[float]] = [[] for _ in samples]
    for number in range(rounds):
        order = range(len(samples))
        for index in order if number % 2 == 0 else reversed(order):
            taken[index].append(samples[index]())
    return taken


def seconds_each(loop: Loop, count: int) -> float:
    """Time one batch; return the seconds of one time through."""
    start = time.perf_counter()
    loop(count)
    return (time.perf_counter() - start) / count


def batch_of(loop: Loop) -> Sample:
    """Warm a loop up, and make a sample of as many times as fill a batch."""
    loop(_TRIAL)
    count = max(1, round(BATCH_SECONDS / seconds_each(loop, _TRIAL)))
    return lambda: seconds_each(loop, count)


def compare(ours: Loop, theirs: Loop, rounds: int) -> Times:
    """Time two loops of this process in turn."""
    return Times(*in_turn([batch_of(ours), batch_of(theirs)], rounds))


def output_of(*command: str) -> str:
    """Run a program; return what it prints. Its errors pass through."""
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ).stdout


def output_of_python(module: str, *arguments: str) -> str:
    """Run a module of this package in an interpreter of its own."""
    return output_of(sys.executable, "-m", f"benchmarks.{module}", *arguments)


def print_times(times: Times) -> None:
    """Hand times over to the parent, which reads them by `read_times`."""
    print(json.dumps(asdict(times)))


def read_times(text: str) -> Times:
    """Read what a child printed."""
    lists = json.loads(text)
    return Times(lists["ours"], lists["theirs"])


def print_rounds(taken: list[list[float]]) -> None:
    """Hand over what `in_turn` took to the parent, which reads it by `read_rounds`."""
    print(json.dumps(taken))


def read_rounds(text: str) -> list[list[float]]:
    """Read what a child printed."""
    return [[float(seconds) for seconds in rounds] for rounds in json.loads(text)]


@contextmanager
def one_cpu() -> Iterator[None]:
    """Keep this process, and the children it starts, on one CPU."""
    allowed = sched_getaffinity(0)
    # The first is where interrupts tend to go.
    sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        sched_setaffinity(0, allowed)
