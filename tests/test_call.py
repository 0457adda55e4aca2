"""Calling a function elsewhere: where it runs, in what, and what it is given."""

import contextvars
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest
from births import BIRTHS, KINDS, Birth, somewhere
from calling import BY_THREADS, call_again, echo, where, which, who
from creating import nothing_happens
from holding import Holder
from starting import POWER, audited, members
from support import TIER, own_all, run_python

from pynamespaces import Namespace, NamespaceSet, Popen, TypeLike
from pynamespaces._core.call import How


def names_of(made: NamespaceSet) -> dict[str, str]:
    """Return what the links of a process in a set say."""
    return {str(type): str(namespace.id) for type, namespace in made.items()}


@POWER
@pytest.mark.parametrize("type", BY_THREADS)
def test_thread(target: Holder, type: TypeLike) -> None:
    """Where threads can be, a fresh thread is in the namespace, and gone at the end."""
    mine = own_all()
    with members(target.pid, type) as made:
        found = made[type].call(where)
        pid, tid = made[type].call(which)
        assert found == {**where(), type: str(made[type].id)}
    assert pid == os.getpid()
    assert tid != threading.get_native_id()
    assert str(tid) not in os.listdir("/proc/self/task")
    assert own_all() == mine


@POWER
def test_set_in_a_thread(target: Holder) -> None:
    """A set is entered whole, what the caller shares with it left out."""
    with members(target.pid, *BY_THREADS) as made:
        assert made.call(where) == where() | names_of(made)
        assert made.call(which)[0] == os.getpid()


@POWER
@BIRTHS
@pytest.mark.parametrize("type", ["net", "pid", "mnt"])
def test_process(target: Holder, type: TypeLike, birth: Birth) -> None:
    """A process is in the namespace, however it begins, and gone at the end."""
    with members(target.pid, type) as made, birth():
        found = made[type].call(where, how="process")
        pid, _ = made[type].call(which, how="process")
        assert found == {**where(), type: str(made[type].id)}
    assert pid != os.getpid()


@BIRTHS
@pytest.mark.parametrize("types", [("user",), ("user", "time"), ("user", "net", "uts")])
def test_user(types: tuple[TypeLike, ...], birth: Birth) -> None:
    """In a user namespace, an ordinary user's too, it is a process, and root there."""
    with closing(NamespaceSet.new(*types)) as made, birth():
        assert made.call(where) == where() | names_of(made)
        uid, gid, groups = made.call(who)
        assert (uid, gid) == (0, 0)
        assert TIER == "plain" or groups in ([], [65534] * len(groups))


@BIRTHS
def test_everything(birth: Birth) -> None:
    """All namespaces of a process are joined at once, its pid namespace too."""
    new: tuple[TypeLike, ...] = ("user", "pid", "mnt", "net", "uts", "ipc", "cgroup")
    with Popen(["sleep", "60"], new=new) as process:
        try:
            with closing(process.namespaces) as made, birth():
                found = made.call(where)
                pid, tid = made.call(which)
                assert found == names_of(made)
                assert pid == tid
                assert pid < 100
        finally:
            process.kill()


def test_nothing_to_join() -> None:
    """Where the caller is already, a fresh thread runs it nevertheless."""
    with closing(NamespaceSet.current()) as current:
        assert current.call(where) == where()
        pid, tid = current.call(which)
        assert pid == os.getpid()
        assert tid != threading.get_native_id()
        assert current.call(which, how="process")[0] != os.getpid()


@KINDS
def test_arguments(how: How) -> None:
    """Arguments are handed on, by position and by name."""
    with somewhere(how) as made:
        given = made.call(echo, 1, [2], a=3, func=4, how=how)
    assert given == ((1, [2]), {"a": 3, "func": 4})


@pytest.mark.parametrize("how", ["thread", None])
def test_thread_shares(how: How | None) -> None:
    """A thread is given the objects themselves, and gives one back."""
    given: list[object] = []
    with closing(Namespace.current("uts")) as uts:
        assert uts.call(lambda: given, how=how) is given


@POWER
def test_context(target: Holder) -> None:
    """In a thread the caller's context variables are seen, and not changed."""
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(1)

    def change() -> int:
        seen = variable.get()
        variable.set(2)
        return seen

    with members(target.pid, "uts") as made:
        assert made.call(change) == 1
    assert variable.get() == 1


