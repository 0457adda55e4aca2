"""Importing: what it adds to the start of an interpreter."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from .measure import Row, Sample, Times, in_turn, one_cpu
from .place import Place

_AT_LEAST: Final = 25


def _interpreter(code: str) -> Sample:
    # -I: neither the current directory nor the environment gets in.
    command = [sys.executable, "-I", "-c", code]

    def sample() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - start

    return sample


def rows(place: Place) -> Iterator[Row]:
    """Measure the import, less the bare interpreter of the same round."""
    codes = ("import pynamespaces", "import asyncio", "pass")
    # in_turn runs each once before it counts, which leaves all bytecode compiled.
    with one_cpu():
        ours, theirs, bare = in_turn(
            [_interpreter(code) for code in codes], max(_AT_LEAST, 2 * place.rounds)
        )
    times = Times(ours, theirs).less(bare)
    yield Row("`import pynamespaces`", "`import asyncio`", times, 0.4)
