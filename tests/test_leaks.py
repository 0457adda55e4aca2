"""What is seen of namespaces that were left behind."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support import in_child, own_all, program

import pynamespaces
from pynamespaces import Namespace, _leaks, _proc

mighty = pytest.mark.tier("root", "userns")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a leak stays, do not wait long for it to go."""
    monkeypatch.setattr(_leaks, "_PATIENCE", 0.05)


def left_since(before: _leaks.State) -> list[str]:
    """Say what was left, but for what other programs mount meanwhile."""
    found = _leaks.left_since(before)
    return [line for line in found if " is mounted at /run/" not in line]


@contextmanager
def child_elsewhere() -> Iterator[int]:
    """Start a child in a user namespace of its own."""
    command = [program("unshare"), "--user", "sh", "-c", "echo; read line"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as child:
        assert child.stdout
        child.stdout.readline()
        yield child.pid
        child.communicate()


def test_look_is_true() -> None:
    """A look sees where the caller is, its threads, and nothing that it made itself."""
    first, second = _leaks.look(), _leaks.look()
    assert _leaks.compared(first, second) == []
    assert first.threads.keys() == {int(name) for name in os.listdir("/proc/self/task")}
    assert first.home.items() >= own_all().items() - {("time_for_children", "pending")}


def test_descriptor() -> None:
    """A new descriptor is named, and one that took the place of another."""
    before = _leaks.look()
    fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
    try:
        link = os.readlink("/proc/self/ns/uts")
        assert left_since(before) == [f"descriptor {fd} is open: {link}"]
        with_it = _leaks.look()
        other = os.open("/proc/self/ns/ipc", os.O_RDONLY)
        os.dup2(other, fd)
        os.close(other)
        link = os.readlink("/proc/self/ns/ipc")
        assert left_since(with_it) == [f"descriptor {fd} is open: {link}"]
    finally:
        os.close(fd)
    assert left_since(before) == []


@mighty
def test_descriptor_of_a_mounted_file(tmp_path: Path) -> None:
    """A namespace that was opened by a path is seen, though its link looks plain."""
    path = tmp_path / "pinned"
    Namespace.current("uts").pin(path)
    try:
        before = _leaks.look()
        fd = os.open(path, os.O_RDONLY)
        try:
            assert left_since(before) == [f"descriptor {fd} is open: {path}"]
        finally:
            os.close(fd)
    finally:
        pynamespaces.unpin(path)


@mighty
def test_threads() -> None:
    """Threads that moved, old and new, are named until they end."""
    move, moved, end = threading.Event(), threading.Semaphore(0), threading.Event()

    def work() -> None:
        move.wait(10)
        pynamespaces.unshare("uts")
        moved.release()
        end.wait(10)

    old, new = (threading.Thread(target=work, name=name) for name in ("old", "new"))
    old.start()
    before = _leaks.look()
    try:
        new.start()
        assert left_since(before) == []
        move.set()
        assert moved.acquire(timeout=10)
        assert moved.acquire(timeout=10)
        found = left_since(before)
    finally:
        end.set()
        old.join()
        new.join()
    home = os.readlink("/proc/thread-self/ns/uts")
    expected = {
        f"thread {thread.native_id} ({thread.name}) is elsewhere: uts was {home}, is "
        for thread in (old, new)
    }
    assert {line.rpartition("uts:[")[0] for line in found} == expected


@mighty
def test_where_children_are_born() -> None:
    """A thread whose children would be elsewhere is where it was, but is named."""

    def work() -> list[str]:
        before = _leaks.look()
        pynamespaces.unshare("pid")
        return left_since(before)

    [line] = in_child(work)
    assert " is elsewhere: pid_for_children was pid:[" in line
    assert line.endswith("], is none yet")


@mighty
def test_children_born_elsewhere() -> None:
    """A child where the process's children were born before already is no leak."""

    def work() -> list[str]:
        pynamespaces.unshare("pid")
        with subprocess.Popen(["sleep", "60"]) as init:
            before = _leaks.look()
            with subprocess.Popen(["sleep", "60"]) as child:
                found = left_since(before)
                child.kill()
            init.kill()
        return found

    assert in_child(work) == []


def test_child() -> None:
    """A new child elsewhere is named, of whichever thread; an old one is not."""
    home = os.readlink("/proc/thread-self/ns/user")
    ready, end = threading.Event(), threading.Event()
    pids: list[int] = []

    def work() -> None:
        with child_elsewhere() as pid:
            pids.append(pid)
            ready.set()
            end.wait(10)

    thread = threading.Thread(target=work)
    with child_elsewhere():
        before = _leaks.look()
        thread.start()
        try:
            assert ready.wait(10)
            [line] = left_since(before)
        finally:
            end.set()
            thread.join()
    assert line.startswith(f"child {pids[0]} (sh) lives elsewhere: user:[")
    assert line.endswith(f", not {home}")


def test_child_without_the_kernels_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that does not list children has them found among all processes."""
    real = _proc._read

    def without_children(path: str) -> str | None:
        return None if path.endswith("/children") else real(path)

    with child_elsewhere() as pid:
        expected = _proc.child_ids()
        assert pid in expected
        monkeypatch.setattr(_proc, "_read", without_children)
        assert sorted(_proc.child_ids()) == sorted(expected)


def test_child_that_has_ended() -> None:
    """A child that waits to be reaped is in no network namespace any more."""
    before = _leaks.look()
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert left_since(before) == []
    child.wait()


@mighty
def test_mount(tmp_path: Path) -> None:
    """A new mount is named, by its real path, until it is gone."""
    path = tmp_path / "with space"
    before = _leaks.look()
    line = f"{os.readlink('/proc/thread-self/ns/uts')} is mounted at {path}"
    Namespace.current("uts").pin(path)
    try:
        assert left_since(before) == [line]
    finally:
        pynamespaces.unpin(path)
    assert left_since(before) == []


def test_mounts_are_counted() -> None:
    """As many mounts of one namespace at one place as before are no leak."""
    state = _leaks.look()
    mount = ("net:[1]", "/there")
    one, two = (replace(state, mounts=Counter({mount: n})) for n in (1, 2))
    assert _leaks.compared(one, two) == ["net:[1] is mounted at /there"]
    assert _leaks.compared(two, two) == _leaks.compared(two, one) == []


def test_what_is_ending_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes away in a moment is no leak."""
    monkeypatch.setattr(_leaks, "_PATIENCE", 10)
    before = _leaks.look()
    fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
    timer = threading.Timer(0.05, os.close, [fd])
    timer.start()
    assert left_since(before) == []
    timer.join()


def test_garbage_is_collected() -> None:
    """What only a cycle holds, as a caught exception does its frames, is no leak."""

    class Holder:
        def __init__(self) -> None:
            self.itself = self
            self.namespace = Namespace.current("uts")

    before = _leaks.look()
    Holder()
    assert len(_leaks.compared(before, _leaks.look())) == 1
    assert left_since(before) == []


@mighty
def test_without_proc() -> None:
    """Where there is nothing to look at, that is an error, not peace."""
    code = "from pynamespaces import _leaks; _leaks.look()"
    done = subprocess.run(
        [
            *(
                program("unshare"),
                "--mount",
                "sh",
                "-c",
                'mount -t tmpfs no /proc; exec "$@"',
            ),
            *("sh", sys.executable, "-c", code),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "RuntimeError: /proc is not mounted here" in done.stderr