@POWER
def test_own_directory(target: Holder) -> None:
    """In a mount namespace a thread has its own working directory and umask."""

    def change() -> tuple[str, str]:
        before = os.getcwd()
        os.umask(0o123)
        os.chdir("/proc")
        return before, os.getcwd()

    mask = os.umask(0o22)
    try:
        here = os.getcwd()
        with members(target.pid, "mnt") as made:
            assert made.call(change) == ("/", "/proc")
        assert os.getcwd() == here
        assert os.umask(0o22) == 0o22
    finally:
        os.umask(mask)


@POWER
@BIRTHS
def test_within(target: Holder, birth: Birth) -> None:
    """A function that is called may call in its turn."""
    path = f"/proc/{target.pid}/ns/uts"
    with members(target.pid, "net", "uts") as made, birth():
        for how in ("thread", "process"):
            first, second = made["net"].call(call_again, path, "uts", how=how)
            assert first == {**where(), "net": str(made["net"].id)}
            assert second == {**first, "uts": str(made["uts"].id)}


def test_processes_within() -> None:
    """A process may call in its turn, with the power that it has there."""
    with closing(NamespaceSet.new("user", "uts", "net")) as made:

        def call_inside() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
            uts = made["uts"]
            return where(), uts.call(where), uts.call(where, how="process")

        first, second, third = made["user"].call(call_inside)
        assert first == where() | {"user": str(made["user"].id)}
        assert second == third == first | {"uts": str(made["uts"].id)}


@POWER
def test_where_children_are_elsewhere(target: Holder) -> None:
    """A thread that can start none calls in a process, born where its children are."""
    with members(target.pid, "pid", "uts") as made, made["pid"]:
        found = made["uts"].call(where)
        assert found["pid"] == str(made["pid"].id)
        assert found["uts"] == str(made["uts"].id)


@pytest.mark.parametrize("type", ["user", "pid", "time"])
def test_no_thread(type: TypeLike) -> None:
    """A thread cannot be where its process is not: that is said before anything."""
    ran: list[int] = []
    new: tuple[TypeLike, ...] = ("user",) if type == "user" else ("user", type)
    with Popen(["sleep", "60"], new=new) as process:
        try:
            with closing(process.namespaces) as made, nothing_happens():
                with pytest.raises(ValueError, match=f"another {type} namespace"):
                    made[type].call(ran.append, 1, how="thread")
        finally:
            process.kill()
    assert ran == []


def test_wrong_arguments() -> None:
    """What is no function, or no way, is refused before anything is done."""
    with closing(NamespaceSet.new("user", "uts")) as made, nothing_happens():
        with pytest.raises(TypeError, match="function, not 'uts'"):
            made.call("uts")  # type: ignore[call-overload]
        with pytest.raises(ValueError, match="'thread', 'process' or None, not 'fork'"):
            made.call(where, how="fork")  # type: ignore[call-overload]


@pytest.mark.parametrize("how", ["thread", "process", None])
def test_closed(how: How | None) -> None:
    """Of a closed namespace nothing is called."""
    made = NamespaceSet.new("user", "uts")
    made.close()
    with pytest.raises(ValueError, match="is closed"):
        made["uts"].call(where, how=how)
    with pytest.raises(ValueError, match="is closed"):
        made.call(where, how=how)


CLOSED = """
import sys
from pynamespaces import ClosedNamespaceError, Namespace
made = Namespace.new("uts")
sys.addaudithook(lambda name, _: name == "pynamespaces.setns" and made.close())
try:
    made.call(print, "it was called")
except ClosedNamespaceError:
    print("closed")
"""


@POWER
def test_closed_meanwhile() -> None:
    """A namespace that is closed before the thread is inside is not entered."""
    assert run_python(CLOSED).stdout == "closed\n"


def ignore(_: object) -> None:
    """Return nothing."""


@POWER
@KINDS
def test_audit(target: Holder, how: How) -> None:
    """A hook is told the types, in the process that calls; it may forbid the call."""
    with members(target.pid, "uts", "net") as made:
        events = audited(lambda: ignore(made.call(os.getpid, how=how)))
        assert ("pynamespaces.setns", frozenset({"uts", "net"})) in events


@POWER
def test_interpreter_is_not_looked_for_inside(target: Holder, tmp_path: Path) -> None:
    """From another mount namespace no process is called that needs an interpreter."""
    with members(target.pid, "mnt", "uts") as made:

        def call_from_inside() -> str:
            try:
                made["uts"].call(os.getpid, how="process")
            except Exception as error:
                return repr(error)
            return "called"

        assert "call from outside" in made["mnt"].call(call_from_inside)
