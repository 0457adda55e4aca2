"""Calling a function elsewhere: interrupted, and with signals about."""

import gc
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from births import BIRTHS, Birth
from calling import leave_a_child, leave_a_thread, mask, wait_for_ever, where
from starting import eventually, makable, orphans_reaped
from support import run_python

from pynamespaces import CallError, NamespaceSet, Popen, TypeLike

NEW = pytest.mark.parametrize(
    "new",
    [pytest.param(("user",), id="user"), pytest.param(("user", "pid"), id="pid")],
)


class Interrupted(BaseException):
    """What a handler raises."""


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Have a handler raise after a time, unless the body is through by then."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    timeout = signal.getitimer(signal.ITIMER_REAL)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timeout)


@BIRTHS
@NEW
def test_interrupted(new: tuple[TypeLike, ...], birth: Birth) -> None:
    """An interrupt ends the process of a call, wherever that is, and is raised."""
    with Popen(["sleep", "60"], new=new) as process:
        try:
            with closing(process.namespaces) as made, birth(), orphans_reaped():
                started = time.monotonic()
                with suppress(Interrupted), interrupted_after(0.5):
                    made.call(wait_for_ever)
                    pytest.fail("it has returned")
                assert time.monotonic() - started < 30
        finally:
            process.kill()


@NEW
def test_interrupted_anywhere(new: tuple[TypeLike, ...]) -> None:
    """Whenever an interrupt comes, nothing is left of the call."""
    with Popen(["sleep", "60"], new=new) as process:
        try:
            with closing(process.namespaces) as made, orphans_reaped():
                before = mask()
                made.call(where)
                for step in range(150):
                    with suppress(Interrupted), interrupted_after(1e-4 + step * 6e-5):
                        made.call(where)
                    assert mask() == before
            gc.collect()  # What frames have that an interrupt has torn.
        finally:
            process.kill()


def test_sigchld_ignored() -> None:
    """Where nobody may wait for children, values come back all the same."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with closing(NamespaceSet.new("user", "uts")) as made:
            for _ in range(20):
                assert made.call(where)["user"] == str(made["user"].id)
            with pytest.raises(CallError) as caught:
                made.call(os._exit, 3)
            assert caught.value.exitcode is None
    finally:
        signal.signal(signal.SIGCHLD, before)


@BIRTHS
def test_signals_of_a_function(birth: Birth) -> None:
    """A process has the mask of its caller and what that ignores, but no handlers."""
    handler = signal.signal(signal.SIGUSR1, lambda *_: None)
    ignored = signal.signal(signal.SIGWINCH, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        with closing(NamespaceSet.new("user", "uts")) as made, birth():
            assert made.call(mask) == mask() == {signal.SIGUSR2}
            assert made.call(signal.getsignal, signal.SIGUSR1) is signal.SIG_DFL
            assert made.call(signal.getsignal, signal.SIGINT) is signal.SIG_DFL
            assert made.call(signal.getsignal, signal.SIGWINCH) is signal.SIG_IGN
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        signal.signal(signal.SIGWINCH, ignored)
        signal.signal(signal.SIGUSR1, handler)


ENDED = """
import os, signal, sys, threading
from pynamespaces import Namespace, NamespaceSet
def pause():
    print(os.getpid(), flush=True)
    signal.pause()
made = Namespace.new("user")
made.call(pause)
"""


def test_ends_with_the_caller() -> None:
    """A process of a call is killed when the one that called is."""
    with orphans_reaped():
        with subprocess.Popen(
            [sys.executable, "-c", ENDED], stdout=subprocess.PIPE, text=True
        ) as caller:
            assert caller.stdout is not None
            pid = int(caller.stdout.readline())
            pidfd = os.pidfd_open(pid)
            caller.kill()
        try:
            eventually(lambda: bool(poll(pidfd)))
        finally:
            os.close(pidfd)


def poll(pidfd: int) -> list[int]:
    """Return the pidfd if its process has ended."""
    return select.select([pidfd], [], [], 0)[0]


def test_thread_goes_on() -> None:
    """An interrupt does not end a function in a thread; it ends when it is through."""
    types = makable("uts")
    if "user" in types:
        pytest.skip("an ordinary user has no power over what a thread could enter")
    end = threading.Event()
    done = []

    def wait_and_tell() -> None:
        end.wait()
        done.append(where())

    def interrupt(*_: object) -> None:
        raise Interrupted

    handler = signal.signal(signal.SIGUSR1, interrupt)
    main = threading.get_ident()
    killer = threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGUSR1))
    killer.start()
    with closing(NamespaceSet.new(*types)) as made:
        name = str(made["uts"].id)
        with pytest.raises(Interrupted):
            made.call(wait_and_tell)
    signal.signal(signal.SIGUSR1, handler)
    assert done == []
    end.set()
    eventually(lambda: bool(done))
    assert done[0]["uts"] == name
    eventually(lambda: threading.active_count() == 1)


def test_event_loop_is_not_told() -> None:
    """Signals of a forked process do not wake up the event loop of its caller."""
    code = """
import asyncio, os, signal
from pynamespaces import CallError, Namespace

def raise_signal():
    os.kill(os.getpid(), signal.SIGUSR1)

async def main():
    told = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.append, 1)
    try:
        Namespace.new("user").call(raise_signal)
    except CallError as error:
        assert error.exitcode == -signal.SIGUSR1
    await asyncio.sleep(0.05)
    assert told == []

asyncio.run(main())
"""
    run_python(code)


@BIRTHS
def test_threads_of_a_function(birth: Birth) -> None:
    """With its value a process ends, whatever threads its function has started."""
    with closing(NamespaceSet.new("user", "uts")) as made, birth():
        pid, _ = made.call(leave_a_thread)
    assert not os.path.exists(f"/proc/{pid}")


@BIRTHS
def test_processes_of_a_function(birth: Birth) -> None:
    """A child that the function leaves behind does not hold up the call."""
    with closing(NamespaceSet.new("user", "uts")) as made, birth(), orphans_reaped():
        pid = made.call(leave_a_child)
        os.kill(pid, signal.SIGKILL)
