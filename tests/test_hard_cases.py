"""Limits, copies and races of handles that went wrong once."""

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
from threading import Thread

import pytest
from support import identity, in_child, own
from targets import POWER, fresh
from watching import Tasks

from pynamespaces import (
    ClosedNamespaceError,
    Namespace,
    NamespaceSet,
    TypeLike,
    lowlevel,
)


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

    def visit() -> bool:
        members = NamespaceSet.from_pid(os.getpid(), "net", "uts")
        before = os.listdir("/proc/self/fd")
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            duplicate(members)
        gc.collect()
        return os.listdir("/proc/self/fd") == before

    assert in_child(visit)


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

    def visit() -> None:
        with pytest.raises(ValueError, match="CLONE_FILES"):
            lowlevel.clone3(lowlevel.CLONE_FILES)

    in_child(visit)
