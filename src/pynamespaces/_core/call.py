"""Calling a function in other namespaces: in a fresh thread, or a process."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from .. import _core
from .._types import NamespaceType, override, shown
from ..errors import CallError
from . import answers, reach, settle
from .threads import wait_until_gone

_T = NamespaceType

How: TypeAlias = Literal["thread", "process"]


_LOOKED_AT: Final = settle.NOT_BY_THREADS | {_T.MNT}
"""What is left out if the caller is in it; to enter others again changes nothing."""

_audit = sys.audit


def call(
    members: Sequence[settle.Member],
    function: settle.Function,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    how: How | None,
) -> object:
    """
    Call a function where some namespaces are joined, and return its value.

    Args:
        members: What is joined.

        function: What is called.

        args: With which arguments.

        kwargs: The same, by name.

        how: In a thread or a process; if not given, in a thread where threads can be.
    """
    wanted = [
        member
        for member in members
        if member._types[0] not in _LOOKED_AT or not member._is_where_children_are()
    ]
    types = tuple([member._types[0] for member in wanted])
    chosen = _choose(types, how)
    if _T.MNT in types:
        _core.load_all()
    _audit("pynamespaces.setns", types)
    if chosen == "process":
        return _in_process(wanted, function, args, kwargs)
    thread = _Thread(wanted, function, args, kwargs)
    try:
        thread.start()
    except RuntimeError:
        # A thread whose children are born in another pid namespace can have no threads.
        if how is not None or not reach.has_children_elsewhere():
            raise
        return _in_process(wanted, function, args, kwargs)
    thread.join()
    wait_until_gone(thread.native_id or 0)
    return thread.result()


def _choose(types: Sequence[NamespaceType], how: How | None) -> How:
    is_for_threads = settle.NOT_BY_THREADS.isdisjoint(types)
    if how is None:
        return "thread" if is_for_threads else "process"
    if how not in ("thread", "process"):
        raise ValueError(f"how is 'thread', 'process' or None, not {shown(how)}")
    if how == "thread" and not is_for_threads:
        first = next(type for type in types if type in settle.NOT_BY_THREADS)
        raise ValueError(
            f"no thread can be alone in another {first} namespace: "
            "leave out how, or say 'process'"
        )
    return how


def _in_process(
    members: Sequence[settle.Member],
    function: settle.Function,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> object:
    joined = [
        (member._types[0], member._hold())
        for member in members
        if not member._is_where_children_are()
    ]
    try:
        return _core.agents.call(joined, function, args, kwargs)
    finally:
        for _, hold in joined:
            hold.close()


class _Thread(threading.Thread):
    """A thread that moves in, does something, and ends."""

    _value: object = None
    _error: BaseException | None = None

    def __init__(
        self,
        members: Sequence[settle.Member],
        function: settle.Function,
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> None:
        super().__init__(name="pynamespaces-call")
        self._work = (members, contextvars.copy_context(), function, args, kwargs)

    @override
    def run(self) -> None:
        members, context, function, args, kwargs = self._work
        del self._work
        try:
            settle.settle_thread(members)
            value = context.run(function, *args, **kwargs)
            self._value = settle.refuse_unrun(value)
        except SystemExit as error:
            status = answers.exit_status(error)
            said = f"the function ended by sys.exit({error.code!r})"
            self._error = CallError(said, status)
            self._error.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - the caller's to handle
            self._error = error

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
