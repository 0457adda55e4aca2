"""The source of events that answers on a thread of its own."""

import gc
import os
import signal
import threading

import pytest
from supervising import T, is_running
from support import in_child, program

from pynamespaces import SpawnError
from pynamespaces._lib import lib
from pynamespaces.tracing import TraceEvent, UnshareEvent
from pynamespaces.tracing._answerer import NotifySource
from pynamespaces.tracing._calls import Call
from pynamespaces.tracing._looking import Links
from pynamespaces.tracing._notify import Notifier

TWO = ["sh", "-c", "unshare -Ur true; unshare -Ur true; exit 3"]


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_reading() -> None:
    """The program goes on while nobody reads; then all of its events are there."""
    program("unshare")
    source = NotifySource(TWO)
    assert (source.name, source.lost) == ("notify", 0)
    # It ends by itself, although nothing was read.
    pidfd = os.pidfd_open(source.pid)
    with open(pidfd, "rb"):
        while source.returncode is None:
            source.wait(0.01)
    events: list[TraceEvent] = []
    while not source.ended:
        events += source.read(10)
    assert [type(event) for event in events] == [UnshareEvent, UnshareEvent]
    assert source.read() == []
    assert source.returncode == 3
    source.close()
    source.close()


def test_timeout() -> None:
    """Reading returns with nothing when the time is over; closing ends the program."""
    source = NotifySource(["sleep", "100"])
    assert source.read(0.01) == []
    assert not source.ended
    source.close()
    assert source.ended
    assert source.returncode == -signal.SIGKILL
    assert not is_running(source.pid)


def test_dropping() -> None:
    """Who forgets to close has it closed when the object goes."""
    source = NotifySource(["sleep", "100"])
    pid = source.pid
    assert "pynamespaces-notify" in _threads()
    del source
    gc.collect()
    assert "pynamespaces-notify" not in _threads()
    assert not is_running(pid)


def test_missing_program() -> None:
    """Where the program cannot be started, there is no thread either."""
    with pytest.raises(SpawnError):
        NotifySource(["/nowhere/at/all"])
    assert "pynamespaces-notify" not in _threads()


def test_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong on the thread is raised where it is read."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Call, "look_before", fail)
    source = NotifySource([program("unshare"), "-Ur", "sleep", "100"])
    with pytest.raises(ZeroDivisionError):
        source.read(30)
    assert source.ended
    assert not is_running(source.pid)
    source.close()


def test_thread_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a thread to answer, nothing is left of the program."""

    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError):
        NotifySource(["sleep", "100"])


def test_fork() -> None:
    """A forked child holds no listener, and leaves the program alone."""
    source = NotifySource(["sleep", "100"])

    def forked() -> list[str]:
        links = []
        for name in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{name}"))
            except FileNotFoundError:
                continue
        source.close()
        return [link for link in links if "seccomp" in link]

    assert in_child(forked) == []
    assert is_running(source.pid)
    source.close()


def test_killed_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is killed before its call is answered has not made it."""
    look = Call.look_before

    def kill(call: Call, links: Links | None) -> None:
        look(call, links)
        os.kill(call.tid, signal.SIGKILL)
        os.waitid(os.P_PID, call.tid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(Call, "look_before", kill)
    with Notifier([program("unshare"), "-Ur", "true"]) as notifier:
        assert notifier.take(30) == []
        assert notifier.ended
        assert notifier.returncode == -signal.SIGKILL


def test_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be read of the caller, what it asked for is told."""
    monkeypatch.setattr("pynamespaces._proc.shows_this_process", lambda: False)
    with Notifier([program("unshare"), "-Ur", "true"]) as notifier:
        (event,) = notifier.take(30)
        assert isinstance(event, UnshareEvent)
        assert (event.types, event.tid) == ((T.USER,), notifier.pid)
        assert (event.ppid, event.comm, event.changes) == (None, "", ())
        assert (event.result, event.certainty) == (None, "observed")
        assert notifier.take(30) == []
        assert notifier.returncode == 0


def test_daemons() -> None:
    """What the program leaves running is not waited for; it is not answered to."""
    program("unshare")
    script = "(read line; unshare -Ur true; echo $? >&2) <&0 & exit 4"

    def left() -> str:
        lib.pyns_prctl(lib.PR_SET_CHILD_SUBREAPER, 1)
        reader, writer = os.pipe()
        back, there = os.pipe()
        with Notifier(
            ["bash", "-c", script], options={"stdin": reader, "stderr": there}
        ) as notifier:
            os.close(there)
            assert notifier.take(30) == []
            assert (notifier.ended, notifier.returncode) == (True, 4)
        os.write(writer, b"go\n")
        with open(back, encoding="utf-8") as said:
            text = said.read()
        os.waitpid(-1, 0)
        return text

    text = in_child(left)
    assert "Function not implemented" in text
    assert text.endswith("1\n")
