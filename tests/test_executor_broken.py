"""`ThreadPoolExecutor`: what it refuses, and what breaks it."""

import gc
import logging
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.thread import BrokenThreadPool
from contextlib import closing, contextmanager

import pytest
from creating import descriptors, nothing_happens
from looping import tasks
from starting import POWER, eventually, living, makable
from working import LIMIT, begin, links, nothing

from pynamespaces import (
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    ThreadPoolExecutor,
    TypeLike,
)


@contextmanager
def forbidden() -> Iterator[Namespace]:
    """Give a network namespace that an ordinary user has no power to enter."""
    with closing(NamespaceSet.new("user", "net")) as both:
        yield both["net"]


PLAIN = pytest.mark.tier("plain")


# --- refused before anything is done ---


@pytest.mark.parametrize("type", ["user", "pid", "time"])
def test_not_by_threads(type: TypeLike) -> None:
    """Of these types a thread cannot have its own, which is said at once."""
    with living(new=makable(type)) as process, closing(process.namespaces) as found:
        namespaces: list[Namespace | NamespaceSet] = [found[type], found]
        for given in namespaces:
            with nothing_happens(), pytest.raises(ValueError, match="get_context"):
                ThreadPoolExecutor(given)


@pytest.mark.parametrize(
    ("given", "kind"),
    [(3, TypeError), ("net", TypeError), ([None], TypeError), ([1, 2], TypeError)],
    ids=str,
)
def test_no_namespaces(given: object, kind: type[Exception]) -> None:
    """What is no namespace is a TypeError."""
    with nothing_happens(), pytest.raises(kind):
        ThreadPoolExecutor(given)  # type: ignore[arg-type]


def test_two_of_a_type() -> None:
    """Of each type there is one."""
    with closing(Namespace.current("net")) as one, nothing_happens():
        with pytest.raises(ValueError, match="net"):
            ThreadPoolExecutor([one, one])


def test_closed() -> None:
    """A namespace that is closed is refused when the pool is made."""
    namespace = Namespace.current("net")
    namespace.close()
    with nothing_happens(), pytest.raises(ValueError, match="closed"):
        ThreadPoolExecutor(namespace)


def test_wrong_options() -> None:
    """What the standard library refuses is refused, and nothing is kept open."""
    with closing(NamespaceSet.current()) as current:
        before = descriptors()
        for number in (0, -1):
            with pytest.raises(ValueError, match="max_workers"):
                ThreadPoolExecutor(current, number)
        with pytest.raises(TypeError, match="initializer"):
            ThreadPoolExecutor(current, initializer=3)  # type: ignore[arg-type]
        assert descriptors() == before


# --- broken ---


def check_broken(
    pool: ThreadPoolExecutor, kind: type[BaseException], text: str
) -> None:
    """Check that all futures of a pool, and all later calls, tell the reason."""
    future = pool.submit(links)
    errors = [future.exception(LIMIT)]
    # A future is done before the pool, by a moment.
    eventually(lambda: pool._broken is not False)
    for call in (lambda: pool.submit(links), lambda: pool.map(links, [1])):
        with pytest.raises(BrokenThreadPool) as caught:
            call()
        errors.append(caught.value)
    for error in errors:
        assert isinstance(error, BrokenThreadPool)
        assert isinstance(error.__cause__, kind)
        assert str(error.__cause__) in str(error)
        assert text in str(error)


@PLAIN
def test_forbidden() -> None:
    """Where an ordinary user may not go, the pool is broken, and says why."""
    with forbidden() as net, nothing_happens():
        with ThreadPoolExecutor(net, 2) as pool:
            check_broken(pool, NamespacePermissionError, "setns")
            with pytest.raises(BrokenThreadPool) as caught:
                pool.submit(links)
            cause = caught.value.__cause__
            assert isinstance(cause, PermissionError)
            assert cause.errno == 1
        del caught, cause


@PLAIN
def test_forbidden_waiting() -> None:
    """All that waits for a broken pool learns of it; nothing has run."""
    ran: list[int] = []
    with forbidden() as net, ThreadPoolExecutor(net, 1) as pool:
        given: list[Future[None]] = []
        with pytest.raises(BrokenThreadPool):
            for number in range(100_000):
                given += [pool.submit(ran.append, number)]
        for future in given:
            error = future.exception(LIMIT)
            assert isinstance(error, BrokenThreadPool)
            assert isinstance(error.__cause__, NamespacePermissionError)
    assert ran == []


@pytest.mark.parametrize("namespaces", [[], ["net"]], ids=["none", "net"])
def test_initializer_fails(
    namespaces: list[TypeLike], caplog: pytest.LogCaptureFixture
) -> None:
    """An initialiser that fails breaks the pool with its exception."""
    held = [Namespace.current(type) for type in namespaces]
    with ThreadPoolExecutor(held, 2, "", begin, ("fail",)) as pool:
        for namespace in held:
            namespace.close()
        check_broken(pool, ZeroDivisionError, "no beginning")
    assert "no beginning" in caplog.text


def test_initializer_exits() -> None:
    """One that wants to exit breaks its pool, not the process."""

    def leave() -> None:
        raise SystemExit(3)

    with ThreadPoolExecutor([], 2, initializer=leave) as pool:
        check_broken(pool, SystemExit, "3")


@POWER
def test_made_in_another_mount_namespace() -> None:
    """Threads cannot be brought back to another mount namespace, and do not act so."""
    with closing(NamespaceSet.new("mnt", "uts")) as both:
        with ThreadPoolExecutor(both["uts"], 1) as pool:
            with both["mnt"].enter(unshare_fs=True):
                future = pool.submit(links)
                error = future.exception(LIMIT)
            assert isinstance(error, BrokenThreadPool)
            assert isinstance(error.__cause__, RuntimeError)
            del error, future


def test_broken_and_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken pool that nobody shuts down goes with what it held."""
    # What is logged is kept, with all that its traceback leads to.
    monkeypatch.setattr(logging.getLogger("concurrent.futures"), "disabled", True)
    with closing(Namespace.current("net")) as net, nothing_happens():
        pool = ThreadPoolExecutor(net, 1, "", begin, ("fail",))
        assert pool.submit(nothing).exception(LIMIT) is not None
        gone = weakref.ref(pool)
        del pool
        gc.collect()
        assert gone() is None
        eventually(lambda: len(tasks()) == 1)
        gc.collect()


def test_cancelled_meanwhile() -> None:
    """If one task is cancelled before the pool breaks, the others still learn of it."""
    go_on = threading.Event()

    def fail() -> None:
        go_on.wait(LIMIT)
        raise ValueError("not today")

    with closing(NamespaceSet.current("uts")) as current:
        with ThreadPoolExecutor(current, 1, initializer=fail) as pool:
            waiting = [pool.submit(nothing) for _ in range(3)]
            assert waiting[1].cancel()
            go_on.set()
            for future in (waiting[0], waiting[2]):
                with pytest.raises(BrokenThreadPool, match="not today"):
                    future.result(LIMIT)
