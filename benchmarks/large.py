"""A process with much memory and many threads, beside a small one."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .measure import ROOT, Row, Sample, Times, in_turn, one_cpu

THREADS: Final = 50
_MEMORY: Final = 2 << 30
_PAGE: Final = 4096
# A batch is short: many of them, for each round of processes.
_PAIRS: Final = 10
# How much more there has to be than a process takes; others need some.
_MARGIN: Final = 1.25


def row(
    what: str, against: str, module: str, *arguments: str, rounds: int, bound: float
) -> Row:
    """Let a module `answer` in a large and in a small process, in turn."""
    if not has_room(_MEMORY):
        return Row(what, f"{against}: too little memory here", None, bound)
    with (
        one_cpu(),
        _process(module, "large", *arguments) as ours,
        _process(module, "small", *arguments) as theirs,
    ):
        return Row(
            what, against, Times(*in_turn([ours, theirs], _PAIRS * rounds)), bound
        )


def has_room(size: int) -> bool:
    """Return whether so many bytes can be taken."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 > size * _MARGIN
    return False


def touched(size: int) -> bytearray:
    """Take so many bytes, so that the process has a page table for each page."""
    memory = bytearray(size)
    memory[::_PAGE] = b"x" * (size // _PAGE)
    return memory


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[Sample]:
    """Start a process that takes a sample whenever it is asked for one."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT
    ) as process:
        assert process.stdin
        assert process.stdout
        asking, answering = process.stdin, process.stdout

        def sample() -> float:
            asking.write("\n")
            asking.flush()
            return float(answering.readline())

        yield sample
        asking.close()


def answer(sample: Sample, size: str) -> None:
    """Take a sample for each line that is read, as a process that is so large."""
    if size == "large":
        _answer_large(sample)
    else:
        _answer(sample)


def _answer(sample: Sample) -> None:
    for _ in sys.stdin:
        print(sample(), flush=True)


def _answer_large(sample: Sample) -> None:
    """Do so as a process that is costly to copy."""
    memory = touched(_MEMORY)
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        _answer(sample)
    finally:
        end.set()
        for thread in threads:
            thread.join()
    del memory
