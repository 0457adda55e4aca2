"""Scans that are cut short or disturbed: whatever happens, nothing is left of them."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from creating import POWER, descriptors, nothing_happens
from populating import alone, known, process_in
from provoking import another_process, another_thread, own_user
from refs import made
from stalling import stopped_at_socket, with_socket, without_sockets
from support import in_child, own_all

from pynamespaces import scan, unshared


class CutShort(BaseException):
    """What callbacks and handlers raise here."""


def tasks() -> list[str]:
    """Return the threads of this process."""
    return sorted(os.listdir("/proc/self/task"))


@contextmanager
def many(count: int = 3) -> Iterator[None]:
    """Have some processes to look at."""
    if count == 0:
        yield
        return
    with process_in(), many(count - 1):
        yield


def test_nothing_left() -> None:
    """Right after it, there is no thread and no descriptor, and nobody was moved."""
    before, links, threads = descriptors(), own_all(), tasks()
    for _ in range(5):
        with nothing_happens():
            scan()
            assert tasks() == threads
        assert descriptors() == before
        assert own_all() == links


def test_unshare_after() -> None:
    """A process with one thread is one right after: it may make a user namespace."""

    def look() -> int:
        count = 0
        for _ in range(30):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    for _ in range(7):
                        scan("uts", arguments=False)
                        own_user()
                    status = 0
                finally:
                    os._exit(status)
            _, status = os.waitpid(pid, 0)
            count += status == 0
        return count

    assert alone(look) == 30


def test_threads_at_once() -> None:
    """Several threads can scan at once, and each finds the same of the caller."""

    def look() -> None:
        before, threads = descriptors(), tasks()
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: scan(), range(24)))
        for found in results:
            own = known(found, "/proc/self/ns/uts")
            assert os.getpid() in own.processes
            assert not own.threads
            process = found.process(os.getpid())
            assert process is not None
            assert process.namespaces == results[0].process(os.getpid()).namespaces  # type: ignore[union-attr]
        assert descriptors() == before
        assert [t for t in tasks() if t in threads] == threads

    alone(look)


@POWER
def test_inside_another() -> None:
    """A scan by a thread that is elsewhere finds that thread there, and no other."""

    def look() -> None:
        with made("uts") as namespace, another_thread():
            with namespace:
                for _ in range(10):
                    record = known(scan(), namespace.fileno())
                    # A process is where its first thread is.
                    assert record.processes == (os.getpid(),)
                    assert record.threads == ()
                    home = known(scan(), f"/proc/self/task/{os.getpid()}/ns/uts")
                    assert home == record

    in_child(look)


@POWER
def test_inside_another_by_thread() -> None:
    """The same of a thread that is not the first, while others scan elsewhere."""
    here: set[int] = set()

    def work(_: int) -> set[int]:
        strangers = set()
        here.add(threading.get_native_id())
        with unshared("uts"):
            for _ in range(10):
                found = scan("uts")
                record = known(found, "/proc/thread-self/ns/uts")
                assert record.processes == ()
                assert threading.get_native_id() in record.threads
                strangers |= {tid for r in found for tid in r.threads} - here
        return strangers

    def look(count: int) -> set[int]:
        with ThreadPoolExecutor(count) as pool:
            return set[int]().union(*pool.map(work, range(count)))

    assert alone(lambda: look(1)) == set()
    assert alone(lambda: look(4)) == set()


def test_progress_raises() -> None:
    """What the callback raises ends the scan, and nothing of it is left."""

    def look() -> None:
        without_sockets()
        with another_process(with_socket):
            told: list[tuple[int, int]] = []
            before, threads = descriptors(), tasks()

            def progress(done: int, total: int) -> None:
                told.append((done, total))
                raise CutShort

            with pytest.raises(CutShort):
                stopped_at_socket(
                    lambda: time.sleep(0.3), lambda: scan(progress=progress)
                )
            assert len(told) == 1
            assert 0 <= told[0][0] <= told[0][1]
            assert descriptors() == before
            # The kernel may show for a moment who answered for it.
            deadline = time.monotonic() + 5
            while tasks() != threads and time.monotonic() < deadline:
                os.sched_yield()
            assert tasks() == threads

    alone(look)


def test_progress_while_it_waits() -> None:
    """Who waits for long is told so, a few times a second, and can be interrupted."""

    def look() -> int:
        without_sockets()
        told: list[tuple[int, int]] = []
        with another_process(with_socket):
            found = stopped_at_socket(
                lambda: time.sleep(0.7),
                lambda: scan(progress=lambda *numbers: told.append(numbers)),
            )
        assert os.getpid() in known(found, "/proc/self/ns/uts").processes
        assert all(0 <= done <= total for done, total in told)
        return len(told)

    assert 3 <= alone(look) <= 30


def test_stuck() -> None:
    """Who interrupts a scan that is stuck soon goes on; the rest is cleared up."""

    def look() -> float:
        without_sockets()
        release = threading.Event()
        before = descriptors()

        def interrupted() -> float:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            begun = time.monotonic()
            with pytest.raises(CutShort):
                scan()
            took = time.monotonic() - begun
            release.set()
            return took

        with handled(), another_process(with_socket):
            took = stopped_at_socket(lambda: release.wait(20), interrupted)
        deadline = time.monotonic() + 10
        while len(tasks()) > 1 and time.monotonic() < deadline:
            os.sched_yield()
        assert len(tasks()) == 1
        assert descriptors() == before
        scan()
        return took

    assert alone(look) < 8


@contextmanager
def handled() -> Iterator[None]:
    """Raise on the timer's signal, in a process that is no test's own."""

    def cut(*_: object) -> None:
        raise CutShort

    signal.signal(signal.SIGALRM, cut)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_signals_at_any_moment() -> None:
    """A handler that raises at any moment ends it, and nothing is left."""

    def look() -> tuple[int, int]:
        with many():
            scan()
            begun = time.monotonic()
            scan()
            usual = time.monotonic() - begun
            before, links, threads = descriptors(), own_all(), tasks()
            cut = whole = 0
            with handled():
                for _ in range(150):
                    try:
                        try:
                            when = random.uniform(1e-5, usual * 1.2)
                            signal.setitimer(signal.ITIMER_REAL, when)
                            scan()
                            whole += 1
                        finally:
                            signal.setitimer(signal.ITIMER_REAL, 0)
                    except CutShort:
                        cut += 1
                    assert tasks() == threads
                    assert own_all() == links
            assert descriptors() == before
            return cut, whole

    cut, _ = alone(look)
    assert cut > 10


def open_here() -> set[str]:
    """Return what this process has open, but for the folder that says so."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:
            continue
    return found


