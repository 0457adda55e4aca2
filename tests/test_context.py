"""`get_context`: what `multiprocessing` has works as ever, in namespaces."""

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import ProcessError, active_children, shared_memory
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext, SpawnProcess

import pytest
import working
from starting import OURS, Ours, new_of, orphans_reaped
from support import run_python
from working import LIMIT, links

from pynamespaces import get_context
from pynamespaces.workers.processes import NamespaceContext

TWO = pytest.mark.parametrize(
    "ours",
    [Ours(new=("user", "uts")), Ours(new=("user", "pid"))],
    ids=["user", "init"],
)
"""The ways in which what is behind a process object differs."""

CODES = (0, 1, 255, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGUSR1)


@pytest.fixture(autouse=True, scope="module")
def _tracked() -> Iterator[None]:
    with working.tracked():
        yield


@pytest.fixture(autouse=True)
def _collected(nothing_left_behind: None) -> Iterator[None]:
    yield
    gc.collect()


@contextmanager
def staying(
    context: NamespaceContext, target: object = working.wait_for_end
) -> Iterator[SpawnProcess]:
    """Have a process that stays until the body ends, and is ready."""
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=[theirs])  # type: ignore[arg-type]
    process.start()
    with ours, theirs:
        assert ours.poll(LIMIT)
        assert ours.recv() == "ready"
        yield process
    process.join(LIMIT)
    assert not process.is_alive()


def ran(process: SpawnProcess) -> int | None:
    """Return how a process ends."""
    process.start()
    process.join(LIMIT)
    return process.exitcode


def test_is_of_multiprocessing() -> None:
    """It is a context as the others, and the default one stays what it was."""
    before = multiprocessing.get_start_method(allow_none=True)
    context = get_context()
    assert isinstance(context, BaseContext)
    assert context.get_start_method() == "spawn"
    assert issubclass(context.Process, multiprocessing.process.BaseProcess)
    assert multiprocessing.get_start_method(allow_none=True) == before
    assert context.Process is not get_context().Process
    assert (context.ProcessError, context.cpu_count()) == (ProcessError, os.cpu_count())


def test_of_nothing() -> None:
    """Without any namespaces it starts processes where the caller is."""
    context = get_context()
    with context.Pool(1) as pool:
        assert pool.apply(links) == links()
    assert ran(context.Process(target=working.end, args=[7])) == 7


# --- one process ---


@OURS
def test_exitcode(ours: Ours) -> None:
    """A status comes back as it is, a signal as a negative number."""
    context = get_context(**ours)
    processes = [context.Process(target=working.end, args=[code]) for code in CODES]
    assert [process.exitcode for process in processes] == [None] * len(CODES)
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT)
    assert [process.exitcode for process in processes] == [*CODES]


@TWO
def test_exception(ours: Ours, capfd: pytest.CaptureFixture[str]) -> None:
    """What a target raises is written down, and the process ends with 1."""
    context = get_context(**ours)
    assert ran(context.Process(target=working.divide, args=[0])) == 1
    assert "ZeroDivisionError" in capfd.readouterr().err


@TWO
def test_life(ours: Ours) -> None:
    """A process is alive until it has ended, which its sentinel tells."""
    context = get_context(**ours)
    with staying(context) as process:
        assert process.is_alive()
        assert process.exitcode is None
        assert process.pid is not None
        assert process.pid == process.ident
        assert process in active_children()
        process.join(timeout=0.01)
        assert process.is_alive()
        assert wait([process.sentinel], 0) == []
        with pytest.raises(ValueError, match="still running"):
            process.close()
    assert wait([process.sentinel], LIMIT) == [process.sentinel]
    assert process.exitcode == 0
    assert process not in active_children()
    process.close()
    with pytest.raises(ValueError, match="closed"):
        process.is_alive()


@TWO
def test_terminate_and_kill(ours: Ours) -> None:
    """Both end a process, and it tells by which signal it was ended."""
    context = get_context(**ours)
    with staying(context) as process:
        process.terminate()
        process.join(LIMIT)
        assert process.exitcode == -signal.SIGTERM
        process.terminate()
        process.kill()
    with staying(context, working.ignore_sigterm) as process:
        process.terminate()
        process.kill()
        process.join(LIMIT)
        assert process.exitcode == -signal.SIGKILL


@TWO
def test_terminate_at_once(ours: Ours) -> None:
    """A process that is ended before it has begun is ended."""
    process = get_context(**ours).Process(target=working.wait_for_end, args=[None])
    process.start()
    process.terminate()
    process.join(LIMIT)
    assert process.exitcode == -signal.SIGTERM


