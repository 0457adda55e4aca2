"""What went wrong once: threads that end or live on inside, limits, races."""

import copy
import errno
import gc
import os
import pickle
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from threading import Thread

import pytest
from holding import in_own_userns
from provoking import replace
from support import identity, in_child, own, own_all
from targets import POWER, RUNNERS, Runner, fresh, in_thread
from watching import Tasks, bystanders, in_main_of_many, in_worker

from pynamespaces import (
    ClosedNamespaceError,
    MultithreadedError,
    Namespace,
    NamespaceSet,
    SystemCallError,
    TypeLike,
    lowlevel,
    unshare,
    unshared,
)
from pynamespaces._core import threads
from pynamespaces._lib import lib
from pynamespaces.lowlevel import _arguments

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

    def refuse() -> int:
        naps: list[float] = []
        replace(time, sleep=naps.append)
        with bystanders(1), pytest.raises(MultithreadedError):
            namespace.__enter__()
        return len(naps)

    def visit() -> object:
        nonlocal namespace
        with fresh(type) as namespace:
            return run(refuse)

    namespace = Namespace.current(type)
    with closing(namespace):
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
        explain = _arguments.from_errno

        def late(*args: object, **more: object) -> SystemCallError:
            over.set()
            thread.join()
            while not threads.is_alone():
                os.sched_yield()
            return explain(*args, **more)  # type: ignore[arg-type]

        vars(_arguments)["from_errno"] = late
        before = own("user")
        unshare("user")
        return before, own("user")

    before, after = in_child(once)
    assert before != after


# --- descriptors ---


def fill_table(spare: int) -> list[int]:
    """Open descriptors until the process may have only *spare* more."""
    held: list[int] = []
    with pytest.raises(OSError, match="Too many open files"):
        while True:
            held.append(os.dup(0))
    for _ in range(spare):
        os.close(held.pop())
    return held


@POWER
@pytest.mark.parametrize("type", ["net", "mnt", "uts"])
def test_no_descriptor_to_spare(type: TypeLike) -> None:
    """With no descriptor left that is what is said, and nothing is changed."""

    def visit() -> list[str]:
        Namespace.current("uts").close()  # From now on this thread has its pidfd.
        outcomes = []
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        with Tasks() as tasks:
            before = tasks.state()
            for spare in range(6):
                held, outcome = fill_table(spare), "entered"
                try:
                    with namespace:
                        pass
                except Exception as error:
                    outcome = type_name(error)
                for fd in held:
                    os.close(fd)
                outcomes.append(outcome)
                assert tasks.state() == before
        return outcomes

    with fresh(type) as namespace:
        outcomes = in_child(visit)
    assert outcomes[:2] == ["NamespaceLimitError EMFILE"] * 2
    assert outcomes[-1] == "entered"
    assert {*outcomes} == {"NamespaceLimitError EMFILE", "entered"}


def type_name(error: Exception) -> str:
    """Return the class and the errno of an exception."""
    number = error.errno if isinstance(error, OSError) else None
    return f"{type(error).__name__} {errno.errorcode.get(number or 0)}"


@pytest.mark.parametrize(
    "duplicate",
    [
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(pickle.dumps, id="pickle"),
    ],
)
def test_set_is_not_copied(duplicate: Callable[[NamespaceSet], object]) -> None:
    """No copy of a set can close its descriptors a second time."""
    members = NamespaceSet.from_pid(os.getpid(), "net", "uts")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        duplicate(members)
    gc.collect()
    assert os.listdir("/proc/self/fd") == before
    members.close()


@POWER
def test_closed_by_another_thread() -> None:
    """A handle that is closed while it is entered is that, and leads nowhere else."""

    def race() -> Counter[str]:
        sys.setswitchinterval(1e-6)
        over, current = threading.Event(), [Namespace.from_fd(right)]

        def churn() -> None:
            while not over.is_set():
                namespace = current[0]
                current[0] = Namespace.from_fd(right)
                namespace.close()
                # Most likely by the number that was just closed.
                os.close(os.dup(wrong.fileno()))

        home, outcomes = own("uts"), Counter[str]()
        thread = Thread(target=churn)
        thread.start()
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            try:
                with current[0]:
                    outcomes["right" if own("uts") == there else "wrong"] += 1
            except Exception as error:
                outcomes[type(error).__name__] += 1
            assert own("uts") == home
        over.set()
        thread.join()
        return outcomes

    with fresh("uts") as right, fresh("uts") as wrong:
        there = identity(right.fileno())
        outcomes = in_child(race)
    assert {*outcomes} == {"right", ClosedNamespaceError.__name__}


def test_clone3_shares_no_descriptors() -> None:
    """A child that shares descriptors would close its parent's: it is refused."""
    with pytest.raises(ValueError, match="CLONE_FILES"):
        lowlevel.clone3(lowlevel.CLONE_FILES)
