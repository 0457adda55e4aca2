"""What calling functions elsewhere gives, and pools and contexts that live there."""

import asyncio
from concurrent import futures
from multiprocessing.context import BaseContext, SpawnContext
from multiprocessing.pool import AsyncResult
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from typing import assert_type

from pynamespaces import (
    CallError,
    IdMap,
    NamespaceError,
    NamespaceSet,
    NetNamespace,
    ThreadPoolExecutor,
    UserNamespace,
    get_context,
)


def length(text: str, *, times: int = 1) -> int:
    """Be called."""
    return len(text) * times


class Counter:
    """What is called by its methods, or to make it."""

    def __init__(self, start: int) -> None:
        self.count = start

    def add(self, number: int) -> float:
        """Return the sum."""
        return self.count + number / 2


def call(net: NetNamespace, inside: NamespaceSet, users: UserNamespace) -> None:
    """A call has the arguments and the result of what is called."""
    assert_type(net.call(length, "x"), int)
    assert_type(inside.call(length, "x", times=3), int)
    assert_type(users.call(length, text="x"), int)
    assert_type(net.call(Counter, 1), Counter)
    assert_type(net.call(Counter(1).add, 2), float)
    assert_type(net.call(lambda: "x"), str)
    assert_type(net.call(sorted, ["x"]), list[str])
    # How to call may be said, and then only the result is known.
    assert_type(net.call(length, "x", how="process"), int)
    assert_type(inside.call(length, "x", times=3, how="thread"), int)
    assert_type(users.call(Counter(1).add, 2, how=None), float)


def call_refused(net: NetNamespace, inside: NamespaceSet) -> None:
    """What would be an error when run is one for type checkers."""
    net.call(length, 1)  # type: ignore[call-overload]
    net.call(length)  # type: ignore[call-overload]
    inside.call(length, "x", often=3)  # type: ignore[call-arg]
    net.call("length", "x")  # type: ignore[call-overload]
    net.call(func=length)  # type: ignore[call-overload]
    inside.call(length, "x", how="fork")  # type: ignore[call-arg]


def fail(error: CallError) -> None:
    """There may have been no process, and so no status."""
    assert_type(error.exitcode, int | None)
    known: NamespaceError = error
    raise known


def pool(net: NetNamespace, inside: NamespaceSet) -> None:
    """It is the standard library's."""
    with ThreadPoolExecutor(net, 4, "name") as executor:
        assert_type(executor, ThreadPoolExecutor)
        assert_type(executor.submit(length, "x", times=2), futures.Future[int])
        assert_type(executor.submit(length, "x").result(), int)
        assert_type(list(executor.map(length, ["x", "y"], timeout=1)), list[int])
        standard: futures.ThreadPoolExecutor = executor
        standard.shutdown(cancel_futures=True)
    ThreadPoolExecutor(inside, max_workers=None)
    ThreadPoolExecutor([net], initializer=length, initargs=("x",))


def pool_refused(net: NetNamespace) -> None:
    """As the standard library's."""
    executor = ThreadPoolExecutor(net)
    executor.submit(length, 1)  # type: ignore[arg-type]
    executor.submit(length, "x", often=1)  # type: ignore[call-arg]
    ThreadPoolExecutor()  # type: ignore[call-arg]
    ThreadPoolExecutor(4)  # type: ignore[arg-type]
    ThreadPoolExecutor("net")  # type: ignore[arg-type]
    ThreadPoolExecutor(net, initializer="length")  # type: ignore[arg-type]


async def call_in_a_loop(net: NetNamespace) -> None:
    """Asyncio takes both."""
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(net)
    assert_type(await loop.run_in_executor(executor, length, "x"), int)
    assert_type(await asyncio.to_thread(net.call, length, "x"), int)
    loop.set_default_executor(executor)


def processes(net: NetNamespace, inside: NamespaceSet) -> None:
    """A context is the standard library's as well."""
    context = get_context(join=net)
    standard: SpawnContext = context
    assert_type(standard.get_start_method(), str)
    get_context(preload=["json"], join=inside, new="uts", caps=[])
    get_context(new=("user", "net"), uid_map=IdMap.root(), no_new_privs=True)
    process = context.Process(target=length, args=("x",), kwargs={"times": 2})
    known: BaseProcess = process
    known.start()
    assert_type(process.exitcode, int | None)
    queue: Queue[int] = context.Queue()
    assert_type(queue.get(), int)
    with context.Pool(2) as pool:
        assert_type(pool.map(length, ["x", "y"]), list[int])
        assert_type(pool.apply_async(length, ("x",)), AsyncResult[int])
    with futures.ProcessPoolExecutor(mp_context=context) as executor:
        assert_type(executor.submit(length, "x"), futures.Future[int])
    other: BaseContext = context.get_context()
    other.Event().set()


def processes_refused(net: NetNamespace) -> None:
    """The arguments are those of `Popen` that say where it is."""
    get_context(net)  # type: ignore[call-arg, arg-type]
    get_context(join="net")  # type: ignore[arg-type]
    get_context(new="network")  # type: ignore[arg-type]
    get_context(join=net, isolate=True)  # type: ignore[call-arg]
    get_context(join=net, stdout=1)  # type: ignore[call-arg]
    get_context("spawn", join=net)  # type: ignore[call-arg]
