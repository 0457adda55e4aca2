"""
Reading nothing on the quiet where paths are somebody else's.

Python opens source files when it formats a traceback, and may even import. In a mount
namespace of somebody's they would be theirs: text that they choose, code of theirs, or
a FIFO on which the thread waits for ever.
"""

from __future__ import annotations

import linecache
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec

from .. import _core

_getlines = linecache.getlines
_checkcache = linecache.checkcache
_unraisablehook = sys.unraisablehook
_excepthook = threading.excepthook
_is_installed = False


def _get_lines(
    filename: str, module_globals: dict[str, object] | None = None
) -> list[str]:
    return [] if _core.is_away() else _getlines(filename, module_globals)


def _check_cache(filename: str | None = None) -> None:
    if not _core.is_away():
        _checkcache(filename)


def _report_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    # Python's own reads the sources without asking linecache.
    if _unraisablehook is sys.__unraisablehook__ and _core.is_away():
        what = unraisable.err_msg or "Exception ignored in"
        _print(f"{what}: {unraisable.object!r}", unraisable.exc_value)
    else:
        _unraisablehook(unraisable)


def _report_of_thread(args: threading.ExceptHookArgs) -> None:
    if _excepthook is threading.__excepthook__ and _core.is_away():
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else "?"
            _print(f"Exception in thread {name}:", args.exc_value)
    else:
        _excepthook(args)


def _print(head: str, error: BaseException | None) -> None:
    with nothing_imported():
        lines = traceback.format_exception(error) if error else []
    if sys.stderr is not None:
        sys.stderr.write("".join([f"{head}\n", *lines]))


def install() -> None:
    """Have no sources read for tracebacks in threads that are away. Once is enough."""
    global _excepthook, _is_installed, _unraisablehook  # noqa: PLW0603 - its state
    if _is_installed:
        return
    linecache.getlines = _get_lines
    linecache.checkcache = _check_cache
    # What the program has by now. Another thread may be here too, and have set ours.
    if sys.unraisablehook is not _report_unraisable:
        _unraisablehook = sys.unraisablehook
        sys.unraisablehook = _report_unraisable
    if threading.excepthook is not _report_of_thread:
        _excepthook = threading.excepthook
        threading.excepthook = _report_of_thread
    _is_installed = True


class _Nothing:
    """What finds no module for a thread that is away, before others look for it."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        if _core.is_away():
            raise ImportError(f"{name} is not looked for in another mount namespace")
        return None


@contextmanager
def nothing_imported() -> Iterator[None]:
    """Import nothing in the body, if the calling thread is away."""
    if not _core.is_away():
        yield
        return
    finder = _Nothing()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
