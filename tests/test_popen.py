"""`Popen` is the standard library's: ends, timeouts, and the functions around it."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from subprocess import CalledProcessError, TimeoutExpired
from typing import TypeVar

import pytest
from creating import nothing_happens
from starting import (
    LIMIT,
    OURS,
    WAYS,
    Ours,
    audited,
    has_ended,
    living,
    makable,
    new_of,
    unended,
)
from support import in_child
from test_switching_audit import Event

import pynamespaces
from pynamespaces import (
    CompletedProcess,
    NamespaceSet,
    Popen,
    check_output,
    run,
)

E = TypeVar("E", bound=BaseException)

PIPE = subprocess.PIPE
ENDS = [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", -9)]
ENDS += [("kill -15 $$", -15), ("ulimit -c 0; kill -11 $$", -11)]


def test_is_subprocess() -> None:
    """Whatever takes the standard library's takes these."""
    assert issubclass(Popen, subprocess.Popen)
    assert isinstance(run(["true"]), subprocess.CompletedProcess)
    assert isinstance(run(["true"]), CompletedProcess)
    names = {"Popen", "run", "check_output", "CompletedProcess", "SpawnError"}
    assert names <= {*pynamespaces.__all__} & {*dir(pynamespaces)}


def test_nothing_of_ours() -> None:
    """Without any of ours the standard library starts the program."""

    def start() -> None:
        prepared = "import os; print(os.environ['prepared'])"
        done = run(
            [sys.executable, "-I", "-S", "-c", prepared],
            preexec_fn=lambda: os.environ.update(prepared="yes"),
            stdout=PIPE,
        )
        assert done.stdout == b"yes\n"
        error = caught(FileNotFoundError, lambda: Popen(["/no/such/program"]))
        assert type(error) is FileNotFoundError

    assert in_child(lambda: audited(start)) == []


@OURS
def test_audit(ours: Ours) -> None:
    """Starting raises the standard library's event, and one of what is made."""
    seen: list[tuple[object, ...]] = []
    command, environment = ["true", "x"], {"PATH": os.environ["PATH"], "a": "b"}

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event == "subprocess.Popen":
            seen.append(args)

    def start() -> None:
        run(command, cwd="/", env=environment, **ours)

    def check() -> list[Event]:
        sys.addaudithook(hook)
        events = audited(start)
        ((executable, args, cwd, env),) = seen
        assert executable in ("true", b"true")
        assert (args, cwd, env) == (command, "/", environment)
        return events

    events = in_child(check)
    assert {name for name, _ in events} == {"pynamespaces.clone3"}
    assert frozenset().union(*(types for _, types in events)) == {*new_of(ours)}


def test_audit_forbids() -> None:
    """An event hook that raises keeps the program from being started."""

    def check() -> None:
        def hook(event: str, _: object) -> None:
            if event == "pynamespaces.clone3":
                raise ZeroDivisionError

        sys.addaudithook(hook)
        with nothing_happens(), pytest.raises(ZeroDivisionError):
            Popen(["true"], stdout=PIPE, new=makable("uts"))

    in_child(check)


# --- how it ends ---


def caught(kind: type[E], function: Callable[[], object]) -> E:
    """Return an error without its traceback, which would keep a `Popen` alive."""
    try:
        function()
    except kind as error:
        return error.with_traceback(None)
    pytest.fail(f"no {kind.__name__} was raised")


@WAYS
@pytest.mark.parametrize(("script", "code"), ENDS)
def test_returncode(ours: Ours, script: str, code: int) -> None:
    """An exit status comes back as it is, a signal as a negative number."""
    assert run(["sh", "-c", script], **ours).returncode == code


@WAYS
def test_poll_and_wait(ours: Ours) -> None:
    """A program that runs has no return code; one that has ended keeps its own."""
    with Popen(["sh", "-c", "read x; exit 4"], stdin=PIPE, **ours) as process:
        assert process.poll() is None
        assert process.returncode is None
        error = caught(TimeoutExpired, lambda: process.wait(timeout=0.01))
        assert error.cmd == process.args == ["sh", "-c", "read x; exit 4"]
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(timeout=LIMIT) == 4
        assert [process.poll(), process.wait(), process.returncode] == [4, 4, 4]
    process.send_signal(signal.SIGTERM)  # Which does nothing by now.
    assert "returncode: 4" in repr(process)


@WAYS
def test_context(ours: Ours) -> None:
    """The end of the context closes the streams and waits."""
    with Popen(["cat"], stdin=PIPE, stdout=PIPE, stderr=PIPE, **ours) as process:
        pass
    assert process.returncode == 0
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        assert stream.closed


@WAYS
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGUSR1"])
def test_signal(ours: Ours, name: str) -> None:
    """A program that is sent a signal ends by it."""
    number = signal.Signals[name]
    with unended() as nothing, Popen(["cat"], stdin=nothing, **ours) as process:
        process.send_signal(number)
        assert process.wait(timeout=LIMIT) == -number


