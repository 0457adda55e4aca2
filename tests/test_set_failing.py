"""`NamespaceSet` where the kernel fails half-way: all, nothing, or a lost thread."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from holding import Holder
from support import own_all
from watching import Tasks, mark, traced

from pynamespaces import (
    Namespace,
    NamespaceSet,
    RestoreError,
    SystemCallError,
    TypeLike,
)

powerful = pytest.mark.tier("root", "userns")
Run = Callable[[Callable[[], None]], None]

TYPES: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def enter_failing(pid: str, *types: TypeLike) -> dict[str, object]:
    """Enter under injected faults, and say what came of it and where the thread is."""
    members = NamespaceSet.from_pid(int(pid), *types)
    Namespace.current("net").close()  # From now on this thread has its pidfd.
    with Tasks() as tasks:
        before = tasks.state()
        descriptors = os.listdir("/proc/self/fd")
        entry = members.enter()
        try:
            mark()
            entry.__enter__()
        except OSError as error:
            mark()
            failure: dict[str, object] = {
                "class": type(error).__name__,
                "errno": error.errno,
                "same": tasks.state() == before,
                "clean": os.listdir("/proc/self/fd") == descriptors,
            }
            again = members.enter()
            try:
                again.__enter__()
            except RestoreError:
                failure["again"] = "RestoreError"
            else:
                failure["again"] = "entered"
                again.__exit__(None, None, None)
            return failure
        inside = {name: id for name, id in tasks.state().items() if id != before[name]}
        entry.__exit__(None, None, None)
        return {"same": tasks.state() == before, "entered": sorted(inside)}


@powerful
@pytest.mark.parametrize("number", range(1, len(TYPES) + 1))
def test_fails_at_each(target: Holder, number: int) -> None:
    """Whichever member fails, the thread is where it was, and may try again."""
    inject = f"setns:error=ENOMEM:when={number}"
    failure, _ = traced(enter_failing, str(target.pid), *TYPES, inject=inject)
    assert failure == {
        "class": "SystemCallError",
        "errno": errno.ENOMEM,
        "same": True,
        "clean": True,
        "again": "entered",
    }


@powerful
def test_cannot_put_back(target: Holder) -> None:
    """A failure half-way that cannot be put back loses the thread, and says so."""
    failure, calls = traced(
        enter_failing, str(target.pid), *TYPES, inject="setns:error=ENOMEM:when=2+"
    )
    assert isinstance(failure, dict)
    assert failure["class"] == failure["again"] == "RestoreError"
    assert failure["errno"] == errno.ENOMEM
    assert not failure["same"]
    assert failure["clean"]
    # Once lost, it tries no call any more.
    assert calls[-1] == []


def leave_failing(pid: str, *types: TypeLike) -> dict[str, object]:
    """Leave under injected faults, by an exception, in a worker; then use another."""

    def enter() -> dict[str, object]:
        members = NamespaceSet.from_pid(int(pid), *types)
        try:
            with members:
                raise KeyError("body")
        except RestoreError as error:
            context: BaseException | None = error
            while context is not None and not isinstance(context, KeyError):
                context = context.__context__
            answer: dict[str, object] = {"body": repr(context)}
        mark()
        try:
            with members["uts"]:
                answer["again"] = "entered"
        except RestoreError as error:
            answer["again"] = type(error).__name__
        return answer

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(enter).result()
    before = own_all()
    with Namespace.from_pid(int(pid), "uts") as uts:
        answer["other"] = own_all()["uts"] == str(uts.id)
    answer["back"] = own_all() == before
    return answer


@powerful
@pytest.mark.parametrize("when", ["4+", "5+"])
def test_cannot_leave(target: Holder, when: str) -> None:
    """A way back that fails keeps the body's error, and loses that thread alone."""
    # Each thread has its own count of calls; the main one comes to two.
    inject = f"setns:error=ENOMEM:when={when}"
    answer, calls = traced(
        leave_failing, str(target.pid), "ipc", "net", "uts", inject=inject
    )
    assert answer == {
        "body": "KeyError('body')",
        "again": "RestoreError",
        "other": True,
        "back": True,
    }, calls


@powerful
def test_leaves_what_it_can(target: Holder) -> None:
    """One way back that fails does not keep the others from being gone."""
    inject = "setns:error=EPERM:when=5"
    answer, calls = traced(
        leave_failing, str(target.pid), "ipc", "net", "uts", inject=inject
    )
    assert isinstance(answer, dict)
    assert answer["again"] == "RestoreError"
    passed = [call.endswith("= 0") for call in calls[0]]
    assert passed == [True, True, True, True, False, True]


def test_exceptions_are_system_calls() -> None:
    """A lost thread is told by an OSError that carries the call."""
    assert issubclass(RestoreError, SystemCallError)
    assert issubclass(SystemCallError, OSError)
