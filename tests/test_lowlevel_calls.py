"""unshare and the calls on pidfds, on real objects."""

import errno
import os
import select
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from provoking import (
    another_process,
    another_thread,
    changed_by,
    dead_pid,
    differing,
    drop_capabilities,
    zombie,
)
from support import TIER, in_child, missing, own, own_all

from pynamespaces import (
    MultithreadedError,
    NamespacePermissionError,
    NamespaceType,
    NoSuchProcessError,
    SystemCallError,
    lowlevel,
)

L = lowlevel
POWER = pytest.mark.tier("root", "userns")
ENTERED = ("cgroup", "ipc", "mnt", "net", "uts")
LINKS = {type: (type,) for type in ENTERED}
LINKS |= {"pid": ("pid_for_children",), "time": ("time_for_children",)}
LINKS |= {"user": ("user",)}
"""What changes in the calling thread when a type is unshared."""


# --- unshare ---


@POWER
@pytest.mark.parametrize("type", LINKS)
def test_unshare(type: str) -> None:
    """The thread gets a fresh namespace of that type, and of no other."""
    flag = NamespaceType(type).flag
    assert changed_by(lambda: lowlevel.unshare(flag)) == LINKS[type]


@POWER
def test_unshare_many() -> None:
    """Several flags give several fresh namespaces at once."""
    flags = L.CLONE_NEWUTS | L.CLONE_NEWNET | L.CLONE_NEWIPC
    assert changed_by(lambda: lowlevel.unshare(flags)) == ("ipc", "net", "uts")


def test_unshare_nothing() -> None:
    """Without a flag nothing changes, and nothing is refused."""
    assert changed_by(lambda: lowlevel.unshare(0)) == ()


def test_unshare_fs() -> None:
    """A thread that has unshared CLONE_FS has a working directory of its own."""

    def move() -> tuple[str, str]:
        os.chdir("/")
        with ThreadPoolExecutor(1) as other:
            other.submit(lowlevel.unshare, L.CLONE_FS).result()
            other.submit(os.chdir, "/proc").result()
            return os.getcwd(), other.submit(os.getcwd).result()

    assert in_child(move) == ("/", "/proc")


@POWER
def test_unshare_all_or_none() -> None:
    """If one type is refused, none is changed."""

    def try_both() -> tuple[str, ...]:
        before = own_all()
        with another_thread(), pytest.raises(MultithreadedError):
            lowlevel.unshare(L.CLONE_NEWUTS | L.CLONE_NEWUSER)
        return differing(before, own_all())

    assert in_child(try_both) == ()


@POWER
def test_unshare_only_this_thread() -> None:
    """The other threads stay where they are."""

    def change_other() -> tuple[bool, bool]:
        before = own("uts")
        with ThreadPoolExecutor(1) as other:
            other.submit(lowlevel.unshare, L.CLONE_NEWUTS).result()
            return own("uts") == before, other.submit(own, "uts").result() == before

    assert in_child(change_other) == (True, False)


@pytest.mark.parametrize("flag", [L.CLONE_VFORK, L.CLONE_PIDFD, L.CLONE_PARENT, 17])
def test_unshare_what_cannot_be(flag: int) -> None:
    """A flag that is not for unshare is the kernel's to refuse."""
    with pytest.raises(SystemCallError) as caught:
        lowlevel.unshare(flag)
    assert (caught.value.errno, caught.value.syscall) == (errno.EINVAL, "unshare")


# --- pidfds ---


