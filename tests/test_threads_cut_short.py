"""Threads into which another raises, as debuggers and servers do, at any moment."""

import ctypes
import gc
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final

import pytest
from creating import children, descriptors
from forking import forked
from starting import POWER, eventually
from support import own_all

from pynamespaces import Namespace, NamespaceSet, run, unshared
from pynamespaces._core.threads import is_alone
from pynamespaces._lib import lib

ROUNDS: Final = int(os.environ.get("PYNAMESPACES_CUT_SHORT_ROUNDS", "150"))

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc


class CutShort(BaseException):
    """What is raised in a thread."""


class Cutter:
    """Raises once in the thread that made it, soon after each time that it is asked."""

    def __init__(self, longest: float) -> None:
        self._ident = ctypes.c_ulong(threading.get_ident())
        self._longest = longest
        self._asked = threading.Semaphore(0)
        self._is_over = False
        self._thread = threading.Thread(target=self._cut)
        self._thread.start()

    def cut(self) -> None:
        """Have it raised."""
        self._asked.release()

    def close(self) -> None:
        """Raise no more."""
        self._is_over = True
        self._asked.release()
        self._thread.join()

    def _cut(self) -> None:
        while self._asked.acquire() and not self._is_over:
            time.sleep(random.uniform(0, self._longest))
            _raise_in(self._ident, ctypes.py_object(CutShort))


@contextmanager
def two() -> Iterator[tuple[Namespace, NamespaceSet]]:
    """Make a namespace, and a set of two."""
    with closing(NamespaceSet.new("uts", "ipc")) as made:
        yield made["uts"], made


def enter(one: Namespace, _: NamespaceSet) -> None:
    """Enter one."""
    with one:
        pass


def enter_all(one: Namespace, both: NamespaceSet) -> None:
    """Enter one, and others inside."""
    with one, both:
        pass


def part(_: Namespace, __: NamespaceSet) -> None:
    """Have fresh ones for a while."""
    with unshared("uts", "ipc"):
        pass


def call(one: Namespace, _: NamespaceSet) -> None:
    """Have a function called in one."""
    one.call(int)


def start(one: Namespace, _: NamespaceSet) -> None:
    """Start a program in one."""
    run(["true"], join=one)


DEEDS: Final[dict[str, tuple[Callable[[Namespace, NamespaceSet], None], float]]] = {
    "enter": (enter, 3e-4),
    "enter_all": (enter_all, 5e-4),
    "part": (part, 5e-4),
    "call": (call, 3e-3),
    "start": (start, 1e-2),
}

NEWBORN: Final = pytest.mark.skipif(
    sys.version_info < (3, 12),
    reason="CPython 3.11 may raise it in a thread that is being started, for which "
    "Thread.start() then waits for ever",
)

ON_THE_THRESHOLD: Final = {"__exit__", "leave"}
"""Where an exception comes before anything has been done: as for any ``with``."""


def storm(deed: str) -> tuple[int, int]:
    """Return how often it was cut short, and how often on the threshold."""
    do, longest = DEEDS[deed]
    home, cuts, kept = own_all(), 0, 0
    cutter = Cutter(longest)
    with two() as (one, both):
        for _ in range(ROUNDS):
            try:
                cutter.cut()
                while True:
                    do(one, both)
            except CutShort as error:
                frames = traceback.extract_tb(error.__traceback__)
                where = {frame.name for frame in frames}
            cuts += 1
            if lib.pyns_depth():
                assert where & ON_THE_THRESHOLD, where
                kept += 1
                assert lib.pyns_undo(0) == 0
            assert own_all() == home, where
            assert not lib.pyns_lost()
    cutter.close()
    return cuts, kept


@POWER
@pytest.mark.parametrize(
    "deed",
    [pytest.param(deed, marks=NEWBORN if deed == "call" else ()) for deed in DEEDS],
)
def test_cut_short(deed: str) -> None:
    """Wherever it is cut short, a thread is where it was, and nothing goes on."""

    def watch() -> tuple[int, int]:
        with two() as (one, both):
            DEEDS[deed][0](one, both)
        before = descriptors(), children()
        found = storm(deed)
        gc.collect()
        eventually(is_alone)  # A function that was called goes on until it is through.
        after = descriptors(), children()
        # A namespace that is just being opened is lost, as by os.open().
        if deed != "part":
            assert after == before
        return found

    cuts, kept = forked(watch)
    assert cuts == ROUNDS
    assert kept <= ROUNDS / 4
