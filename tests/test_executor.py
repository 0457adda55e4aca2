"""`ThreadPoolExecutor`: its threads are inside, nobody else is."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import as_completed
from contextlib import ExitStack, closing
from typing import TypeVar

import pytest
from holding import in_own_userns
from looping import ran
from starting import POWER
from support import TIER, own_all
from targets import fresh
from working import LIMIT, at_once, differing, divide, links, square, threads_in

from pynamespaces import (
    Namespace,
    NamespaceSet,
    ThreadPoolExecutor,
    TypeLike,
    UtsNamespace,
)

T = TypeVar("T")

TYPES: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "uts")
"""What a thread can have for itself."""


@pytest.fixture
def made() -> Iterator[NamespaceSet]:
    """Fresh namespaces of each type that a thread can have for itself."""
    with closing(NamespaceSet.new(*TYPES)) as fresh_set:
        yield fresh_set


def link_of(namespace: Namespace) -> str:
    """Return what a link in ``/proc`` says that leads to a namespace."""
    return str(namespace.id)


def in_tier(function: Callable[[], T]) -> T:
    """Call a function where there is power, in a child if it has to be."""
    return in_own_userns(function) if TIER == "plain" else function()


# --- where its threads are ---


@POWER
@pytest.mark.parametrize("type", TYPES)
def test_one(type: TypeLike) -> None:
    """Threads are in the namespace, and otherwise where their process is."""
    home = links()
    with closing(Namespace.new(type)) as namespace:
        with ThreadPoolExecutor(namespace, 3) as pool:
            assert isinstance(pool, futures.ThreadPoolExecutor)
            for found in pool.map(links, range(20)):
                assert found[str(type)] == link_of(namespace)
                assert differing(home, found) == {str(type)}
        assert threads_in(link_of(namespace)) == []
    assert links() == home


def test_set() -> None:
    """All of a set are entered, by an ordinary user in a user namespace of its own."""

    def check() -> None:
        home = links()
        with closing(NamespaceSet.new(*TYPES)) as fresh_set:
            with ThreadPoolExecutor(fresh_set) as pool:
                found = pool.submit(links).result(LIMIT)
            expected = {str(type): link_of(fresh_set[type]) for type in TYPES}
            assert found == home | expected
        assert links() == home

    in_tier(check)


@POWER
@pytest.mark.parametrize(
    "form", [list, tuple, iter, set, dict], ids=lambda x: x.__name__
)
def test_forms(form: Callable[[object], object]) -> None:
    """Several namespaces come in any iterable, or in a mapping."""
    with closing(NamespaceSet.new("net", "uts")) as both:
        given = dict(both) if form is dict else form(both.values())
        with ThreadPoolExecutor(given, 1) as pool:  # type: ignore[arg-type]
            found = pool.submit(links).result(LIMIT)
        assert differing(links(), found) == {"net", "uts"}


@POWER
def test_duplicated(made: NamespaceSet) -> None:
    """The caller may close its namespaces as soon as the pool is made."""
    expected = link_of(made["net"])
    with ThreadPoolExecutor(made) as pool:
        made.close()
        assert pool.submit(links).result(LIMIT)["net"] == expected


def test_all_is_current() -> None:
    """Namespaces where the process is already need no power."""
    with closing(NamespaceSet.current()) as current:
        assert {"user", "pid"} <= {*current}
        with ThreadPoolExecutor(current, 2) as pool:
            assert [*pool.map(links, range(5))] == [links()] * 5


def test_none_at_all() -> None:
    """Without a namespace it is a pool as any other."""
    with ThreadPoolExecutor([], 2) as pool:
        assert pool.submit(links).result(LIMIT) == links()


@POWER
def test_given_work_from_elsewhere() -> None:
    """Whoever gives it work, and from where, threads are where the pool was made."""
    home = links()
    with fresh("net") as other, closing(Namespace.new("uts")) as uts:
        with ThreadPoolExecutor(uts, 2) as pool:
            with other:
                inside = pool.submit(links)
                found = inside.result(LIMIT)
            assert differing(home, found) == {"uts"}
            assert pool.submit(links).result(LIMIT) == found


@POWER
def test_made_elsewhere() -> None:
    """A pool that was made inside of something stays there, wherever its work is."""
    home = links()
    with (
        fresh("net") as other,
        closing(Namespace.new("uts")) as uts,
        ExitStack() as stack,
    ):
        with other:
            pool = stack.enter_context(ThreadPoolExecutor(uts, 2))
        found = pool.submit(links).result(LIMIT)
        assert found == home | {"net": link_of(other), "uts": link_of(uts)}


@POWER
def test_two_pools() -> None:
    """Two pools at once do not mind each other, even if one gives the other work."""
    with closing(Namespace.new("uts")) as one, closing(Namespace.new("uts")) as two:
        with ThreadPoolExecutor(one, 2) as first, ThreadPoolExecutor(two, 2) as second:

            def ask() -> list[str]:
                there = second.submit(links).result(LIMIT)["uts"]
                return [links()["uts"], there, links()["uts"]]

            expected = [link_of(one), link_of(two), link_of(one)]
            for future in [first.submit(ask) for _ in range(20)]:
                assert future.result(LIMIT) == expected


@POWER
def test_many_tasks_from_many_threads() -> None:
    """Nothing gets mixed up, and no thread stays in there."""
    home = own_all()
    with closing(NamespaceSet.new("net", "uts")) as both:
        with ThreadPoolExecutor(both, 8) as pool:

            def work() -> tuple[int, set[str], dict[str, str]]:
                mine = [pool.submit(links) for _ in range(100)]
                nets = {future.result(LIMIT)["net"] for future in mine}
                return len(mine), nets, own_all()

            expected = (100, {link_of(both["net"])}, home)
            assert at_once(work, 10) == [expected] * 10
            assert len(threads_in(link_of(both["net"]))) in range(1, 9)
        assert threads_in(link_of(both["net"])) == []
        assert threads_in(link_of(both["uts"])) == []
    assert own_all() == home


@POWER
def test_what_threads_do_there() -> None:
    """What is done inside is of there: a name of the host, a socket."""
    with (
        closing(NamespaceSet.new("net", "uts")) as both,
        ThreadPoolExecutor(both) as pool,
    ):
        pool.submit(socket.sethostname, "inside").result(LIMIT)
        names = pool.submit(socket.if_nameindex).result(LIMIT)
        assert [name for _, name in names] == ["lo"]
        uts = both["uts"]
        assert isinstance(uts, UtsNamespace)
        assert uts.hostname == "inside" != socket.gethostname()


# --- as in the standard library ---


@POWER
def test_exceptions(made: NamespaceSet) -> None:
    """What a task raises is its future's, and the pool goes on."""
    with ThreadPoolExecutor(made, 1) as pool:
        failing = pool.submit(divide, 0)
        assert isinstance(failing.exception(LIMIT), ZeroDivisionError)
        with pytest.raises(SystemExit):
            pool.submit(exit, 3).result(LIMIT)
        assert pool.submit(divide, 2).result(LIMIT) == 0.5
        with pytest.raises(ZeroDivisionError):
            list(pool.map(divide, [1, 0]))


