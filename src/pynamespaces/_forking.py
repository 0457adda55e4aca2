"""
What a fork of this process would find.

Only the thread that forks goes on in the child. What another was importing by then
stays half imported there, and whoever imports it waits for ever: so a fork waits a
while for imports of this package.
"""

import _thread
import os
import sys
import time
from _thread import LockType, allocate_lock, get_ident
from typing import Final

_PATIENCE: Final = 5.0
"""For how many seconds a fork waits; an import may hang, or wait for who forks."""

_importing: dict[int, LockType] = {}
"""Of each thread that has imported by this, a lock that it holds meanwhile."""

_is_torn = False
"""Whether this is a fork that did not wait long enough."""


def import_module(name: str) -> None:
    """
    Import a module, which a fork by another thread waits for.

    Raises:
        ImportError: It is not there; or this process was forked during an import.
    """
    if _is_torn and not _is_whole(name):
        raise ImportError(
            f"{name} is not imported, and cannot be: this process was forked while "
            "another thread was importing modules of this package, which took too long "
            "to wait for; import it before, or fork before there are threads"
        )
    own = get_ident()
    held = _importing.get(own)
    if held is not None and held.locked():
        __import__(name)
        return
    lock = allocate_lock()
    with lock:
        _importing[own] = lock
        __import__(name)


def _is_whole(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and not getattr(spec, "_initializing", False)


def _held_by_others() -> list[LockType]:
    own = get_ident()
    # A copy, since other threads go on.
    locks = [lock for ident, lock in _importing.copy().items() if ident != own]
    return [lock for lock in locks if lock.locked()]


def _wait_for_others() -> None:
    """Before a fork: wait until nobody is importing, for so long at most."""
    deadline = time.monotonic() + _PATIENCE
    while locks := _held_by_others():
        left = deadline - time.monotonic()
        if left <= 0:
            return
        if locks[0].acquire(timeout=left):
            locks[0].release()


def _look_back() -> None:
    """In the child of a fork: find out whether it was in time."""
    global _is_torn  # noqa: PLW0603 - the state of this module
    _is_torn = _is_torn or bool(_held_by_others())
    own = _importing.get(get_ident())
    _importing.clear()
    if own is not None:
        _importing[get_ident()] = own


os.register_at_fork(before=_wait_for_others, after_in_child=_look_back)


def _is_main() -> bool:
    is_main = getattr(_thread, "_is_main_interpreter", None)
    if is_main is not None:
        return bool(is_main())
    # Before CPython 3.12; and other Pythons have but one.
    try:
        others = __import__("_xxsubinterpreters")
    except ImportError:
        return True
    return bool(others.get_current() == others.get_main())


def can_fork() -> bool:
    """
    Return whether a fork of this process could go on in Python.

    No fork has a subinterpreter, and where there is one, CPython's hangs or aborts.
    """
    if not _is_main():
        return False
    # Who has made others here has imported one of these.
    modules = [sys.modules.get(n) for n in ("_interpreters", "_xxsubinterpreters")]
    return all(module is None or len(module.list_all()) == 1 for module in modules)


def require_forkable() -> None:
    """
    Refuse a copy of this process that could not go on in Python.

    Raises:
        RuntimeError: This is a subinterpreter, or there are some.
    """
    if not can_fork():
        raise RuntimeError(
            "a process with subinterpreters cannot be forked: end them first, or start "
            "a program"
        )