@WAYS
def test_terminate_and_kill(ours: Ours) -> None:
    """Both end a program."""
    with unended() as nothing:
        with Popen(["cat"], stdin=nothing, **ours) as process:
            process.terminate()
            assert process.wait(timeout=LIMIT) == -signal.SIGTERM
        with Popen(["cat"], stdin=nothing, **ours) as process:
            process.kill()
            assert process.wait(timeout=LIMIT) == -signal.SIGKILL


@WAYS
def test_pidfd(ours: Ours) -> None:
    """The pidfd is of the child that is waited for, and goes with the object."""
    with living(**ours) as process:
        pidfd = process.pidfd
        with open(f"/proc/self/fdinfo/{pidfd}") as info:
            assert f"Pid:\t{process.pid}\n" in info.readlines()
        assert not os.get_inheritable(pidfd)
        assert not has_ended(pidfd, wait=0)
        process.kill()
        assert has_ended(pidfd)
    # That the descriptor has gone in the end is what the fixture sees.


def test_pidfd_too_late() -> None:
    """There is none of a program of the standard library's that has ended."""
    with Popen(["true"]) as process:
        pass
    with pytest.raises(ProcessLookupError):
        _ = process.pidfd


@WAYS
def test_dropped_while_it_runs(ours: Ours) -> None:
    """What nobody waits for is reaped when the next program is started."""
    with unended() as nothing:
        process = Popen(["cat"], stdin=nothing, **ours)
        pidfd = os.pidfd_open(process.pid)
        with pytest.warns(ResourceWarning, match="still running"):
            del process
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], LIMIT)[0]
        os.close(pidfd)
    run(["true"])


@OURS
def test_namespaces(ours: Ours) -> None:
    """The namespaces are the program's, each time in a set that the caller owns."""
    with living(**ours) as process:
        with closing(process.namespaces) as found, closing(process.namespaces) as again:
            assert isinstance(found, NamespaceSet)
            assert found is not again
            assert dict(found) == dict(again)
            with closing(NamespaceSet.current()) as mine:
                differing = {type for type in mine if found[type] != mine[type]}
                assert differing == {*new_of(ours)}


# --- run and check_output ---


@WAYS
def test_run(ours: Ours) -> None:
    """What is run comes back with its arguments, status and output."""
    command = ["sh", "-c", "cat; echo no >&2; exit 3"]
    done = run(command, input="yes", capture_output=True, text=True, **ours)
    assert (done.args, done.returncode) == (command, 3)
    assert (done.stdout, done.stderr) == ("yes", "no\n")
    with pytest.raises(CalledProcessError):
        done.check_returncode()


@WAYS
@pytest.mark.parametrize(("script", "code"), ENDS[1:4])
def test_check(ours: Ours, script: str, code: int) -> None:
    """A status that is not 0 is an error where that was asked for."""
    command = ["sh", "-c", f"echo out; echo err >&2; {script}"]
    error = caught(
        CalledProcessError,
        lambda: run(command, check=True, capture_output=True, **ours),
    )
    assert (error.returncode, error.cmd) == (code, command)
    assert (error.stdout, error.stderr) == (b"out\n", b"err\n")


@WAYS
def test_check_output(ours: Ours) -> None:
    """The output comes back, or the status as an error with the output."""
    assert check_output(["echo", "ö"], text=True, encoding="utf-8", **ours) == "ö\n"
    assert check_output(["cat"], input=b"in", **ours) == b"in"
    both = ["sh", "-c", "echo a; echo b >&2"]
    assert check_output(both, stderr=subprocess.STDOUT, **ours) == b"a\nb\n"
    command = ["sh", "-c", "echo a; exit 2"]
    error = caught(CalledProcessError, lambda: check_output(command, **ours))
    assert (error.returncode, error.output) == (2, b"a\n")
    with pytest.raises(ValueError, match="stdout"):
        check_output(["true"], stdout=PIPE, **ours)  # type: ignore[call-overload]


@WAYS
def test_timeout_kills(ours: Ours) -> None:
    """What takes too long is killed, and what it wrote is told."""
    command = ["sh", "-c", "echo first; exec cat"]
    with unended() as nothing, nothing_happens():
        options = {"stdin": nothing, "stdout": PIPE, "timeout": 0.1}
        error = caught(TimeoutExpired, lambda: run(command, **options, **ours))  # type: ignore[call-overload]
        # As much as it has had the time for.
        assert error.output in (b"first\n", b"", None)
        caught(
            TimeoutExpired,
            lambda: check_output(command, stdin=nothing, timeout=0.01, **ours),
        )


@WAYS
def test_communicate_in_time_and_not(ours: Ours) -> None:
    """After a timeout one may go on, and nothing has been lost."""
    reader, writer = os.pipe()
    command = ["sh", "-c", "echo first; exec cat"]
    with Popen(command, stdin=reader, stdout=PIPE, text=True, **ours) as process:
        os.close(reader)
        caught(TimeoutExpired, lambda: process.communicate(timeout=0.05))
        os.write(writer, b"second\n")
        caught(TimeoutExpired, lambda: process.communicate(timeout=0.01))
        os.close(writer)
        assert process.communicate(timeout=LIMIT)[0] == "first\nsecond\n"
        assert process.returncode == 0
