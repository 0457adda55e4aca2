"""`get_context`: pools and executors of `multiprocessing` work as ever, inside."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children

import pytest
import telling
import working
from contexts import TWO
from starting import OURS, Ours, new_of
from working import LIMIT, links

from pynamespaces import get_context

pytestmark = pytest.mark.usefixtures("tracked", "collected")


@TWO
def test_pool(ours: Ours) -> None:
    """A pool of `multiprocessing` has all its ways to be given work."""
    with get_context(**ours).Pool(2) as pool:
        squares = [number * number for number in range(40)]
        assert pool.map(working.square, range(40)) == squares
        assert list(pool.imap(working.square, range(40), chunksize=7)) == squares
        assert sorted(pool.imap_unordered(working.square, range(40))) == squares
        assert pool.starmap(working.product, [(1, 2), (3, 4)]) == [2, 12]
        assert pool.apply_async(working.square, [7]).get(LIMIT) == 49
        with pytest.raises(ZeroDivisionError):
            pool.apply(working.divide, [0])
        with pytest.raises(multiprocessing.TimeoutError):
            pool.apply_async(signal.pause).get(0.01)
        for found in pool.map(links, range(4)):
            assert working.differing(links(), found) == {*new_of(ours)}


@TWO
def test_pool_that_renews_itself(ours: Ours) -> None:
    """With maxtasksperchild workers end after so many tasks, and others come."""
    with get_context(**ours).Pool(1, maxtasksperchild=2) as pool:
        found = [pool.apply(links)["user" if "user" in new_of(ours) else "uts"]]
        found += [pool.apply(telling.hostname), pool.apply(telling.hostname)]
        assert found[1:] == [telling.hostname()] * 2
        pool.close()
        pool.join()


@OURS
def test_executor(ours: Ours) -> None:
    """An executor of processes maps, raises, and is shut down."""
    with ProcessPoolExecutor(2, mp_context=get_context(**ours)) as pool:
        assert [*pool.map(working.square, range(9))] == [n * n for n in range(9)]
        with pytest.raises(ZeroDivisionError) as caught:
            pool.submit(working.divide, 0).result(LIMIT)
        assert "in divide" in str(caught.value.__cause__)
        for found in pool.map(links, range(4)):
            assert working.differing(links(), found) == {*new_of(ours)}
        del caught


@TWO
def test_executor_initializer(ours: Ours) -> None:
    """Each worker of an executor calls the initialiser, inside."""
    context = get_context(**ours)
    with ProcessPoolExecutor(1, context, working.begin, ("hello",)) as pool:
        (begun,) = pool.submit(working.begun).result(LIMIT)
        assert begun == pool.submit(links).result(LIMIT)
        assert working.differing(links(), begun) == {*new_of(ours)}


@TWO
def test_executor_that_renews_itself(ours: Ours) -> None:
    """With max_tasks_per_child each worker ends by itself, and others come."""
    context = get_context(**ours)
    seen = set()
    with ProcessPoolExecutor(1, context, max_tasks_per_child=2) as pool:
        for _ in range(5):
            assert pool.submit(working.square, 3).result(LIMIT) == 9
            seen |= {process.pid for process in active_children()}
    assert len(seen) >= 3


@TWO
def test_executor_broken(ours: Ours) -> None:
    """A worker that dies breaks the executor, and nobody waits for ever."""
    with ProcessPoolExecutor(2, mp_context=get_context(**ours)) as pool:
        assert pool.submit(working.square, 2).result(LIMIT) == 4
        with pytest.raises(BrokenProcessPool):
            pool.submit(os._exit, 3).result(LIMIT)
        with pytest.raises(BrokenProcessPool):
            pool.submit(working.square, 2)