def test_fork_in_handler() -> None:
    """A handler may fork: the child has nothing of the scan, and does not go on."""

    def look() -> list[int]:
        pids: list[int] = []
        parent = os.getpid()

        def fork(*_: object) -> None:
            pids.append(os.fork())

        without_sockets()
        signal.signal(signal.SIGALRM, fork)

        def scanning() -> None:
            before = open_here()
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            status = 0
            try:
                scan()
            except RuntimeError as error:
                status = 3 if "forked" in str(error) else 4
            except BaseException:
                status = 5
            if os.getpid() != parent:
                try:
                    if len(tasks()) != 1 or open_here() != before:
                        status = 6
                    # It is a process like any other.
                    if os.getpid() not in known(scan(), "/proc/self/ns/uts").processes:
                        status = 7
                finally:
                    os._exit(status)
            assert status == 0

        with another_process(with_socket):
            stopped_at_socket(lambda: time.sleep(0.5), scanning)
        statuses = [os.waitpid(pid, 0)[1] for pid in pids]
        return [os.waitstatus_to_exitcode(status) for status in statuses]

    assert alone(look) == [3]


def test_fork_by_another_thread() -> None:
    """Nor has a child that another thread makes meanwhile any file of a process's."""

    def look() -> set[str]:
        over = threading.Event()
        seen: set[str] = set()
        with many():
            before = open_here()
            reader, writer = os.pipe()
            ends = open_here() - before

            def fork() -> None:
                while not over.is_set():
                    pid = os.fork()
                    if pid == 0:
                        try:
                            more = open_here() - before - ends
                            os.write(writer, "".join(f"{m}\n" for m in more).encode())
                        finally:
                            os._exit(0)
                    os.waitpid(pid, 0)

            with ThreadPoolExecutor(1) as pool:
                forking = pool.submit(fork)
                try:
                    for _ in range(60):
                        scan(mounts=False)
                finally:
                    over.set()
                    forking.result()
            os.close(writer)
            lines = Path(f"/proc/self/fd/{reader}").read_text().splitlines()
            # The calling thread lists who is there, and looks for its own container,
            # and in the files of container engines.
            folder = f" /proc/{os.getpid()}"
            own = (" /proc", folder, f"{folder}/cgroup")
            engines = (" /run/", " /var/")
            seen |= {
                line
                for line in lines
                if not line.endswith(own) and not any(e in line for e in engines)
            }
            os.close(reader)
        return seen

    assert alone(look) == set()
