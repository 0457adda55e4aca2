"""Entering by many threads and forked children, and where there may be no thread."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress

import pytest
from support import identity, in_child, own, own_all
from targets import (
    PER_THREAD,
    POWER,
    TYPES,
    WAYS,
    Runner,
    beside_thread,
    fresh,
    here,
    in_thread,
)

from pynamespaces import (
    IrreversibleError,
    MultithreadedError,
    Namespace,
    TypeLike,
    unshare,
)


@POWER
@TYPES
def test_one_object_many_threads(type: TypeLike) -> None:
    """Twenty threads enter one object fifty times, and see nothing of each other."""
    home, barrier = here(type), threading.Barrier(20)

    def visit(nested: bool) -> set[tuple[tuple[int, int], ...]]:
        barrier.wait()
        seen: set[tuple[tuple[int, int], ...]] = set()
        for _ in range(50):
            with first:
                one = two = here(type)
                if nested:
                    with second:
                        two = here(type)
                back = here(type)
            seen.add((one, two, back, here(type)))
        return seen

    with (
        fresh(type) as first,
        fresh(type) as second,
        ThreadPoolExecutor(20) as pool,
    ):
        one, two = identity(first.fileno()), identity(second.fileno())
        futures = [pool.submit(visit, number % 2 == 0) for number in range(20)]
        for number, future in enumerate(futures):
            inner = two if number % 2 == 0 else one
            assert future.result() == {(one, inner, one, home)}
    assert here(type) == home


@POWER
@TYPES
def test_only_the_calling_thread_moves(type: TypeLike) -> None:
    """While one thread is inside, the leader and the others are where they were."""
    home = here(type)
    with fresh(type) as namespace, ThreadPoolExecutor(1) as pool:
        assert pool.submit(here, type).result() == home
        with namespace:
            assert pool.submit(here, type).result() == home
        entry = pool.submit(namespace.__enter__)
        assert entry.result() is namespace
        assert here(type) == home
        assert pool.submit(here, type).result() == identity(namespace.fileno())
        pool.submit(namespace.__exit__, None, None, None).result()
        assert pool.submit(here, type).result() == home


@POWER
@pytest.mark.parametrize("type", ["cgroup", "ipc", "net", "uts"])
def test_thread_started_inside_stays(type: TypeLike) -> None:
    """A thread that is started inside is there for good, and enters from there."""
    with fresh(type) as first, fresh(type) as second, ThreadPoolExecutor(1) as pool:
        inside, other = identity(first.fileno()), identity(second.fileno())
        with first:
            assert pool.submit(here, type).result() == inside

        def visit() -> list[tuple[int, int]]:
            with second:
                seen = here(type)
            return [seen, here(type)]

        assert pool.submit(visit).result() == [other, inside]


@POWER
@TYPES
def test_threads_leave_no_descriptor(type: TypeLike) -> None:
    """Fifty threads that entered and ended have left no descriptor."""

    def visit() -> None:
        with namespace:
            pass

    def count() -> list[list[str]]:
        visit()
        before = descriptors()
        for _ in range(50):
            thread = threading.Thread(target=visit)
            thread.start()
            thread.join()
        wait_for_threads()
        return [before, descriptors()]

    with fresh(type) as namespace:
        before, after = in_child(count)
    assert before == after


@POWER
@pytest.mark.parametrize("type", ["cgroup", "ipc", "net", "uts"])
def test_ended_thread_keeps_no_home(type: TypeLike) -> None:
    """A home that only an ended thread had is not kept alive by a descriptor."""

    def emigrate() -> str:
        unshare(type)
        home = own_all()[type]
        with namespace:
            assert here(type) == identity(namespace.fileno())
        assert own_all()[type] == home
        return home

    def count() -> None:
        homes = [in_thread(emigrate) for _ in range(5)]
        wait_for_threads()
        assert not set(homes) & set(descriptors())

    with fresh(type) as namespace:
        in_child(count)


def wait_for_threads() -> None:
    """Wait for the end of joined threads, which goes on for a moment."""
    while len(os.listdir("/proc/self/task")) > 1:
        os.sched_yield()


def descriptors() -> list[str]:
    """Return what the open descriptors of this process are."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # The directory that is being listed.
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(found)


@POWER
@pytest.mark.parametrize("type", ["cgroup", "ipc", "net", "uts"])
@pytest.mark.parametrize("run", [in_child, in_thread, beside_thread])
def test_fork_inside(run: Runner, type: TypeLike) -> None:
    """A child forked in the body leaves and is home; so does its parent."""

    def leave() -> dict[str, str]:
        assert here(type) == identity(namespace.fileno())
        namespace.__exit__(None, None, None)
        return own_all()

    def visit() -> None:
        before = own_all()
        with namespace:
            assert in_child(leave) == before
            assert here(type) == identity(namespace.fileno())
            assert in_child(leave) == before
        assert own_all() == before

    with fresh(type) as namespace:
        run(visit)


