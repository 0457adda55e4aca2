"""What workers run, and what the tests of them share; workers import this."""

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing import heap, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.managers import ListProxy
from multiprocessing.queues import Queue, SimpleQueue
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from multiprocessing.synchronize import Barrier, Event, Lock
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    Pipe: TypeAlias = Connection[object, object]

LIMIT: Final = 30.0
"""After how many seconds a worker that should have ended is a failure."""

Links = dict[str, str]


# --- what the tests share ---


def links(_: object = None) -> Links:
    """Return the namespaces of the calling thread."""
    folder = "/proc/thread-self/ns"
    return {
        name: os.readlink(f"{folder}/{name}")
        for name in sorted(os.listdir(folder))
        if not name.endswith("for_children")
    }


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """Return the types of which two have different namespaces."""
    return {type for type, link in one.items() if other[type] != link}


@contextmanager
def tracked() -> Iterator[None]:
    """Have what `multiprocessing` keeps for good, and let go of it at the end."""
    # Of a first use: a process that clears up, and the memory for shared values.
    resource_tracker.ensure_running()
    multiprocessing.get_context("spawn").Value("i")
    try:
        yield
    finally:
        vars(heap)["BufferWrapper"]._heap = heap.Heap()
        gc.collect()
        getattr(resource_tracker, "_resource_tracker")._stop()  # noqa: B009 - private


def threads_in(link: str) -> list[str]:
    """Return the threads of this process that are in a namespace."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for type in ("cgroup", "ipc", "mnt", "net", "uts"):
            try:
                if os.readlink(task / "ns" / type) == link:
                    found.append(task.name)
            except OSError:
                break  # It has just ended.
    return found


def at_once(function: Callable[[], T], count: int) -> list[T]:
    """Call a function in several threads at once; return what it returns."""
    barrier, futures = threading.Barrier(count), [Future[T]() for _ in range(count)]

    def work(future: Future[T]) -> None:
        barrier.wait(LIMIT)
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threads = [threading.Thread(target=work, args=[future]) for future in futures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    return [future.result(0) for future in futures]


# --- what workers run ---


def nothing(*_: object) -> None:
    """Do nothing."""


def square(number: int) -> int:
    """Return a number times itself."""
    return number * number


def product(one: int, other: int) -> int:
    """Return one number times another."""
    return one * other


def divide(number: int) -> float:
    """Return what is 1 divided by a number."""
    return 1 / number


def end(how: int) -> None:
    """End with a status, or by a signal if it is negative."""
    if how < 0:
        os.kill(os.getpid(), -how)
        signal.pause()
    raise SystemExit(how)


def wait_for_end(connection: "Pipe") -> None:
    """Say that one is there, and stay until the other end is closed."""
    connection.send("ready")
    try:
        connection.recv()
    except EOFError:
        return


def ignore_sigterm(connection: "Pipe") -> None:
    """Stay, even if asked to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait_for_end(connection)


def echo(inbox: "Queue[object]", outbox: "Queue[object]") -> None:
    """Put back what comes, together with a namespace, until None does."""
    while (item := inbox.get(timeout=LIMIT)) is not None:
        outbox.put((item, links()["uts"]))


def put(queue: "SimpleQueue[object]", item: object) -> None:
    """Put something into a queue."""
    queue.put(item)


def count_up(lock: Lock, counter: "Synchronized[int]", times: int) -> None:
    """Add to a number that has no lock of its own."""
    for _ in range(times):
        with lock:
            counter.value += 1


def add_up(
    values: "SynchronizedArray[int]", gate: Event, barrier: Barrier, done: Event
) -> None:
    """Double each of some numbers, once the gate is open."""
    assert gate.wait(LIMIT)
    barrier.wait(LIMIT)
    with values.get_lock():
        for index in range(len(values)):
            values[index] *= 2
    done.set()


def append(shared: "ListProxy[object]", item: object) -> None:
    """Append to a list that a manager has."""
    shared.append(item)


def write_shared(name: str, data: bytes) -> None:
    """Write into memory that has a name."""
    memory = SharedMemory(name)
    try:
        assert memory.buf is not None
        memory.buf[: len(data)] = data
    finally:
        memory.close()


def outlive(connection: "Pipe") -> None:
    """Stay for as long as the parent does."""
    connection.send("ready")
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join(LIMIT)


_STARTED: list[Links] = []


def begin(greeting: str) -> None:
    """Be an initialiser that can be told to fail."""
    if greeting == "fail":
        raise ZeroDivisionError("no beginning")
    _STARTED.append(links())


def begun(_: object = None) -> list[Links]:
    """Return where the initialiser of this process has been called."""
    return _STARTED
