"""Ways to have something called: how a process for it begins, and where it is."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Final, TypeAlias

import pytest
from starting import makable

from pynamespaces import NamespaceSet
from pynamespaces._core.call import How


@contextmanager
def threaded() -> Iterator[None]:
    """Have another thread in this process."""
    end = threading.Event()

    def wait() -> None:
        # They are for the main thread, which waits for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        end.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@contextmanager
def alone() -> Iterator[None]:
    """Have no other thread."""
    assert threading.active_count() == 1
    yield


Birth: TypeAlias = Callable[[], AbstractContextManager[None]]

BIRTHS: Final = pytest.mark.parametrize(
    "birth", [pytest.param(alone, id="forked"), pytest.param(threaded, id="fresh")]
)
"""The ways in which a process for a call begins."""

KINDS: Final = pytest.mark.parametrize("how", ["thread", "process"])


@contextmanager
def somewhere(how: How) -> Iterator[NamespaceSet]:
    """Give namespaces in which the caller of this tier can call in a way."""
    types = makable("uts")
    if how == "thread" and "user" in types:
        pytest.skip("an ordinary user has no power over what a thread could enter")
    with closing(NamespaceSet.new(*types)) as made:
        yield made
