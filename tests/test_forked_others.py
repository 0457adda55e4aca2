"""Pools, traces and supervision in a forked child: refused, and whole in the parent."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from forking import LIMIT, WITH_THREADS, forked, held
from starting import POWER, makable

from pynamespaces import (
    Namespace,
    NamespaceSet,
    ThreadPoolExecutor,
    Trace,
    supervise,
    trace,
)
from pynamespaces.tracing._answerer import NotifySource

pytestmark = WITH_THREADS


# --- pools ---


@contextmanager
def used_pool() -> Iterator[ThreadPoolExecutor]:
    """Make a pool of threads that has a thread without work."""
    with closing(Namespace.current("uts")) as uts, ThreadPoolExecutor(uts, 2) as pool:
        assert pool.submit(os.getpid).result(LIMIT) == os.getpid()
        yield pool


def refuse_work(pool: ThreadPoolExecutor) -> None:
    """See a pool refuse what nobody would do."""
    with pytest.raises(RuntimeError, match="a fork has none of the threads of a pool"):
        pool.submit(os.getpid)
    with pytest.raises(RuntimeError, match="make one in the child"):
        pool.map(abs, [1, 2])
    pool.shutdown()
    with closing(Namespace.current("uts")) as uts, ThreadPoolExecutor(uts, 1) as own:
        assert own.submit(os.getpid).result(LIMIT) == os.getpid()


def test_pool() -> None:
    """A child is told that it has no threads of a pool, and can make another."""
    with used_pool() as pool:
        forked(lambda: refuse_work(pool))
        assert pool.submit(os.getpid).result(LIMIT) == os.getpid()


def test_pool_locked() -> None:
    """So it is where a thread of the parent's was just using the pool."""
    with used_pool() as pool:
        with held(pool._shutdown_lock):
            forked(lambda: refuse_work(pool))
        assert pool.submit(os.getpid).result(LIMIT) == os.getpid()


def test_pool_left_by_a_fork() -> None:
    """A child that leaves the block of a pool does not wait for who is not there."""
    with used_pool() as pool:
        forked(lambda: pool.__exit__(None, None, None))
        assert pool.submit(os.getpid).result(LIMIT) == os.getpid()


# --- traces ---


def refuse_events(watching: Trace) -> None:
    """See a trace refuse events that nobody tells of, and close it."""
    uses: list[Callable[[], object]] = [
        watching.read,
        lambda: watching.read(0),
        lambda: next(iter(watching)),
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match="a fork cannot go on with a trace"):
            use()
    watching.close()


def test_trace() -> None:
    """A child is told that it has no trace; the program goes on, and is watched."""
    with trace(command=["sleep", "60"], backend="notify") as watching:
        forked(lambda: refuse_events(watching))
        assert watching.read(0) == []
        assert watching.returncode is None


def test_trace_locked() -> None:
    """So it is where the thread that answers was just telling of an event."""
    with closing(NotifySource(["sleep", "60"])) as source:
        uses: list[Callable[[], object]] = [
            source.read,
            source.wait,
            lambda: source.ended,
        ]

        def refuse() -> None:
            for use in uses:
                with pytest.raises(RuntimeError, match="a fork cannot go on"):
                    use()
            source.close()

        with held(source._answerer._changed):
            forked(refuse)
        assert not source.ended


def test_supervise() -> None:
    """A child that is forked by on_event, and goes on, is told so; its parent not."""
    parent = os.getpid()
    pids = []

    def fork(_: object) -> None:
        pids.append(os.fork())

    status = -1
    try:
        # A second call, since of the last there is nothing more to do.
        status = supervise(
            ["sh", "-c", "unshare --user true; unshare --user true; exit 7"],
            on_event=lambda event: None if pids else fork(event),
        )
    except RuntimeError as error:
        if os.getpid() != parent:
            os._exit(5 if "a fork cannot go on" in str(error) else 6)
        raise
    finally:
        if os.getpid() != parent:
            os._exit(7)
    assert status == 7
    assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 5


def test_supervised_by_a_fork() -> None:
    """A child that is forked by on_event supervises programs of its own."""
    told = []

    def ask(_: object) -> None:
        told.append(forked(lambda: supervise(["sh", "-c", "exit 7"])))

    assert supervise(["unshare", "--user", "true"], on_event=ask) == 0
    assert told == [7]


# --- calls ---


@POWER
def test_forked_in_a_call() -> None:
    """A child that is forked in a call has calls of its own."""

    def beside() -> str:
        with closing(NamespaceSet.new(*makable("uts"))) as other:
            assert other.call(os.getppid) > 0
            return str(other["uts"].id)

    def inside() -> tuple[str, str]:
        return forked(beside), os.readlink("/proc/thread-self/ns/uts")

    with closing(NamespaceSet.new(*makable("uts"))) as made:
        other, own = made.call(inside)
    assert own == str(made["uts"].id)
    assert other != own