def _pid_of(pidfd: int) -> int:
    for line in Path(f"/proc/thread-self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    raise LookupError(pidfd)


def test_pidfd_open() -> None:
    """A pidfd is of the process that was named, and is readable when it has ended."""
    with another_process() as pid:
        pidfd = lowlevel.pidfd_open(pid)
        assert _pid_of(pidfd) == pid
        assert select.select([pidfd], [], [], 0)[0] == []
    assert select.select([pidfd], [], [], 10)[0] == [pidfd]
    os.close(pidfd)


def test_pidfd_open_nonblock() -> None:
    """A flag is passed on to the kernel."""
    pidfd = lowlevel.pidfd_open(os.getpid(), L.PIDFD_NONBLOCK)
    assert not os.get_blocking(pidfd)
    os.close(pidfd)


def test_pidfd_open_thread() -> None:
    """A thread's pidfd is of that thread, where the kernel has them."""
    with another_thread() as tid:
        try:
            pidfd = lowlevel.pidfd_open(tid, L.PIDFD_THREAD)
        except SystemCallError as error:
            missing("pidfd-thread", f"Linux before 6.9: {error}")
        assert _pid_of(pidfd) == tid
        os.close(pidfd)
        with pytest.raises(SystemCallError) as caught:
            lowlevel.pidfd_open(tid)
    assert caught.value.errno in (errno.EINVAL, errno.ENOENT)


def test_pidfd_open_of_the_dead() -> None:
    """A process that is gone has no pidfd; a zombie has one."""
    with pytest.raises(NoSuchProcessError) as caught:
        lowlevel.pidfd_open(dead_pid())
    assert caught.value.errno == errno.ESRCH
    pidfd = lowlevel.pidfd_open(pid := zombie())
    assert os.waitpid(pid, 0)[0] == pid
    os.close(pidfd)


def test_pidfd_send_signal() -> None:
    """The signal arrives at the process of the pidfd."""
    with another_process() as pid:
        pidfd = lowlevel.pidfd_open(pid)
        lowlevel.pidfd_send_signal(pidfd, 0)
        lowlevel.pidfd_send_signal(pidfd, signal.SIGTERM)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_status, ended.si_pid) == (signal.SIGTERM, pid)
    with pytest.raises(NoSuchProcessError):
        lowlevel.pidfd_send_signal(pidfd, 0)
    os.close(pidfd)


def test_pidfd_send_signal_to_nothing() -> None:
    """What is no pidfd is refused as a descriptor of the wrong kind."""
    reader, writer = os.pipe()
    with pytest.raises(SystemCallError, match="not of the kind") as caught:
        lowlevel.pidfd_send_signal(reader, 0)
    assert caught.value.errno == errno.EBADF
    os.close(reader)
    os.close(writer)


@pytest.mark.tier("root", "plain")
def test_pidfd_send_signal_to_another_user() -> None:
    """A process of another user is alive, and not the caller's to signal."""

    def send() -> None:
        if TIER == "root":
            os.setresuid(65534, 65534, 65534)
        pidfd = lowlevel.pidfd_open(os.getppid() if TIER == "root" else 1)
        lowlevel.pidfd_send_signal(pidfd, 0)

    with pytest.raises(NamespacePermissionError) as caught:
        in_child(send)
    assert caught.value.errno == errno.EPERM


def test_pidfd_getfd() -> None:
    """The duplicate shares the open file, its position too, and is close-on-exec."""
    with open("/proc/self/maps", "rb", buffering=0) as file, another_process() as pid:
        pidfd = lowlevel.pidfd_open(pid)
        copy = lowlevel.pidfd_getfd(pidfd, file.fileno())
        os.close(pidfd)
        assert copy != file.fileno()
        assert not os.get_inheritable(copy)
        os.read(copy, 7)
        assert file.tell() == 7
        os.close(copy)


def test_pidfd_getfd_of_nothing() -> None:
    """A number that is not open there is refused."""
    with another_process() as pid:
        pidfd = lowlevel.pidfd_open(pid)
        with pytest.raises(SystemCallError) as caught:
            lowlevel.pidfd_getfd(pidfd, 2**31 - 1)
        os.close(pidfd)
    assert (caught.value.errno, caught.value.syscall) == (errno.EBADF, "pidfd_getfd")


@POWER
def test_pidfd_getfd_of_the_more_powerful() -> None:
    """A process with power that the caller lacks is not to be looked into."""

    def take() -> None:
        parent = lowlevel.pidfd_open(os.getppid())
        drop_capabilities()
        lowlevel.pidfd_getfd(parent, 0)

    with pytest.raises(NamespacePermissionError) as caught:
        in_child(take)
    assert caught.value.errno == errno.EPERM


def test_from_many_threads() -> None:
    """The calls can be made from many threads at once."""
    start = threading.Barrier(8)

    def open_and_close() -> int:
        start.wait()
        for _ in range(50):
            pidfd = lowlevel.pidfd_open(os.getpid())
            lowlevel.pidfd_send_signal(pidfd, 0)
            os.close(pidfd)
        return 50

    with ThreadPoolExecutor(8) as pool:
        counts = [pool.submit(open_and_close) for _ in range(8)]
        assert sum(count.result() for count in counts) == 400
