"""Calling a function elsewhere: what comes back, or why nothing does."""

import errno
import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, ParamSpec

import pytest
from births import BIRTHS, KINDS, Birth, somewhere
from calling import (
    OddError,
    Unprintable,
    Vanishing,
    be_killed,
    echo,
    fail,
    fail_oddly,
    leave,
    leave_at_once,
    much,
    where,
)
from creating import nothing_happens
from support import run_python

from pynamespaces import (
    CallError,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    Popen,
    SystemCallError,
)
from pynamespaces._core.call import How

P = ParamSpec("P")

MUCH: Final = 100_000_000


def failed(
    function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
) -> CallError:
    """Return why a function that is called in a process has no value."""
    with closing(Namespace.new("user")) as made, nothing_happens():
        return failed_in(made, function, *args, **kwargs)


def failed_in(
    made: Namespace | NamespaceSet,
    function: Callable[P, object],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> CallError:
    """Return the same of one that is called in a given place."""
    try:
        made.call(function, *args, **kwargs)
    except CallError as error:
        # Its frames would keep alive what the test has open.
        return error.with_traceback(None)
    raise AssertionError("it has a value")


@contextmanager
def pid_namespace() -> Iterator[tuple[Popen[bytes], NamespaceSet]]:
    """Have a pid namespace with an init, and a program."""
    with Popen(["sleep", "60"], new=("user", "pid")) as process:
        try:
            with closing(process.namespaces) as made:
                yield process, made
        finally:
            process.kill()


@KINDS
def test_exception(how: How) -> None:
    """An exception arrives as itself, and tells where it was raised."""
    with somewhere(how) as made, pytest.raises(KeyError, match="'lost'") as caught:
        made.call(fail, "lost", how=how)
    text = "".join(traceback.format_exception(caught.value))
    assert "raise KeyError(text)" in text
    assert ("Traceback" in str(caught.value.__cause__)) is (how == "process")


@BIRTHS
def test_exception_of_a_process(birth: Birth) -> None:
    """From a process, however it began, the traceback there is the cause."""
    with closing(Namespace.new("user")) as made, birth():
        with pytest.raises(KeyError, match="'lost'") as caught:
            made.call(fail, "lost")
    assert "calling.py" in str(caught.value.__cause__)
    assert "raise KeyError(text)" in str(caught.value.__cause__)


def test_notes_and_attributes() -> None:
    """What an exception has been given arrives with it."""

    def noted() -> None:
        error = ValueError("x")
        error.add_note("a note")
        raise error

    with closing(Namespace.new("user")) as made, pytest.raises(ValueError) as caught:
        made.call(noted)
    assert caught.value.__notes__ == ["a note"]


@KINDS
@pytest.mark.parametrize(("code", "status"), [(3, 3), (None, 0), ("a word", 1)])
def test_sys_exit(how: How, code: object, status: int) -> None:
    """``sys.exit`` ends the call and not the caller."""
    with somewhere(how) as made, pytest.raises(CallError, match=r"sys\.exit") as caught:
        made.call(leave, code, how=how)
    assert caught.value.exitcode == status
    assert "a word" in str(caught.value) or code != "a word"


@pytest.mark.parametrize("code", [0, 5])
def test_os_exit(code: int) -> None:
    """A process that ends at once has no answer, even if it ended well."""
    assert failed(leave_at_once, code).exitcode == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_killed(number: int) -> None:
    """A process that was killed has no answer, but the number of the signal."""
    assert failed(be_killed, number).exitcode == -number


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_a_pid_namespace(number: int) -> None:
    """The same where the process is a child of the one that was started."""
    with pid_namespace() as (_, made), nothing_happens():
        error = failed_in(made, be_killed, number)
    assert error.exitcode == -number


def test_init_that_ends() -> None:
    """With the init of its pid namespace, the function ends too: an error, no hang."""
    with pid_namespace() as (_, made):
        error = failed_in(made, be_killed_with_init)
    assert error.exitcode == -signal.SIGKILL


def test_init_that_is_killed(tmp_path: Path) -> None:
    """The same where it is killed from outside, and the function is not in Python."""
    started = tmp_path / "started"
    os.mkfifo(started)

    def kill() -> None:
        started.read_bytes()
        process.kill()

    with pid_namespace() as (process, made):
        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        error = failed_in(made, os.system, f"echo > '{started}'; exec sleep 60")
        killer.join()
    assert error.exitcode == -signal.SIGKILL


def be_killed_with_init() -> None:
    """Have the init end, by the end of its program."""
    os.kill(2, signal.SIGKILL)
    signal.pause()


@pytest.mark.parametrize("make", [Unprintable, threading.Lock, socket.socket])
def test_value_that_cannot_be_pickled(make: Callable[[], object]) -> None:
    """A value that does not pickle is an error that says what it was."""
    error = failed(make)
    assert "cannot be pickled" in str(error)
    assert "Traceback" in str(error.__cause__)
    assert error.exitcode == 1


def test_value_that_cannot_be_unpickled() -> None:
    """The same of a value that only the caller cannot make."""
    error = failed(Vanishing)
    assert "cannot be unpickled" in str(error)
    assert isinstance(error.__cause__, LookupError)


def test_exception_that_cannot_be_pickled() -> None:
    """An exception that does not survive pickling is told by its text."""
    error = failed(fail_oddly)
    assert "OddError" in str(error)
    assert OddError.__name__ in str(error.__cause__)


def test_exception_of_a_local_class() -> None:
    """The same where its class cannot be found by name."""

    class LocalError(Exception):
        pass

    def fail_locally() -> None:
        raise LocalError("here")

    assert "LocalError" in str(failed(fail_locally))


@BIRTHS
def test_much(birth: Birth) -> None:
    """A hundred million bytes come back, and go there."""
    with closing(Namespace.new("user")) as made, birth():
        value = made.call(much, MUCH)
        assert (len(value), value[:256]) == (MUCH, bytes(range(256)))
        assert made.call(echo, value) == ((value,), {})


@pytest.mark.tier("plain")
@KINDS
def test_refused(how: How) -> None:
    """What the kernel refuses is its own error, and the function is not called."""
    ran: list[int] = []
    with closing(NamespaceSet.new("user", "net")) as made, nothing_happens():
        with pytest.raises(NamespacePermissionError) as caught:
            made["net"].call(ran.append, 1, how=how)
    assert (caught.value.syscall, caught.value.errno) == ("setns", errno.EPERM)
    assert "owner" in str(caught.value) or "CAP_SYS_ADMIN" in str(caught.value)
    assert ran == []


@BIRTHS
def test_dead_pid_namespace(birth: Birth) -> None:
    """Where no process can be born any more, the kernel's error is told."""
    with pid_namespace() as (process, made), birth():
        process.kill()
        process.wait()
        error = refused_in(made)
    assert (error.syscall, error.errno) == ("fork", errno.ENOMEM)


def refused_in(made: NamespaceSet) -> SystemCallError:
    """Return the kernel's refusal of a call."""
    try:
        made.call(where)
    except SystemCallError as error:
        return error.with_traceback(None)
    raise AssertionError("it was called")


def test_printed_text_comes_once() -> None:
    """What was printed before is written once, and what is printed inside, too."""
    code = """
from pynamespaces import Namespace
print("before", end=" ")
Namespace.new("user").call(print, "inside", end=" ")
print("after")
"""
    assert run_python(code).stdout == "before inside after\n"
