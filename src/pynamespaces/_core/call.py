"""Calling a function in other namespaces: in a fresh thread, or a process."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from .. import _core
from .._types import NamespaceType, override
from ..errors import CallError
from . import answers, reach, settle
from .threads import wait_until_gone

_T = NamespaceType

How: TypeAlias = Literal["thread", "process"]


def call(
    joined: settle.Joined,
    function: settle.Function,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    how: How | None,
) -> object:
    """
    Call a function where some namespaces are joined, and return its value.

    Args:
        joined: What the calling thread is not in; they are let go of.

        function: What is called.

        args: With which arguments.

        kwargs: The same, by name.

        how: In a thread or a process; if not given, in a thread where threads can be.
    """
    types = settle.types_of(joined)
    chosen = _choose(types, how)
    if _T.MNT in types:
        _core.load_all()
    sys.audit("pynamespaces.setns", types)
    if chosen == "process":
        return _in_process(joined, function, args, kwargs)
    thread = _Thread(joined, lambda: function(*args, **kwargs))
    try:
        thread.start()
    except RuntimeError:
        # A thread whose children are born in another pid namespace can have no threads.
        if how is not None or not reach.has_children_elsewhere():
            raise
        return _in_process(joined, function, args, kwargs)
    thread.join()
    wait_until_gone(thread.native_id or 0)
    return thread.result()


def _choose(types: Sequence[NamespaceType], how: How | None) -> How:
    processes_only = [type for type in types if type in settle.NOT_BY_THREADS]
    if how is None:
        return "process" if processes_only else "thread"
    if how not in ("thread", "process"):
        raise ValueError(f"how is 'thread', 'process' or None, not {how!r}")
    if how == "thread" and processes_only:
        raise ValueError(
            f"no thread can be alone in another {processes_only[0]} namespace: "
            "leave out how, or say 'process'"
        )
    return how


def _in_process(
    joined: settle.Joined,
    function: settle.Function,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> object:
    try:
        return _core.agents.call(joined, function, args, kwargs)
    finally:
        for _, hold in joined:
            hold.close()


class _Thread(threading.Thread):
    """A thread that moves in, does something, and ends."""

    def __init__(self, joined: settle.Joined, work: Callable[[], object]) -> None:
        super().__init__(name="pynamespaces-call")
        self._joined = joined
        self._work = work
        self._context = contextvars.copy_context()
        self._value: object = None
        self._error: BaseException | None = None

    @override
    def run(self) -> None:
        try:
            settle.settle_thread(self._joined)
            self._value = self._context.run(self._work)
        except SystemExit as error:
            status = answers.exit_status(error)
            said = f"the function ended by sys.exit({error.code!r})"
            self._error = CallError(said, status)
            self._error.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - the caller's to handle
            self._error = error
        finally:
            del self._joined, self._work, self._context

    def result(self) -> object:
        """Return the value, or raise what was raised, once."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return self._value
        finally:
            # The traceback has this frame.
            del error, self
