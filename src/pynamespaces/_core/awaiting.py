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
    task: object
    turns: list[int]
    """Not empty once the loop has gone on to what is next."""


class _Marks(_local):
    """Those of the calling thread, by the depth of its stack of entries."""

    def __init__(self) -> None:
        self.by_depth: dict[int, _Mark] = {}
        self.last: _Mark | None = None
        """Of one whose loop has not gone on yet; of no task, to keep none alive."""


_marks: Final = _Marks()


def _running_loop() -> "asyncio.AbstractEventLoop | None":
    # Another thread may just be importing it.
    ask = getattr(sys.modules.get(_EVENTS), "_get_running_loop", None)
    loop: asyncio.AbstractEventLoop | None = None if ask is None else ask()
    return None if loop is None or loop.is_closed() else loop


def _current_task(loop: "asyncio.AbstractEventLoop") -> object:
    ask = getattr(sys.modules.get("asyncio.tasks"), "current_task", None)
    return None if ask is None else ask(loop)


def note(depth: int) -> None:
    """Remember that a body begins, if an event loop runs on this thread."""
    loop = _running_loop()
    if loop is None:
        _marks.by_depth.pop(depth, None)
        return
    last = _marks.last
    # One that the loop has not come to yet will do for all bodies until then.
    if last is None or last.loop is not loop or last.turns:
        turns: list[int] = []
        loop.call_soon(_turn, turns)
        _marks.last = _Mark(loop, None, turns)
    else:
        turns = last.turns
    _marks.by_depth[depth] = _Mark(loop, _current_task(loop), turns)


def _turn(turns: list[int]) -> None:
    turns.append(1)
    if _marks.last is not None and _marks.last.turns is turns:
        _marks.last = None


def has_awaited(depth: int) -> bool:
    """Return whether a loop has run other things since the body began."""
    mark = _marks.by_depth.pop(depth, None)
    if mark is None:
        return False
    if mark.turns or _running_loop() is not mark.loop:
        return True
    return _current_task(mark.loop) is not mark.task


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
    if _running_loop() is None:
        return ""
    return f"; a body must not await, since other tasks run on its thread: {_WAYS}"