def test_arguments_and_names() -> None:
    """Arguments, names of threads, map and as_completed are as ever."""
    with ThreadPoolExecutor([], 2, thread_name_prefix="deep") as pool:
        named = pool.submit(lambda: threading.current_thread().name)
        assert named.result(LIMIT).startswith("deep_")
        assert pool.submit(int, "11", base=2).result(LIMIT) == 3
        assert list(pool.map(pow, [2, 3], [3, 2])) == [8, 9]
        waited = as_completed([pool.submit(square, n) for n in range(5)], LIMIT)
        assert sorted(future.result() for future in waited) == [0, 1, 4, 9, 16]


@POWER
def test_initializer(made: NamespaceSet) -> None:
    """Each thread calls the initialiser, inside, before its first task."""
    seen: dict[int, tuple[str, str]] = {}

    def start(word: str, more: str) -> None:
        seen[threading.get_ident()] = links()["net"], word + more

    def work(_: int) -> tuple[str, str]:
        return seen[threading.get_ident()]

    options = {"max_workers": 3, "initializer": start, "initargs": ("a", "b")}
    with ThreadPoolExecutor(made, **options) as pool:  # type: ignore[arg-type]
        assert {*pool.map(work, range(20))} == {(link_of(made["net"]), "ab")}


@POWER
def test_asyncio(made: NamespaceSet) -> None:
    """A loop runs its blocking calls inside; it itself stays where it is."""
    home = links()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(made, 4) as pool:
            tasks = [loop.run_in_executor(pool, links) for _ in range(20)]
            for found in await asyncio.gather(*tasks):
                assert differing(home, found) == {*TYPES}
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(pool, divide, 0)
            assert links() == home
            # In the loop's own pool, that is.
            assert await asyncio.to_thread(links) == home

    ran(main())


@POWER
def test_default_executor_of_a_loop(made: NamespaceSet) -> None:
    """As the default of a loop it is where to_thread goes, and ends with it."""

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(made))
        assert differing(links(), await asyncio.to_thread(links)) == {*TYPES}

    ran(main())
