"""Helper tasks that fail, at limits or killed, and what thousands of them leave."""

import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from provoking import (
    CAP_SYS_CHROOT,
    closed_fd,
    drop_capabilities,
    give_up_root,
    hand_over_calls,
)
from reaching import PATIENCE, data_size, mappings
from support import in_child
from targets import PR_SET_DUMPABLE
from veth import Pair, net, pair

from pynamespaces import (
    MountNamespace,
    Namespace,
    NamespaceLimitError,
    NamespaceSet,
    NetNamespace,
    SystemCallError,
    UtsNamespace,
)

__all__ = ["net", "pair"]

PR_GET_DUMPABLE = 3
_RECEIVE = 0xC0502100

libc = ctypes.CDLL(None, use_errno=True)


class Places:
    """A namespace of each kind that something is reached in."""

    def __init__(self) -> None:
        with closing(NamespaceSet.new("user", "mnt", "net", "uts")) as made:
            self.mnt: MountNamespace = Namespace.from_fd(made["mnt"], "mnt")
            self.net: NetNamespace = Namespace.from_fd(made["net"], "net")
            self.uts: UtsNamespace = Namespace.from_fd(made["uts"], "uts")


ACTS: dict[str, Callable[[Places], object]] = {
    "socket": lambda places: places.net.socket(),
    "server": lambda places: places.net.create_server(("", 0)),
    "cookie": lambda places: places.net.cookie,
    "open": lambda places: os.close(places.mnt.open("/")),
    "hostname": lambda places: places.uts.hostname,
    "own socket": lambda _: Namespace.current("net").socket(),
    "own open": lambda _: os.close(Namespace.current("mnt").open("/")),
    "own hostname": lambda _: Namespace.current("uts").hostname,
}
acts = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


def count_open() -> int:
    """Return how many descriptors are open."""
    return len(os.listdir("/proc/self/fd"))


def free_descriptors(count: int) -> None:
    """Leave so many descriptors to be had."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lowest = closed_fd()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, hard))


@acts
@pytest.mark.parametrize("powerful", [True, False])
def test_few_descriptors(act: Callable[[Places], object], powerful: bool) -> None:
    """With too few descriptors it says so, whatever it lacks them for, and keeps none."""

    def ask() -> list[bool]:
        places = Places()
        if not powerful:
            drop_capabilities()
        act(places)
        before = count_open()
        worked = []
        for count in range(8):
            free_descriptors(count)
            try:
                act(places)
            except NamespaceLimitError as error:
                assert error.errno == errno.EMFILE
                assert "RLIMIT_NOFILE" in (error.hint or "")
                worked.append(False)
            else:
                worked.append(True)
            free_descriptors(50)
            assert count_open() == before
        return worked

    worked = in_child(ask)
    assert worked == sorted(worked)
    assert not worked[0]
    assert worked[-1]


@acts
@pytest.mark.tier("root", "plain")
def test_no_more_processes(act: Callable[[Places], object]) -> None:
    """Where an ordinary user may have no more processes, no helper task is started."""

    def ask() -> None:
        give_up_root()
        libc.prctl(PR_SET_DUMPABLE, 1)
        places = Places()
        act(places)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        act(places)

    with pytest.raises(NamespaceLimitError, match="RLIMIT_NPROC") as caught:
        in_child(ask)
    assert (caught.value.errno, caught.value.syscall) == (errno.EAGAIN, "clone")


def kill_at_setns(act: Callable[[], object]) -> None:
    """Act, and have another thread kill the helper task when it is to enter."""
    signal.alarm(int(PATIENCE))
    ready = threading.Event()
    listener: list[int] = []

    def kill() -> None:
        ready.wait()
        notice = bytearray(80)
        fcntl.ioctl(listener[0], _RECEIVE, notice)
        _, helper = struct.unpack_from("QI", notice)
        assert helper != os.getpid()
        os.kill(helper, signal.SIGKILL)

    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill)
        listener.append(hand_over_calls("setns"))
        ready.set()
        try:
            act()
        finally:
            killed.result()
            os.close(listener[0])


@acts
def test_helper_is_killed(act: Callable[[Places], object]) -> None:
    """That the helper task was killed is told, and nothing is left of it."""

    def ask() -> None:
        places = Places()
        act(places)
        before = count_open()
        with pytest.raises(SystemCallError, match="has been killed") as caught:
            kill_at_setns(lambda: act(places))
        assert caught.value.errno == errno.ECANCELED
        assert caught.value.syscall == "setns"
        del caught
        assert count_open() == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    in_child(ask)


@pytest.mark.tier("root")
def test_dumpable_stays() -> None:
    """A helper task in another user's user namespace leaves the caller dumpable."""

    def ask() -> None:
        with closing(foreign_mounts()) as foreign:
            assert foreign.owner().owner_uid == 65534
            # Without it, the way in leads through the user namespace.
            drop_capabilities(CAP_SYS_CHROOT)
            assert libc.prctl(PR_GET_DUMPABLE) == 1
            os.close(foreign.open("/"))
            assert libc.prctl(PR_GET_DUMPABLE) == 1

    in_child(ask)


def foreign_mounts() -> MountNamespace:
    """Open a mount namespace that an ordinary user has made."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pid = os.fork()
        if pid == 0:
            try:
                give_up_root()
                libc.prctl(PR_SET_DUMPABLE, 1)
                made = NamespaceSet.new("user", "mnt")
                socket.send_fds(theirs, [b"!"], [made["mnt"].fileno()])
            finally:
                os._exit(0)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        os.waitpid(pid, 0)
    try:
        return Namespace.from_fd(fds[0], "mnt")
    finally:
        os.close(fds[0])


TIMES = 2000


def test_thousands_leave_nothing(pair: Pair) -> None:
    """Thousands of sockets leave no descriptor, child, thread, mapping or memory."""

    def ask() -> None:
        def make(times: int) -> None:
            for _ in range(times):
                pair.near.socket().close()
                with pytest.raises(OSError):
                    pair.near.socket(200)

        make(100)
        before = count_open(), mappings(), threading.active_count()
        size = data_size()
        make(TIMES // 2)
        assert (count_open(), mappings(), threading.active_count()) == before
        assert len(os.listdir("/proc/self/task")) == 1
        # A page for each would be 8 MiB.
        assert data_size() - size < 1 << 20
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    in_child(ask)