@POWER
@pytest.mark.parametrize("type", ["cgroup", "ipc", "net", "uts"])
@pytest.mark.parametrize("run", [in_child, in_thread, beside_thread])
def test_child_has_its_own_home(run: Runner, type: TypeLike) -> None:
    """A child is where it was forked, wherever its parent goes afterwards."""

    def child() -> None:
        os.read(reader, 1)
        stay = identity(first.fileno())
        assert here(type) == stay
        with closing(Namespace.current(type)) as current:
            assert identity(current.fileno()) == stay
            assert current.is_current()
            assert current == first
        with second:
            assert here(type) == identity(second.fileno())
        assert here(type) == stay
        # Where its parent is by now, for the child is elsewhere.
        with closing(Namespace.from_pid(os.getppid(), type)) as parent, parent:
            assert here(type) == identity(parent.fileno())
        assert here(type) == stay

    def visit() -> None:
        with first:
            pid = os.fork()
            if pid == 0:
                answer(child)
        with second:
            os.write(writer, b"!")
            assert os.waitpid(pid, 0)[1] == 0

    def answer(function: Callable[[], None]) -> None:
        try:
            function()
            os._exit(0)
        finally:
            os._exit(1)

    reader, writer = os.pipe()
    with open(reader), open(writer), fresh(type) as first, fresh(type) as second:
        run(visit)


@POWER
@pytest.mark.parametrize("run", [in_child, in_thread, beside_thread])
def test_fork_inside_pid(run: Runner) -> None:
    """A child born in a pid namespace is there for good; leaving is no error to it."""

    def leave() -> None:
        target = identity(namespace.fileno())
        namespace.__exit__(None, None, None)
        assert own("pid") == here("pid") == target
        with namespace:
            assert here("pid") == target
        assert in_child(lambda: own("pid")) == target

    def visit() -> None:
        before = own_all()
        with namespace:
            in_child(leave)
        assert own_all() == before

    with fresh("pid") as namespace:
        run(visit)


@POWER
def test_generations() -> None:
    """Children of children, each elsewhere, come back each to its own place."""

    def descend(left: list[Namespace]) -> list[dict[str, str]]:
        before = own_all()
        with left[0]:
            below = in_child(lambda: descend(left[1:])) if left[1:] else []
        assert own_all() == before
        return [before, *below]

    with ExitStack() as stack:
        targets = [stack.enter_context(fresh("net")) for _ in range(4)]
        nets = [own_all()["net"], *(str(one.id) for one in targets)]
        assert [links["net"] for links in descend(targets)] == nets[:4]


def in_own_time(function: Callable[[], object]) -> None:
    """Run a function in a process whose time namespace belongs to its user's."""

    def parent() -> None:
        unshare("time")
        in_child(function)

    in_child(parent)


@POWER
def test_time_alone() -> None:
    """A process without threads enters a time namespace, as do children, and back."""

    def visit() -> None:
        before = own_all()
        for _ in range(3):
            with namespace as given:
                assert given is namespace
                assert own("time") == identity(namespace.fileno())
                assert in_child(lambda: own("time")) == identity(namespace.fileno())
            assert own_all() == before
            assert in_child(own_all) == before

    with fresh("time") as namespace:
        in_own_time(visit)


@POWER
def test_time_just_joined() -> None:
    """Threads that have been joined do not keep a process from a time namespace."""

    def visit() -> None:
        before = own_all()
        for _ in range(50):
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            with namespace:
                assert own("time") == identity(namespace.fileno())
            assert own_all() == before

    with fresh("time") as namespace:
        in_own_time(visit)


@POWER
@pytest.mark.parametrize("run", [in_thread, beside_thread])
def test_time_with_threads(run: Runner) -> None:
    """A process with threads is refused a time namespace, and nothing has changed."""

    def enter() -> None:
        before = own_all()
        for entry in (namespace, namespace.enter(), namespace.enter(unshare_fs=True)):
            with pytest.raises(MultithreadedError) as caught, entry:
                pass
            assert caught.value.types == ("time",)
        assert own_all() == before

    with fresh("time") as namespace:
        in_own_time(lambda: run(enter))


@POWER
def test_time_refusal_names_the_way() -> None:
    """The refusal because of threads names what works: call, run or an executor."""

    def enter() -> None:
        with pytest.raises(MultithreadedError, match=WAYS), namespace:
            pass

    with fresh("time") as namespace:
        in_own_time(lambda: beside_thread(enter))


@POWER
def test_time_pending() -> None:
    """Where children are due in a fresh time namespace, that could not be put back."""

    def visit() -> None:
        unshare("time")
        before = own_all()
        assert before["time"] != before["time_for_children"]
        with pytest.raises(IrreversibleError), namespace:
            pass
        assert own_all() == before

    with fresh("time") as namespace:
        in_own_time(visit)


@POWER
def test_time_pending_and_home() -> None:
    """Where children are due in a fresh time namespace, home is no entry at all."""

    def visit() -> None:
        unshare("time")
        before = own_all()
        with closing(Namespace.current("time")) as home, home:
            assert own_all() == before
        assert own_all() == before

    in_child(visit)


@POWER
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_pending_time_hinders_no_other(type: TypeLike) -> None:
    """Where children are due in a fresh time namespace, other types work as ever."""

    def visit() -> None:
        unshare("time")
        before = own_all()
        with namespace:
            assert here(type) == identity(namespace.fileno())
        assert own_all() == before

    with fresh(type) as namespace:
        in_child(visit)
