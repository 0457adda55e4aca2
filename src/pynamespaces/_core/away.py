"""
Reading nothing on the quiet where paths are somebody else's.

Python opens source files when it formats a traceback, and may even import. In a mount
namespace of somebody's they would be theirs: text that they choose, code of theirs, or
a FIFO on which the thread waits for ever.
"""

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec

from .. import _core

_getlines = linecache.getlines
_checkcache = linecache.checkcache


def _get_lines(
    filename: str, module_globals: dict[str, object] | None = None
) -> list[str]:
    return [] if _core.is_away() else _getlines(filename, module_globals)


def _check_cache(filename: str | None = None) -> None:
    if not _core.is_away():
        _checkcache(filename)


def install() -> None:
    """Have `linecache` know no source lines in threads that are away."""
    linecache.getlines = _get_lines
    linecache.checkcache = _check_cache


class _Nothing:
    """What finds no module, before others look for it."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec:
        raise ImportError(f"{name} is not looked for in another mount namespace")


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
