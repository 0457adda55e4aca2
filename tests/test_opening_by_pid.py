"""Opening the namespaces of processes, threads and pidfds."""

import errno
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from provoking import (
    ENOTTY,
    FakeLib,
    another_process,
    another_thread,
    closed_fd,
    dead_pid,
    drop_capabilities,
    refusal,
    replace,
    zombie,
)
from support import ALL_TYPES, TIER, identity, in_child, own

from pynamespaces import (
    Namespace,
    NamespaceLimitError,
    NamespacePermissionError,
    NamespaceType,
    NoSuchProcessError,
    SystemCallError,
    lowlevel,
)
from pynamespaces._core import reach
from pynamespaces.lowlevel import _calls, _pidfds

POWER = pytest.mark.tier("root", "userns")
UTS = lowlevel.CLONE_NEWUTS


def link(type: str, pid: int | str = "thread-self") -> str:
    """Return the path of a namespace."""
    return f"/proc/{pid}/ns/{type}"


# --- from_pid ---


@POWER
@pytest.mark.parametrize("type", ["cgroup", "ipc", "mnt", "net", "uts"])
def test_of_another_process(type: str) -> None:
    """The namespace is the process's, not the caller's."""
    flag = NamespaceType(type).flag
    with another_process(lambda: lowlevel.unshare(flag)) as pid:
        namespace = Namespace.from_pid(pid, NamespaceType(type))
        assert (namespace.id.dev, namespace.id.ino) == identity(link(type, pid))
        assert (namespace.id.dev, namespace.id.ino) != own(type)


