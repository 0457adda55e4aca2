"""What is told of calls that are made on purpose."""

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from support import in_child

from pynamespaces import lowlevel
from pynamespaces.errors import SystemCallError
from pynamespaces.tracing import LostEvent, SetnsEvent, Trace, TraceEvent, trace

T = TypeVar("T")

SENTINEL = 987_654
"""No descriptor; the test's own call with it says that all before it is through."""

WAIT = 20.0
"""How long to wait for what must come, in seconds."""


def read_until(traced: Trace, until: Callable[[TraceEvent], bool]) -> list[TraceEvent]:
    """Read events up to one, which is left out."""
    found: list[TraceEvent] = []
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        for event in traced.read(0.1):
            assert not isinstance(event, LostEvent), event
            if until(event):
                return found
            found.append(event)
    raise AssertionError(f"it did not come; but {found}")


def all_so_far(traced: Trace) -> list[TraceEvent]:
    """Read all that has happened before."""
    with suppress(SystemCallError):
        lowlevel.setns(SENTINEL, 0)
    return read_until(
        traced, lambda event: isinstance(event, SetnsEvent) and event.fd == SENTINEL
    )


def told(function: Callable[[], T]) -> tuple[list[TraceEvent], T]:
    """Run in a traced child; return what was told, and what it returned."""
    with trace(pid=os.getpid(), interval=0.005) as traced:
        answer = in_child(function)
        return all_so_far(traced), answer


def failing(function: Callable[[], object]) -> str:
    """Return the name of the error with which a call fails."""
    try:
        function()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    raise AssertionError("it has not failed")
