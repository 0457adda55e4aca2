"""What goes on at the same time: threads, signals, forks, waiters, entered places."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from holding import in_own_userns
from reaching import PATIENCE, is_of, nobody_leaves
from support import in_child, own, own_all
from targets import POWER
from veth import Pair, fresh_pair, net, pair

from pynamespaces import (
    IrreversibleError,
    Namespace,
    NamespaceSet,
    UtsNamespace,
    unshared,
)

__all__ = ["net", "pair"]

THREADS = 20
TIMES = 25


def test_many_threads(pair: Pair) -> None:
    """Threads make sockets of two namespaces at once, and each gets its own."""
    ready = threading.Barrier(THREADS)

    def make(index: int) -> bool:
        ready.wait(PATIENCE)
        home, ns = own_all(), pair[index % 2]
        for _ in range(TIMES):
            with ns.socket() as sock:
                if not is_of(sock, ns) or own_all() != home:
                    return False
        return True

    with nobody_leaves(), ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(make, range(THREADS)))


@POWER
def test_threads_inside_stay_there(pair: Pair) -> None:
    """A thread that has entered one namespace reaches another and stays where it is."""
    ready = threading.Barrier(THREADS)

    def make(_: int) -> None:
        with pair.near:
            inside = own_all()
            ready.wait(PATIENCE)
            for _ in range(TIMES):
                with pair.far.socket() as sock:
                    assert is_of(sock, pair.far)
                assert pair.far.cookie > 0
                assert own_all() == inside
            assert own("net") == (pair.near.id.dev, pair.near.id.ino)

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(make, range(THREADS))) == [None] * THREADS


def test_pending_pid_namespace_is_unharmed() -> None:
    """No helper task becomes the init of a pid namespace that waits for its own."""

    def ask() -> object:
        with (
            closing(Namespace.new("net")) as net,
            closing(Namespace.current("mnt")) as mnt,
            closing(Namespace.current("uts")) as uts,
        ):
            acts: list[Callable[[], object]] = [
                net.socket,
                lambda: net.cookie,
                lambda: net.create_server(("", 0)),
                lambda: os.close(mnt.open("/")),
                lambda: uts.hostname,
            ]
            with unshared("pid"):
                for act in acts:
                    with pytest.raises(IrreversibleError, match="init"):
                        act()
                # The first child is the init, and children after it are welcome.
                held, hold = os.pipe()
                init = os.fork()
                if init == 0:
                    os.close(hold)
                    os.read(held, 1)
                    os._exit(os.getpid() + 40)
                for act in acts:
                    result = act()
                    if isinstance(result, socket.socket):
                        result.close()
                second = in_child(os.getpid)
                os.close(hold)
                _, status = os.waitpid(init, 0)
                os.close(held)
                return os.waitstatus_to_exitcode(status), second > 1

    assert in_own_userns(ask, "pid", "net") == (41, True)


def reach_all(nets: Pair, times: int) -> None:
    """Do each thing that helper tasks do, and see that it was done."""
    with closing(Namespace.current("mnt")) as mnt, closing(uts()) as names:
        for _ in range(times):
            with nets.near.socket() as sock:
                assert is_of(sock, nets.near)
            os.close(mnt.open("/"))
            assert names.hostname == "elsewhere"


def uts() -> UtsNamespace:
    """Make a uts namespace that the caller has power over, whoever it is."""
    with closing(NamespaceSet.new("user", "uts", hostname="elsewhere")) as made:
        return Namespace.from_fd(made["uts"], "uts")


def test_storm_of_signals() -> None:
    """A timer that interrupts all the time, with a handler, disturbs nothing."""
    heard = []

    def ask() -> None:
        signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
        with fresh_pair(owned=True) as nets:
            signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
            try:
                while len(heard) < 200:
                    reach_all(nets, 5)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)

    in_child(ask)


def test_pending_signals_are_kept() -> None:
    """The signals that a thread has blocked are blocked afterwards, and no others."""

    def ask() -> None:
        blocked = {signal.SIGUSR1, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        with fresh_pair(owned=True) as nets:
            os.kill(os.getpid(), signal.SIGUSR1)
            reach_all(nets, 2)
            with pytest.raises(OSError):
                nets.near.socket(200)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked
        assert signal.sigpending() == {signal.SIGUSR1}

    in_child(ask)


def test_helpers_are_nobodys_children() -> None:
    """Neither a SIGCHLD handler nor a waiter for any child hears of helper tasks."""

    def ask() -> None:
        told: list[int] = []
        signal.signal(signal.SIGCHLD, lambda *_: told.append(1))
        held, hold = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(hold)
            os.read(held, 1)
            os._exit(7)
        with ThreadPoolExecutor(1) as pool, fresh_pair(owned=True) as nets:
            waited = pool.submit(os.waitpid, -1, 0)
            reach_all(nets, 50)
            assert not waited.done()
            assert told == []
            os.close(hold)
            pid, status = waited.result(PATIENCE)
        assert (pid, os.waitstatus_to_exitcode(status)) == (child, 7)
        assert told == [1]

    in_child(ask)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_whatever_becomes_of_children(handler: signal.Handlers) -> None:
    """It works the same where the kernel reaps the children of the program."""

    def ask() -> None:
        signal.signal(signal.SIGCHLD, handler)
        with fresh_pair(owned=True) as nets:
            reach_all(nets, 5)
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    in_child(ask)


@contextmanager
def forking() -> Iterator[Callable[[int], None]]:
    """Start programs all the time, in another thread."""
    over = threading.Event()
    turns = threading.Semaphore(0)

    def fork() -> None:
        while not over.is_set():
            pid = os.posix_spawn("/bin/true", ["true"], {})
            _, status = os.waitpid(pid, 0)
            assert status == 0
            turns.release()

    def see(times: int) -> None:
        for _ in range(times):
            assert turns.acquire(timeout=PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(fork)
        try:
            yield see
        finally:
            over.set()
        done.result()


def test_beside_forks() -> None:
    """Programs that another thread starts meanwhile end as they should."""

    def ask() -> None:
        with fresh_pair(owned=True) as nets, forking() as see:
            for _ in range(10):
                reach_all(nets, 10)
                see(1)

    in_child(ask)
