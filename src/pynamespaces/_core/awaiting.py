"""
Noticing that an event loop ran while a coroutine was inside.

The loop runs all its tasks on one thread. One that awaits inside a body lets the others
run in there, and what it is resumed in may be theirs. That cannot be prevented, only
told, when the body ends.
"""

import sys
import warnings
from _thread import _local
from typing import TYPE_CHECKING, Final, NamedTuple

from .._types import NamespaceType

if TYPE_CHECKING:
    import asyncio

_WAYS: Final = (
    "call it in a thread, by `await asyncio.to_thread(ns.call, function)` or "
    "`loop.run_in_executor(ThreadPoolExecutor(ns), function)`, use sockets from "
    "`ns.socket()`, or start a program by `create_subprocess_exec(..., join=ns)`"
)

_EVENTS: Final = "asyncio.events"


class _Mark(NamedTuple):
    """What was so when a body began."""

    loop: "asyncio.AbstractEventLoop"
    task: "asyncio.Task[object] | None"
    turns: list[int]
    """Not empty once the loop has gone on to what is next."""

    handle: "asyncio.Handle"


class _Marks(_local):
    """Those of the calling thread, by the depth of its stack of entries."""

    def __init__(self) -> None:
        self.by_depth: dict[int, _Mark] = {}


_marks: Final = _Marks()


def note(depth: int) -> None:
    """Remember that a body begins, if an event loop runs on this thread."""
    loop = sys.modules[_EVENTS]._get_running_loop()
    known = _marks.by_depth
    if loop is None:
        known.pop(depth, None)
        return
    turns: list[int] = []
    handle = loop.call_soon(turns.append, 1)
    known[depth] = _Mark(loop, _current_task(loop), turns, handle)


def _current_task(
    loop: "asyncio.AbstractEventLoop",
) -> "asyncio.Task[object] | None":
    task: asyncio.Task[object] | None = sys.modules["asyncio.tasks"].current_task(loop)
    return task


def has_awaited(depth: int) -> bool:
    """Return whether a loop has run other things since the body began."""
    mark = _marks.by_depth.pop(depth, None)
    if mark is None:
        return False
    mark.handle.cancel()
    if mark.turns:
        return True
    loop = sys.modules[_EVENTS]._get_running_loop()
    return loop is not mark.loop or _current_task(loop) is not mark.task


def warn(types: tuple[NamespaceType, ...], stacklevel: int = 3) -> None:
    """Tell whoever has written the ``with`` statement, after the thread is back."""
    warnings.warn(
        f"a body inside another {', '.join(types)} namespace has awaited: other tasks "
        f"of the event loop have run in there; do not await inside, but {_WAYS}",
        RuntimeWarning,
        stacklevel=stacklevel,
    )


def hint() -> str:
    """Return what to say of entries and leaves that are out of order."""
    if _EVENTS not in sys.modules or not sys.modules[_EVENTS]._get_running_loop():
        return ""
    return f"; a body must not await, since other tasks run on its thread: {_WAYS}"
