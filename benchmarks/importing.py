"""Importing: what it adds to the start of an interpreter."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Final

from .measure import Curve, Role, Row, Sample, Times, in_turn, one_cpu
from .place import Place

_AT_LEAST: Final = 25
_PLOTTED: Final = (
    *("pynamespaces", "ctypes", "subprocess", "asyncio"),
    *("nsenter", "pyroute2"),
)


def _interpreter(code: str) -> Sample:
    # -I: neither the current directory nor the environment gets in.
    command = [sys.executable, "-I", "-c", code]

    def sample() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - start

    return sample


def _measured(modules: Sequence[str], rounds: int) -> list[list[float]]:
    """Time the start of interpreters with each module, and last, with none."""
    codes = [*(f"import {module}" for module in modules), "pass"]
    # in_turn runs each once before it counts, which leaves all bytecode compiled.
    with one_cpu():
        return in_turn(
            [_interpreter(code) for code in codes], max(_AT_LEAST, 2 * rounds)
        )


def rows(place: Place) -> Iterator[Row]:
    """Measure the import, less the bare interpreter of the same round."""
    ours, theirs, bare = _measured(("pynamespaces", "asyncio"), place.rounds)
    times = Times(ours, theirs).less(bare)
    yield Row("`import pynamespaces`", "`import asyncio`", times, 0.4)


def curves(place: Place) -> Iterator[Curve]:
    """Measure the same of several modules."""
    modules = [module for module in _PLOTTED if find_spec(module) is not None]
    *taken, bare = _measured(modules, place.rounds)
    for module, times in zip(modules, taken, strict=True):
        least = [one - same for one, same in zip(times, bare, strict=True)]
        role: Role = "ours" if module == "pynamespaces" else "peer"
        yield Curve(f"`import {module}`", role, {0: least})