@POWER
@pytest.mark.parametrize("old", [False, True])
def test_of_a_thread(old: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The namespace is the thread's, also where no pidfd of a thread can be had."""
    if old:
        fake = FakeLib(pyns_pidfd_open=refusal(errno.EINVAL))
        monkeypatch.setattr(_calls, "lib", fake)
    with ThreadPoolExecutor(1) as pool:
        tid = pool.submit(os.getpid).result() and _tid_of(pool)
        pool.submit(lowlevel.unshare, UTS).result()
        namespace = Namespace.from_pid(tid, "uts")
        assert (namespace.id.dev, namespace.id.ino) == pool.submit(own, "uts").result()
        assert (namespace.id.dev, namespace.id.ino) != own("uts")


def _tid_of(pool: ThreadPoolExecutor) -> int:
    (thread,) = pool._threads
    assert thread.native_id is not None
    return thread.native_id


@pytest.mark.parametrize("old", [False, True])
def test_of_a_dead_thread(old: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that has ended is a NoSuchProcessError."""
    if old:
        fake = FakeLib(pyns_pidfd_open=refusal(errno.EINVAL))
        monkeypatch.setattr(_calls, "lib", fake)
    with pytest.raises(NoSuchProcessError):
        Namespace.from_pid(dead_pid(), "uts")


def test_of_a_thread_without_descriptors() -> None:
    """Where the limit on descriptors is reached, that is said, and nobody is dead."""

    def open_thread() -> None:
        import resource

        replace(_calls, lib=FakeLib(pyns_pidfd_open=refusal(errno.EINVAL)))
        with another_thread() as tid:
            number = closed_fd()
            resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))
            Namespace.from_pid(tid, "uts")

    with pytest.raises(NamespaceLimitError) as caught:
        in_child(open_thread)
    assert caught.value.errno == errno.EMFILE


@pytest.mark.parametrize("type", ALL_TYPES)
def test_of_the_dead(type: str) -> None:
    """Neither a zombie nor an id that nobody has is a process with namespaces."""
    wanted = NamespaceType(type)
    pid = zombie()
    with pytest.raises(NoSuchProcessError, match="is dead") as caught:
        Namespace.from_pid(pid, wanted)
    assert (caught.value.errno, caught.value.types) == (errno.ESRCH, (wanted,))
    os.waitpid(pid, 0)
    with pytest.raises(ProcessLookupError):
        Namespace.from_pid(pid, wanted)


@pytest.mark.parametrize("pid", [0, -1, -(2**31), 2**31, 2**64])
def test_of_an_impossible_pid(pid: int) -> None:
    """A number that no process can have is a ValueError."""
    with pytest.raises(ValueError, match=f"pid {pid} is out of range"):
        Namespace.from_pid(pid, "net")


@pytest.mark.parametrize("pid", ["1", 1.0, None, b"1", [1]])
def test_of_what_is_no_pid(pid: object) -> None:
    """What is no int is a TypeError."""
    with pytest.raises(TypeError, match="pid must be an int"):
        Namespace.from_pid(pid, "net")  # type: ignore[call-overload]


@pytest.mark.parametrize("old", [False, True])
def test_of_the_more_powerful(old: bool) -> None:
    """A process that may not be looked into is a NamespacePermissionError."""

    def look() -> None:
        pid = 1 if TIER == "plain" else os.getppid()
        drop_capabilities()
        if old:
            replace(_pidfds, lib=FakeLib(pyns_ioctl=ENOTTY))
        Namespace.from_pid(pid, "net")

    with pytest.raises(NamespacePermissionError) as caught:
        in_child(look)
    assert isinstance(caught.value, PermissionError)
    assert caught.value.errno == errno.EACCES


# --- safe against reuse, where the kernel has no ioctl for it ---


@pytest.fixture
def old_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a kernel before Linux 6.11, whose pidfds give no namespaces."""
    monkeypatch.setattr(_pidfds, "lib", FakeLib(pyns_ioctl=ENOTTY))


@pytest.mark.parametrize("type", ALL_TYPES)
@pytest.mark.usefixtures("old_pidfds")
def test_fallback(type: str) -> None:
    """Without the ioctl the link under /proc is opened, with the same outcome."""
    with another_process() as pid:
        namespace = Namespace.from_pid(pid, NamespaceType(type))
        assert (namespace.id.dev, namespace.id.ino) == identity(link(type, pid))


@pytest.mark.parametrize("type", ["net", "mnt", "uts"])
@pytest.mark.usefixtures("old_pidfds")
def test_fallback_of_the_dead(type: str) -> None:
    """Without the ioctl too a zombie has no namespaces."""
    pid = zombie()
    with pytest.raises(NoSuchProcessError):
        Namespace.from_pid(pid, NamespaceType(type))
    os.waitpid(pid, 0)


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.usefixtures("old_pidfds")
def test_death_around_the_opening(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends while its link is opened is dead, and nothing stays open."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
    real = reach._open_link

    def open_link(path: str, type: NamespaceType) -> int:
        if when == "before":
            _end(pid)
            return real(path, type)
        fd = real(path, type)
        _end(pid)
        return fd

    monkeypatch.setattr(reach, "_open_link", open_link)
    with pytest.raises(NoSuchProcessError):
        Namespace.from_pid(pid, "net")


@POWER
@pytest.mark.usefixtures("old_pidfds")
def test_reuse_of_the_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that got the id in between is not taken for the one meant."""

    def open_reused() -> str:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        real = reach._open_link

        def open_link(path: str, type: NamespaceType) -> int:
            _end(pid)
            again, pidfd = lowlevel.clone3(UTS, set_tid=[pid])
            if again == 0:
                signal.pause()
            assert again == pid
            try:
                return real(path, type)
            finally:
                os.close(pidfd)

        monkeypatch.setattr(reach, "_open_link", open_link)
        before = sorted(os.listdir("/proc/self/fd"))
        try:
            Namespace.from_pid(pid, "uts")
        except NoSuchProcessError:
            leaked = sorted(os.listdir("/proc/self/fd")) != before
            return "leaked" if leaked else "refused"
        finally:
            _end(pid)
        return "opened another's"

    assert in_child(open_reused) == "refused"


# --- from_pidfd ---


def test_pidfd_of_the_dead() -> None:
    """A pidfd outlives its process, whose namespaces are gone."""
    with another_process() as pid:
        pidfd = lowlevel.pidfd_open(pid)
        assert Namespace.from_pidfd(pidfd, "net") == Namespace.current("net")
    with pytest.raises(NoSuchProcessError):
        Namespace.from_pidfd(pidfd, "net")
    os.close(pidfd)


@pytest.mark.parametrize("make", [closed_fd, lambda: os.pipe()[0]])
def test_pidfd_that_is_none(make: Callable[[], int]) -> None:
    """What is no pidfd is refused, and does not pass for the dead."""
    with pytest.raises(SystemCallError) as caught:
        in_child(lambda: str(Namespace.from_pidfd(make(), "net")))
    assert not isinstance(caught.value, ProcessLookupError)
    assert caught.value.errno in (errno.EBADF, errno.ENOTTY)


def test_pidfd_by_an_object() -> None:
    """Anything that lends a pidfd will do, and stays open."""

    class Process:
        def __init__(self) -> None:
            self.pidfd = lowlevel.pidfd_open(os.getpid())

        def fileno(self) -> int:
            return self.pidfd

    process = Process()
    assert Namespace.from_pidfd(process, "net") == Namespace.current("net")
    os.close(process.pidfd)