@TWO
def test_who_it_is(ours: Ours) -> None:
    """A process has its name, its parent, and what it was given."""
    context = get_context(**ours)
    reader, writer = context.Pipe(duplex=False)
    args = [writer, working.parent_is_alive]
    process = context.Process(None, working.tell, "somebody", args, daemon=True)
    assert (process.name, process.daemon) == ("somebody", True)
    assert "initial" in repr(process)
    assert ran(process) == 0
    assert reader.recv() is True
    assert "stopped exitcode=0" in repr(process)
    with reader, writer, pytest.raises(AssertionError, match="twice"):
        process.start()


def test_subclass() -> None:
    """A class of the user's that is one of a context's processes is itself inside."""
    reader, writer = working.CONTEXT.Pipe(duplex=False)
    with reader, writer:
        worker = working.Worker(writer, "bee")
        assert ran(worker) == 0
        assert reader.recv() == ("Worker", "worker-bee", "bee", "of-a-class")


@TWO
def test_child_of_its_own(ours: Ours) -> None:
    """What a process starts in the usual way is where it is itself."""
    context = get_context(**ours)
    reader, writer = context.Pipe(duplex=False)
    with reader, writer:
        process = context.Process(
            target=working.tell, args=[writer, working.links_of_child]
        )
        assert ran(process) == 0
        found = reader.recv()
    assert working.differing(links(), found) == {*new_of(ours)}


@pytest.mark.parametrize("daemon", [True, False])
def test_end_of_the_interpreter(daemon: bool) -> None:
    """At its end an interpreter ends its daemons, and waits for the others."""
    code = f"""
import os, sys, time
from pynamespaces import get_context
context = get_context(new=("user", "pid"))
reader, writer = context.Pipe(duplex=False)
seconds = 100 if {daemon} else 0
process = context.Process(target=time.sleep, args=[seconds], daemon={daemon})
process.start()
print(process.pid)
"""
    with orphans_reaped():
        done = run_python(code)
        assert done.stderr == ""
        with pytest.raises(ProcessLookupError):
            os.kill(int(done.stdout), 0)


# --- what they share ---


@TWO
def test_queues(ours: Ours) -> None:
    """Queues of both kinds carry what they are given, both ways."""
    context = get_context(**ours)
    inbox, outbox = context.Queue(), context.Queue(3)
    process = context.Process(target=working.echo, args=[inbox, outbox])
    process.start()
    items = ["word", b"x" * 200_000, {"a": [1, 2]}]
    for item in [*items, None]:
        inbox.put(item)
    found = [outbox.get(timeout=LIMIT) for _ in items]
    process.join(LIMIT)
    assert [item for item, _ in found] == items
    assert len({link for _, link in found}) == 1
    for queue in (inbox, outbox):
        queue.close()
        queue.join_thread()
    simple = context.SimpleQueue()
    assert ran(context.Process(target=working.put, args=[simple, "item"])) == 0
    assert simple.get() == "item"
    simple.close()


@OURS
def test_locks_and_values(ours: Ours) -> None:
    """Processes that are each on their own count together, and none is lost."""
    context = get_context(**ours)
    lock, counter = context.Lock(), context.Value("i", 0)
    args = [lock, counter, 200]
    processes = [context.Process(target=working.count_up, args=args) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT)
    assert [process.exitcode for process in processes] == [0] * 3
    assert counter.value == 600


@TWO
def test_events_and_arrays(ours: Ours) -> None:
    """One waits for another, and they work on the same numbers."""
    context = get_context(**ours)
    gate, done, barrier = context.Event(), context.Event(), context.Barrier(2)
    values = context.Array("i", [1, 2, 3])
    args = [values, gate, barrier, done]
    process = context.Process(target=working.add_up, args=args)
    process.start()
    gate.set()
    barrier.wait(LIMIT)
    assert done.wait(LIMIT)
    process.join(LIMIT)
    assert values[:] == [2, 4, 6]


@TWO
def test_manager(ours: Ours) -> None:
    """A manager is a process inside; what it has is shared with all."""
    context = get_context(**ours)
    with context.Manager() as manager:
        shared = manager.list(["a"])
        assert ran(context.Process(target=working.append, args=[shared, "b"])) == 0
        assert list(shared) == ["a", "b"]
        numbers = manager.dict(one=1)
        assert numbers.copy() == {"one": 1}
        # This thread's connections are kept for the next proxy.
        del shared, numbers
    gc.collect()


@TWO
def test_shared_memory(ours: Ours) -> None:
    """Memory that has a name is found inside, where ``/dev/shm`` is the same."""
    context = get_context(**ours)
    memory = shared_memory.SharedMemory(create=True, size=100)
    try:
        args = [memory.name, b"written inside"]
        assert ran(context.Process(target=working.write_shared, args=args)) == 0
        assert memory.buf is not None
        assert bytes(memory.buf[:14]) == b"written inside"
    finally:
        memory.close()
        memory.unlink()


# --- pools ---


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
        found += [pool.apply(working.hostname), pool.apply(working.hostname)]
        assert found[1:] == [working.hostname()] * 2
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
