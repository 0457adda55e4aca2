"""`ThreadPoolExecutor`: how it ends, and that nothing is left of it."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import closing

import pytest
from creating import descriptors, nothing_happens
from starting import POWER, eventually
from support import in_child, run_python
from working import LIMIT, at_once, links, nothing, threads_in

from pynamespaces import Namespace, NamespaceSet, ThreadPoolExecutor


@pytest.fixture
def current() -> Iterator[NamespaceSet]:
    """The namespaces of the caller, which anybody may enter."""
    with closing(NamespaceSet.current()) as found:
        yield found


def test_shutdown_waits(current: NamespaceSet) -> None:
    """After a shutdown that waits, all is closed and nobody is left."""
    tasks = set(os.listdir("/proc/self/task"))
    before = descriptors()
    pool = ThreadPoolExecutor(current, 4)
    assert len(descriptors()) > len(before)
    [*pool.map(nothing, range(50))]
    pool.shutdown()
    assert descriptors() == before
    assert set(os.listdir("/proc/self/task")) == tasks
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(nothing)
    pool.shutdown()
    pool.shutdown(wait=False)


@POWER
def test_shutdown_leaves_nobody_inside() -> None:
    """When the pool is over, so are its threads, each time."""
    with closing(Namespace.new("net")) as net:
        for _ in range(30):
            with ThreadPoolExecutor(net, 3) as pool:
                assert len({*pool.map(lambda _: links()["net"], range(9))}) == 1
            assert threads_in(str(net.id)) == []


def test_shutdown_of_one_never_used(current: NamespaceSet) -> None:
    """A pool that had no work has nothing to end but is closed as well."""
    before = descriptors()
    ThreadPoolExecutor(current).shutdown()
    assert descriptors() == before


@pytest.mark.parametrize("later", [True, False])
def test_shutdown_does_not_wait(current: NamespaceSet, later: bool) -> None:
    """One that does not wait lets its work be done, and nothing is left in the end."""
    gate = threading.Event()
    with nothing_happens():
        pool = ThreadPoolExecutor(current, 2)
        waiting = [pool.submit(gate.wait, LIMIT) for _ in range(4)]
        pool.shutdown(wait=False)
        with pytest.raises(RuntimeError):
            pool.submit(nothing)
        gate.set()
        assert [future.result(LIMIT) for future in waiting] == [True] * 4
        if later:
            pool.shutdown()
        del pool, waiting
        eventually(lambda: threading.active_count() == 1)
        eventually(lambda: len(os.listdir("/proc/self/task")) == 1)


def test_shutdown_cancels(current: NamespaceSet) -> None:
    """What has not begun is cancelled if that is asked for."""
    gate, begun = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return gate.wait(LIMIT)

    pool = ThreadPoolExecutor(current, 1)
    first, *others = [pool.submit(work) for _ in range(5)]
    assert begun.wait(LIMIT)
    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()
    pool.shutdown()
    assert first.result(LIMIT)
    for future in others:
        with pytest.raises(CancelledError):
            future.result(LIMIT)


def test_dropped(current: NamespaceSet) -> None:
    """A pool that is dropped ends its threads and closes what it held."""
    before = descriptors()
    pool = ThreadPoolExecutor(current, 2)
    assert [*pool.map(int, range(4))] == [0, 1, 2, 3]
    del pool
    eventually(lambda: threading.active_count() == 1)
    eventually(lambda: descriptors() == before)


def test_shutdown_by_many(current: NamespaceSet) -> None:
    """Several threads may shut down one pool at once."""
    pool = ThreadPoolExecutor(current, 2)
    [*pool.map(nothing, range(4))]
    assert at_once(pool.shutdown, 5) == [None] * 5


def test_end_of_the_interpreter() -> None:
    """An interpreter that ends first does the work of the pools that it has."""
    code = """
import os, sys
from pynamespaces import NamespaceSet, ThreadPoolExecutor
pool = ThreadPoolExecutor(NamespaceSet.current(), 2)
for number in range(10):
    pool.submit(os.write, 1, b"x")
"""
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("x" * 10, "")


def test_after_fork() -> None:
    """A child makes pools of its own."""

    def check() -> None:
        with closing(Namespace.current("uts")) as uts:
            with ThreadPoolExecutor(uts, 2) as pool:
                assert pool.submit(links).result(LIMIT) == links()

    in_child(check)
