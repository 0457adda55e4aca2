"""`get_context`: what its processes share with each other and with the caller."""

import gc
from multiprocessing import shared_memory

import pytest
import working
from contexts import TWO, ran
from starting import OURS, Ours
from working import LIMIT

from pynamespaces import get_context

pytestmark = pytest.mark.usefixtures("tracked", "collected")


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
