"""Processes that ``/proc`` hides, a ``/proc`` that is not there: the truth is told."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from holding import holder
from machines import MACHINES
from old_kernels import become_old, need_filters
from provoking import hide_proc, zombie
from support import identity, in_child, own
from whereabouts import TYPES

from pynamespaces import (
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    NoSuchNamespaceError,
    NoSuchProcessError,
    UserNamespace,
    _core,
    explain,
    scan,
)

ROOT = pytest.mark.tier("root")
POWER = pytest.mark.tier("root", "userns")

kernels = pytest.mark.parametrize("kernel", ["", "6.10", "5.10"])


@pytest.fixture(autouse=True)
def _known() -> None:
    need_filters()


@contextmanager
def _threads_of_another() -> Iterator[int]:
    """Have a process of root's with a second thread, whose id it gives."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
        os.write(writer, str(thread.native_id).encode())
        threading.Event().wait()
    try:
        yield int(os.read(reader, 32))
    finally:
        os.close(reader)
        os.close(writer)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _hidden(kernel: str, function: Callable[[], None]) -> None:
    """Run as nobody, where other users' processes are hidden."""

    def inside() -> None:
        _core.load_all()
        MACHINES["hidepid"].become()
        if kernel:
            become_old(kernel)
        function()

    in_child(inside)


@ROOT
@kernels
def test_hidden_process(kernel: str) -> None:
    """A process that is hidden is not said to be dead: it may not be looked into."""

    def look() -> None:
        assert not os.path.exists("/proc/1")
        with pytest.raises(NamespacePermissionError, match="look into"):
            Namespace.from_pid(1, "net")
        with pytest.raises(NamespacePermissionError, match="look into"):
            NamespaceSet.from_pid(1)
        pidfd = os.pidfd_open(1)
        with pytest.raises(NamespacePermissionError, match="look into"):
            Namespace.from_pidfd(pidfd, "uts")
        os.close(pidfd)
        assert not any(access.can_enter for access in explain(1))

    _hidden(kernel, look)


@ROOT
@kernels
def test_hidden_thread(kernel: str) -> None:
    """The same of a thread that leads no process."""
    with _threads_of_another() as tid:

        def look() -> None:
            with pytest.raises(NamespacePermissionError, match="look into"):
                Namespace.from_pid(tid, "net")

        _hidden(kernel, look)


@ROOT
@kernels
def test_dead_where_others_are_hidden(kernel: str) -> None:
    """What is dead is said to be dead there, too: as a zombie, and when it is gone."""

    def look() -> None:
        pid = zombie()
        for type in TYPES:
            with pytest.raises(NoSuchProcessError):
                Namespace.from_pid(pid, type)
        os.waitpid(pid, 0)
        with pytest.raises(NoSuchProcessError):
            Namespace.from_pid(pid, "net")

    _hidden(kernel, look)


@ROOT
def test_hidden_map() -> None:
    """The map of a namespace whose tasks are hidden is refused, by the right error."""

    def look() -> None:
        with (
            closing(UserNamespace.new("user")) as fresh,
            pytest.raises(NamespacePermissionError, match="look into"),
        ):
            _ = fresh.uid_map

    _hidden("", look)


@ROOT
@kernels
def test_scan_sees_own(kernel: str) -> None:
    """A scan finds the caller's own, and not what is hidden."""

    def look() -> None:
        found = scan(["net", "uts"])
        seen = {(each.id.dev, each.id.ino) for each in found}
        assert own("uts") in seen
        assert other not in seen

    with holder("uts") as target:
        other = identity(f"/proc/{target.pid}/ns/uts")
        _hidden(kernel, look)


@POWER
def test_scan_without_proc() -> None:
    """Where there is no ``/proc``, a scan says that."""

    def inside() -> None:
        _core.load_all()
        hide_proc()
        with pytest.raises(NoSuchNamespaceError, match="no /proc is mounted here"):
            scan()

    in_child(inside)


@POWER
def test_thread_without_proc() -> None:
    """A thread that is there is not said to be dead for want of a ``/proc``."""

    def inside() -> None:
        become_old("5.10")
        hide_proc()
        with pytest.raises(NoSuchNamespaceError, match="no /proc is mounted here"):
            Namespace.from_pid(tid, "net")

    with _threads_of_another() as tid:
        in_child(inside)


def test_many_descriptors() -> None:
    """How many descriptors are open already does not matter."""

    def look() -> bool:
        become_old("5.10")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        opened = [os.dup(0) for _ in range(1100)]
        try:
            with closing(Namespace.from_pid(os.getppid(), "uts")) as found:
                return identity(found.fileno()) == own("uts")
        finally:
            for fd in opened:
                os.close(fd)

    assert in_child(look)
