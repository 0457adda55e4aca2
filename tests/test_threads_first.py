"""What is done once in a process, or for an object, by several threads at once."""

import os
import sys
import threading
from contextlib import closing

import pytest
from forking import LIMIT
from support import identity
from working import at_once

from pynamespaces import Namespace, Popen
from pynamespaces._core import residents
from pynamespaces.tracing import _calibration
from pynamespaces.tracing._points import Point, Syscall


def test_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that ask a program for its pidfd get one, and it stays open."""
    together, open_pidfd = threading.Barrier(2), os.pidfd_open

    def open_together(pid: int, flags: int = 0) -> int:
        together.wait(LIMIT)
        return open_pidfd(pid, flags)

    with Popen(["true"]) as process:
        monkeypatch.setattr(os, "pidfd_open", open_together)
        first, second = at_once(lambda: process.pidfd, 2)
        assert first == second == process.pidfd
        assert os.fstat(first)


def test_init_is_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that keep the init's file at the same time keep it once."""
    together, fstat = threading.Barrier(2), os.fstat

    def meet(fd: int) -> os.stat_result:
        together.wait(LIMIT)
        return fstat(fd)

    monkeypatch.setattr(residents, "_kept", [])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", meet)
        at_once(residents.keep, 2)
    assert len(b"".join(residents._kept)) == os.stat(residents._PATH).st_size


def test_tracepoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that looks for numbers of tracepoints can do so while another does."""
    calls: list[Syscall] = ["setns", "unshare", "clone"]
    found = {Point(call, is_exit): 0 for call in calls for is_exit in (False, True)}
    monkeypatch.setattr(_calibration, "_found", found)
    over = threading.Event()

    def find() -> None:
        while not over.is_set():
            found[Point("clone3", is_exit=False)] = 0
            found.pop(Point("clone3", is_exit=False))

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=find)
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(5000):
            _calibration._is_half_found()
    finally:
        sys.setswitchinterval(interval)
        over.set()
        thread.join()


def test_closed_by_many() -> None:
    """Threads that close a namespace at the same time close its descriptor once."""
    for _ in range(50):
        namespace = Namespace.current("net")
        with closing(Namespace.current("net")) as other:
            at_once(namespace.close, 4)
            assert identity(other.fileno()) == (other.id.dev, other.id.ino)
        assert namespace.closed
