"""Threads that end, live on or start at a bad moment."""

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Thread

import pytest
from holding import in_own_userns
from provoking import replace
from support import in_child, own, own_all
from targets import POWER, RUNNERS, Runner, fresh, in_thread
from watching import Tasks, bystanders, in_main_of_many, in_worker

from pynamespaces import (
    MultithreadedError,
    Namespace,
    NamespaceSet,
    SystemCallError,
    TypeLike,
    _refusals,
    unshare,
    unshared,
)
from pynamespaces._core import threads
from pynamespaces._lib import lib

Enter = Callable[[Namespace], AbstractContextManager[object]]

ENTERS = pytest.mark.parametrize(
    "enter",
    [
        pytest.param(lambda namespace: namespace, id="with"),
        pytest.param(lambda namespace: namespace.enter(), id="enter"),
        pytest.param(lambda namespace: NamespaceSet([namespace]), id="set"),
        pytest.param(lambda namespace: unshared(namespace.type), id="unshared"),
    ],
)


# --- threads that were started inside ---


@ENTERS
@pytest.mark.parametrize("type", ["mnt", "time"])
def test_thread_joined_inside(enter: Enter, type: TypeLike) -> None:
    """A thread that was started and joined inside never keeps its starter there."""
    link = "time_for_children" if type == "time" else type

    def visit() -> None:
        with fresh(type) as namespace, Tasks() as tasks:
            before = tasks.state()
            for _ in range(100):
                with enter(namespace):
                    assert tasks.identity(link) != before[link]
                    thread = Thread(target=int)
                    thread.start()
                    thread.join()
                assert tasks.state() == before

    in_own_userns(visit, "mnt", "time")


def leave_behind(
    entry: AbstractContextManager[object], then: Callable[[], object] = int
) -> None:
    """Leave a thread inside mnt, come home, and see whose directories are whose."""
    over, started = threading.Event(), threading.Event()

    def stay() -> tuple[int, int]:
        started.set()
        over.wait(30)
        return own("mnt")

    with Tasks() as tasks:
        before, others = tasks.state(), tasks.others()
        with entry:
            inside = tasks.identity("mnt")
            assert inside != before["mnt"]
            thread = Thread(target=stay)
            thread.start()
            started.wait(30)
        try:
            assert tasks.state() == before
            left = str(thread.native_id)
            seen = tasks.others()
            assert seen.pop(left)["mnt"] == inside
            assert seen == others
            # They share no directories any more: here is not there.
            place = tasks.state()["cwd"]
            os.chdir("/proc")
            assert tasks.state()["cwd"] != place
            assert tasks.others()[left]["mnt"] == inside
            assert lib.pyns_kcmp(threading.get_native_id(), int(left), lib.KCMP_FS) > 0
            then()
        finally:
            over.set()
            thread.join()


@POWER
@ENTERS
def test_thread_alive_inside(enter: Enter) -> None:
    """A thread that lives on inside parts from its starter, who comes home."""
    with fresh("mnt") as namespace:
        in_child(lambda: leave_behind(enter(namespace)))


@POWER
def test_thread_alive_inside_is_no_loss() -> None:
    """Its starter is not lost for further entries."""

    def enter_again() -> None:
        before = own_all()
        with uts:
            assert uts.is_current()
        assert own_all() == before

    with fresh("mnt") as mnt, fresh("uts") as uts:
        in_child(lambda: leave_behind(mnt, enter_again))


@POWER
@pytest.mark.parametrize("run", [in_child, in_worker, in_main_of_many])
@pytest.mark.parametrize("form", ["enter", "set", "unshared"])
def test_thread_alive_inside_of_own_fs(
    run: Callable[[Callable[[], None]], None], form: str
) -> None:
    """So it is where the starter has parted from the others before."""

    def visit() -> None:
        entries: dict[str, Callable[[], AbstractContextManager[object]]] = {
            "enter": lambda: namespace.enter(unshare_fs=True),
            "set": lambda: NamespaceSet([namespace]).enter(unshare_fs=True),
            "unshared": lambda: unshared("mnt", unshare_fs=True),
        }
        leave_behind(entries[form]())

    with fresh("mnt") as namespace:
        run(visit)


# --- what a refusal leaves ---


def test_refused_time_parts_nothing() -> None:
    """All or nothing: where time is refused, root and cwd stay shared."""

    def shared() -> bool:
        return lib.pyns_kcmp(threading.get_native_id(), os.getpid(), lib.KCMP_FS) == 0

    def refuse(members: NamespaceSet) -> None:
        assert shared()
        before = own_all()
        with pytest.raises(MultithreadedError) as caught:
            members.enter(unshare_fs=True).__enter__()
        assert caught.value.types == ("time",)
        assert own_all() == before
        assert shared()

    def visit() -> None:
        with fresh("mnt") as mnt, fresh("time") as time:
            in_thread(lambda: refuse(NamespaceSet([mnt, time])))
            in_thread(lambda: refuse(NamespaceSet([time, mnt])))

    in_own_userns(visit, "mnt", "time")


@RUNNERS
@pytest.mark.parametrize("type", ["mnt", "time"])
def test_refused_at_once(run: Runner, type: TypeLike) -> None:
    """A thread that runs is not waited for, nor in a child of a child."""

    def refuse(namespace: Namespace) -> int:
        naps: list[float] = []
        replace(time, sleep=naps.append)
        with bystanders(1), pytest.raises(MultithreadedError):
            namespace.__enter__()
        return len(naps)

    def visit() -> object:
        with fresh(type) as namespace:
            return run(lambda: refuse(namespace))

    assert in_own_userns(visit, "mnt", "time") == 0


# --- a thread that is gone a moment after the refusal ---


def test_unshare_user_after_join() -> None:
    """A user namespace can be had right after a thread was joined, every time."""

    def once() -> None:
        thread = Thread(target=int)
        thread.start()
        thread.join()
        unshare("user")

    for _ in range(200):
        in_child(once)


def test_thread_ends_before_the_question_why() -> None:
    """Whether to try again hangs on the refusal, not on the threads found later."""

    def once() -> tuple[tuple[int, int], tuple[int, int]]:
        over = threading.Event()
        thread = Thread(target=over.wait)
        thread.start()
        module = sys.modules["pynamespaces.lowlevel._arguments"]
        explain = _refusals.from_errno

        def late(*args: object, **more: object) -> SystemCallError:
            over.set()
            thread.join()
            while not threads.is_alone():
                os.sched_yield()
            return explain(*args, **more)  # type: ignore[arg-type]

        replace(module, from_errno=late)
        before = own("user")
        unshare("user")
        return before, own("user")

    before, after = in_child(once)
    assert before != after
