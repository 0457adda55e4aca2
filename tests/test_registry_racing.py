"""Named network namespaces: one maker wins, and nothing is half-made."""

import fcntl
import os
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
from naming import (
    BLUE,
    EXISTS,
    FOLDER,
    in_own_run,
    leave,
    make,
    never,
)
from pinning import at_once, mounted_at, outcome
from provoking import FakeLib, another_process, replace
from support import identity
from targets import POWER

from pynamespaces import (
    NamespaceExistsError,
    SystemCallError,
)
from pynamespaces._core import place, registry


class CutShort(BaseException):
    """What a signal handler raises here."""


# --- many at once ---


@POWER
def test_twenty_processes_create_one_name() -> None:
    """One wins, nineteen are told that it exists, and find it whole."""

    def create() -> None:
        try:
            registry.create("blue", make)
        except FileExistsError:
            registry.open_name("blue")
            raise

    def race() -> None:
        assert at_once(20, create) == {"ok": 1, EXISTS: 19}
        assert registry.names() == ["blue"]
        assert len(mounted_at(BLUE)) == 1

    in_own_run(race)


@POWER
def test_twenty_threads_create_one_name() -> None:
    """Threads of one process exclude one another as processes do."""
    made: list[int] = []
    ended: list[str] = []

    def race() -> Counter[str]:
        barrier = threading.Barrier(20)

        def create() -> None:
            barrier.wait()
            ended.append(outcome(lambda: made.append(registry.create("blue", make))))

        threads = [threading.Thread(target=create) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [identity(fd) for fd in made] == [identity(str(BLUE))]
        return Counter(ended)

    assert in_own_run(race) == {"ok": 1, EXISTS: 19}


@POWER
def test_stale_name_is_repaired_by_one() -> None:
    """Of those who find a stale name, one repairs it."""

    def race() -> None:
        leave("file")
        assert at_once(8, lambda: registry.create("blue", make)) == {
            "ok": 1,
            EXISTS: 7,
        }
        assert len(mounted_at(BLUE)) == 1

    in_own_run(race)


@POWER
def test_create_and_delete_at_once() -> None:
    """Whatever the order, no error but those of the names, and no stale file."""

    def both() -> None:
        for _ in range(20):
            for function in (lambda: registry.create("blue", make), _delete_blue):
                assert outcome(function) in {"ok", EXISTS, "NoSuchNamespaceError"}

    def race() -> None:
        assert at_once(4, both) == {"ok": 4}
        outcome(_delete_blue)
        assert registry.names() == []
        assert mounted_at(BLUE) == []

    in_own_run(race)


def _delete_blue() -> None:
    registry.delete("blue")


@POWER
def test_different_names_at_once() -> None:
    """Creators of different names all succeed, though the directory is new."""

    def race() -> None:
        created = at_once(10, lambda: registry.create(f"net{os.getpid()}", make))
        assert created == {"ok": 10}
        assert len(registry.names()) == 10
        # Once: those before it would be hidden.
        assert mounted_at(FOLDER).count("/netns") == 1
        for name in registry.names():
            assert len(mounted_at(FOLDER / name)) == 1

    in_own_run(race)


# --- nothing half-made ---


@POWER
def test_name_is_taken_before_the_namespace_is_made() -> None:
    """The file is there when *make* is called, and *make* not when it was before."""

    def use() -> None:
        def look() -> int:
            assert BLUE.exists()
            assert mounted_at(BLUE) == []
            return make()

        registry.create("blue", look)
        # Nor is it taken for unfinished, and waited for.
        replace(registry, time=None)
        with pytest.raises(NamespaceExistsError) as caught:
            registry.create("blue", never)
        assert isinstance(caught.value, FileExistsError)
        assert caught.value.filename == str(BLUE)
        assert caught.value.types == ("net",)

    in_own_run(use)


@POWER
@pytest.mark.parametrize("error", [OSError(5, "no"), CutShort(), KeyboardInterrupt()])
def test_no_name_when_making_fails(error: BaseException) -> None:
    """Whatever *make* raises, the name is free again, and the error its own."""

    def fail() -> int:
        raise error

    def use() -> None:
        with pytest.raises(type(error)):
            registry.create("blue", fail)
        assert registry.names() == []
        registry.create("blue", make)

    in_own_run(use)


@POWER
def test_no_name_when_mounting_fails() -> None:
    """A refused mount leaves neither file nor descriptor."""

    def use() -> None:
        replace(place, lib=FakeLib(pyns_attach=lambda *_: -5))
        before = os.listdir("/proc/self/fd")
        with pytest.raises(SystemCallError):
            registry.create("blue", make)
        assert registry.names() == []
        assert os.listdir("/proc/self/fd") == before

    in_own_run(use)


@POWER
@pytest.mark.parametrize("answers", [[-1], [-22, -22], [-22, -1]])
def test_directory_that_cannot_be_shared(answers: list[int]) -> None:
    """A refusal to make the directory a shared mount is told; no name is made."""
    rest = iter(answers)

    def use() -> None:
        replace(registry, lib=FakeLib(pyns_make_shared=lambda _: next(rest)))
        with pytest.raises(SystemCallError) as caught:
            registry.create("blue", never)
        assert caught.value.errno == -answers[-1]
        assert (caught.value.syscall, caught.value.filename) == ("mount", str(FOLDER))
        assert registry.names() == []

    in_own_run(use)


def waits_for_lock(pid: int) -> bool:
    """Return whether a process waits for a lock that another one holds."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and str(pid) in line.split() for line in lines)


def _interrupt_when_waiting(pid: int) -> None:
    """Send SIGINT to a process as soon as it waits for a lock."""
    while not waits_for_lock(pid):
        os.sched_yield()
    os.kill(pid, signal.SIGINT)


@POWER
def test_interrupt_while_waiting_for_the_lock() -> None:
    """Ctrl-C ends the wait for another program's lock; no name and no lock is left."""

    def use() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        FOLDER.mkdir()
        lock = os.open(FOLDER, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        pid = os.getpid()
        watcher = os.fork()
        if watcher == 0:
            _interrupt_when_waiting(pid)
            os._exit(0)
        with pytest.raises(KeyboardInterrupt):
            registry.create("blue", never)
        os.waitpid(watcher, 0)
        assert registry.names() == []
        os.close(lock)
        registry.create("blue", make)

    in_own_run(use)


@POWER
def test_lock_does_not_outlive_the_call() -> None:
    """A child that was forked meanwhile does not keep the lock."""

    def use() -> None:
        children = []

        def fork_and_make() -> int:
            child = another_process()
            child.__enter__()
            children.append(child)
            return make()

        registry.create("blue", fork_and_make)
        lock = os.open(FOLDER, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(lock)
        children[0].__exit__(None, None, None)

    in_own_run(use)


@POWER
def test_delete_waits_for_a_name_to_be_finished() -> None:
    """A name that is being made is not deleted under its maker."""
    children = []

    def delete_meanwhile() -> int:
        pid = os.fork()
        if pid == 0:
            outcome(_delete_blue)
            os._exit(0)
        children.append(pid)
        while not waits_for_lock(pid):
            assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it did not wait"
        return make()

    def use() -> None:
        registry.create("blue", delete_meanwhile)
        os.waitpid(children[0], 0)
        assert registry.names() == []

    in_own_run(use)
