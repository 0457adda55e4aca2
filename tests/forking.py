"""What the tests of forks share: children that end, and locks that somebody holds."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, TypeVar

import pytest
from support import in_child

T = TypeVar("T")

LIMIT: Final = 30
"""After how many seconds a child that hangs is ended, and the test fails."""

WITH_THREADS: Final = pytest.mark.filterwarnings(
    # CPython 3.12 and later, where there are other threads.
    "ignore:This process:DeprecationWarning"
)


def forked(function: Callable[[], T]) -> T:
    """Run a function in a forked child, which ends even if it hangs."""

    def run() -> T:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LIMIT)
        return function()

    return in_child(run)


@contextmanager
def held(lock: AbstractContextManager[object]) -> Iterator[None]:
    """Have another thread hold a lock meanwhile."""
    is_held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            is_held.set()
            over.wait(LIMIT)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert is_held.wait(LIMIT)
        yield
    finally:
        over.set()
        thread.join()
