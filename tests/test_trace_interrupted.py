"""Who reads a trace, is interrupted by a signal's handler, and reads on."""

from __future__ import annotations

import dis
import os
import signal
import sys
from functools import cache
from itertools import cycle, pairwise
from types import CodeType, FrameType
from typing import TYPE_CHECKING

import pytest
from support import in_child
from test_trace_watching import STORMING, unshare_uts

from pynamespaces.tracing import (
    SetnsEvent,
    Trace,
    TraceEvent,
    UnshareEvent,
    _answerer,
    _live,
    trace,
)

MOST = 60
"""More calls than reading makes that finds something."""

UNSHARING = """
import sys, time
from pynamespaces import lowlevel
for _ in range(int(sys.argv[1])):
    time.sleep(0.005)
    try:
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)
    except OSError:
        pass
"""


if TYPE_CHECKING:
    from _typeshed import TraceFunction


class StopError(Exception):
    """What a signal's handler raises."""


@cache
def after_calls(code: CodeType) -> frozenset[int]:
    """Return where in code the interpreter looks for signals, as one has called."""
    instructions = list(dis.get_instructions(code))
    return frozenset(
        after.offset
        for before, after in pairwise(instructions)
        if before.opname.startswith("CALL")
    )


def read_interrupted(traced: Trace, number: int) -> list[TraceEvent]:
    """Read, and raise after so many calls that this makes, as a handler would."""
    left = number
    has_returned = False

    def watch(frame: FrameType, *_: object) -> TraceFunction | None:
        if frame.f_code.co_filename not in (_answerer.__file__, _live.__file__):
            return None
        frame.f_trace_opcodes = True
        return step

    def step(frame: FrameType, event: str, _: object) -> TraceFunction:
        nonlocal left, has_returned
        if event == "opcode":
            # After a function in Python it does not look.
            if not has_returned and frame.f_lasti in after_calls(frame.f_code):
                left -= 1
                if left == 0:
                    raise StopError
            has_returned = False
        elif event == "return":
            has_returned = True
        return step

    try:
        sys.settrace(watch)
        return traced.read(0.1)
    except StopError:
        return []
    finally:
        sys.settrace(None)


@pytest.mark.tier("root")
def test_after_each_call() -> None:
    """No event is lost, nor told twice, wherever reading is interrupted."""
    found: list[TraceEvent] = []
    with trace(pid=os.getpid(), interval=0.005) as traced:
        for number in range(1, MOST):
            in_child(unshare_uts)
            found += read_interrupted(traced, number)
        while events := traced.read(0.1):
            found += events
    assert sum(isinstance(event, UnshareEvent) for event in found) == MOST - 1


def test_after_each_call_of_a_notified_program() -> None:
    """The same where a thread answers for who reads."""
    command = [sys.executable, "-c", UNSHARING, str(MOST)]
    numbers = cycle(range(1, MOST))
    found: list[TraceEvent] = []
    with trace(command=command, backend="notify", syscalls=["unshare"]) as traced:
        while not traced.ended:
            found += read_interrupted(traced, next(numbers))
    assert sum(isinstance(event, UnshareEvent) for event in found) == MOST


@pytest.mark.tier("root")
def test_in_a_storm() -> None:
    """Who is interrupted and reads on is told what came before."""

    def stop(*_: object) -> None:
        raise StopError

    def look() -> None:
        signal.signal(signal.SIGALRM, stop)
        command = [sys.executable, "-c", STORMING, "50000"]
        found: list[TraceEvent] = []
        stops = 0
        with trace(command=command, backend="perf-own", syscalls=["setns"]) as traced:
            while not traced.ended:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.02)
                    found += traced.read(0.1)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except StopError:
                    stops += 1
        told = sum(isinstance(event, SetnsEvent) for event in found)
        # The call that is just being told may be lost.
        assert 50_000 - 2 * stops <= told + traced.lost <= 50_000
        assert stops

    in_child(look)
