"""Making namespaces where much else goes on: signals, waiters, forks and threads."""

import ctypes
import os
import re
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest
from creating import OWNED, POWER, check_set, children, descriptors, nothing_happens
from support import in_child, missing, program, run_python
from watching import Tasks, bystanders

from pynamespaces import NamespaceSet, TypeLike

TYPES: tuple[TypeLike, ...] = ("user", "net", "uts")
WALL = 0x40000000
"""Of waitpid(2): children of any exit signal."""


def make_many(count: int) -> set[str]:
    """Make that many sets, and return what their members were."""
    found = []
    for _ in range(count):
        with closing(NamespaceSet.new("user", "uts")) as made:
            check_set(made, ("user", "uts"))
            found += [repr(member.id) for member in made.values()]
    return set(found)


# --- signals ---


def test_alarms() -> None:
    """Signals that come all the time are handled, and disturb nothing."""

    def check() -> tuple[int, int]:
        handled = 0

        def handler(*_: object) -> None:
            nonlocal handled
            handled += 1

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
        with nothing_happens():
            made = len(make_many(100))
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
        return made, handled

    made, handled = in_child(check)
    assert handled > 20
    assert made > 2


@pytest.mark.parametrize("by", ["handler", "ignored", "wakeup"])
def test_no_sigchld(by: str) -> None:
    """The helper task is no child that a program is told of."""

    def check() -> list[int]:
        told: list[int] = []
        reader, writer = os.pipe2(os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
        if by == "ignored":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGCHLD, lambda number, _: told.append(number))
        if by == "wakeup":
            signal.set_wakeup_fd(writer)
        made = make_many(20)
        assert len(made) > 2
        with suppress(BlockingIOError):
            told += os.read(reader, 99)
        return told

    assert in_child(check) == []


# --- waiters ---


@contextmanager
def waiting(options: int) -> Iterator[list[int]]:
    """Have a thread that reaps all children that it can; gives their ids."""
    found: list[int] = []
    over = threading.Event()

    def wait() -> None:
        while not over.is_set():
            try:
                pid, _ = os.waitpid(-1, options | os.WNOHANG)
            except ChildProcessError:
                continue
            if pid:
                found.append(pid)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def test_waiter_sees_nothing() -> None:
    """A thread that waits for any child never gets the helper task."""

    def check() -> list[int]:
        with waiting(0) as reaped:
            assert len(make_many(100)) > 2
        return reaped

    assert in_child(check) == []


@pytest.mark.parametrize("multi", [False, True], ids=["one id", "many ids"])
def test_waiter_for_tasks_too(multi: bool) -> None:
    """One that reaps even what is no ordinary child does no harm."""

    def check() -> None:
        with waiting(WALL):
            for _ in range(100):
                with closing(NamespaceSet.new("user", "uts")) as made:
                    check_set(made, ("user", "uts"))
                    if multi:
                        assert len(list(made["user"].uid_map)) == 1  # type: ignore[attr-defined]
        assert children() == []

    in_child(check)


def test_own_children_are_left_alone() -> None:
    """Children of the program that have ended stay for it to wait for."""

    def check() -> int:
        pid = os.fork()
        if pid == 0:
            os._exit(7)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        make_many(5)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert in_child(check) == 7


# --- forks and threads ---


def test_forks_at_the_same_time() -> None:
    """Another thread forks all the while: nothing hangs, is left or is mixed up."""

    def check() -> None:
        signal.alarm(60)
        # What is imported when it is first needed must not be so while another forks.
        make_many(1)
        over = threading.Event()

        def fork() -> int:
            count = 0
            while not over.is_set():
                pid = os.fork()
                if pid == 0:
                    # Here the library works as well.
                    code = 1
                    with suppress(BaseException):
                        NamespaceSet.new(*TYPES).close()
                        code = 0
                    os._exit(code)
                _, status = os.waitpid(pid, 0)
                assert os.waitstatus_to_exitcode(status) == 0
                count += 1
            return count

        with ThreadPoolExecutor(1) as pool:
            forking = pool.submit(fork)
            try:
                before = descriptors()
                make_many(100)
                assert descriptors() == before
            finally:
                over.set()
            assert forking.result() > 0
        assert children() == []

    in_child(check)


def test_many_threads_at_once() -> None:
    """Fifty threads make namespaces at once, each its own."""
    count = 50
    barrier = threading.Barrier(count)

    def make() -> NamespaceSet:
        barrier.wait()
        return NamespaceSet.new(*TYPES)

    def check() -> int:
        before = descriptors()
        with Tasks() as tasks:
            moved = tasks.state()
            with ThreadPoolExecutor(count) as pool:
                made = [pool.submit(make) for _ in range(count)]
                sets = [each.result() for each in made]
                states = list(tasks.others().values())
            assert states.count(moved) == len(states)
            assert tasks.state() == moved
        ids = {member.id for members in sets for member in members.values()}
        for members in sets:
            check_set(members, TYPES)
            members.close()
        assert descriptors() == before
        assert children() == []
        return len(ids)

    assert in_child(check) == count * len(TYPES)


def test_thread_that_ends() -> None:
    """What a thread made lives on when the thread has ended."""
    made: list[NamespaceSet] = []
    thread = threading.Thread(target=lambda: made.append(NamespaceSet.new(*TYPES)))
    thread.start()
    thread.join()
    check_set(made[0], TYPES)
    made[0].close()


# --- what it costs ---


def calls_of_making(*types: TypeLike, also: str = "") -> list[str]:
    """Return how tasks are started while a large process makes namespaces."""
    code = (
        "import threading, os; from pynamespaces import NamespaceSet;"
        "room = bytearray(64 << 20); over = threading.Event();"
        "threads = [threading.Thread(target=over.wait) for _ in range(5)];"
        "[thread.start() for thread in threads]; os.getppid();"
        f"made = NamespaceSet.new(*{tuple(map(str, types))}); os.getppid();"
        "over.set()"
    )
    with tempfile.NamedTemporaryFile("r") as log:
        command = [program("strace"), "-fqq", "--seccomp-bpf", "-o", log.name]
        command += ["-e", f"trace=clone,clone3,vfork,fork,execve,getppid{also}"]
        done = run_python(code, prefix=command, check=False)
        lines = [line.split(maxsplit=1)[1].strip() for line in log]
    if "ptrace" in done.stderr:
        missing("strace", done.stderr)
    assert done.returncode == 0, done.stderr
    # The helper task asks too, in between.
    first, *_, last = (i for i, s in enumerate(lines) if s.startswith("getppid"))
    return lines[first + 1 : last]


def flags_of_the_task(*types: TypeLike) -> set[str]:
    """Check that one task is started, which runs no program; return its flags."""
    lines = calls_of_making(*types)
    [start] = [line for line in lines if re.match("clone|v?fork", line)]
    flags = set(re.findall(r"CLONE_\w+", start))
    assert not flags & {"CLONE_FS", "CLONE_SIGHAND", "CLONE_THREAD"}
    assert "SIGCHLD" not in start
    assert not [line for line in lines if line.startswith("execve")]
    return flags


def test_memory_is_shared() -> None:
    """The helper task shares the memory of the process, however much that is."""
    assert {"CLONE_VM", "CLONE_FILES"} <= flags_of_the_task(*TYPES)


@POWER
def test_memory_of_root_is_hidden() -> None:
    """While a task of root's is in a user namespace, nobody may look into either."""
    off, on = "prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)", "SUID_DUMP_USER"
    calls = [
        line.replace("PR_SET_DUMPABLE, SUID_DUMP_USER", on).split(" = ")[0]
        for line in calls_of_making("user", "uts", also=",prctl,wait4")
        if re.match(r"clone|prctl\(PR_SET_DUMPABLE|wait4", line)
    ]
    start = next(i for i, call in enumerate(calls) if call.startswith("clone"))
    assert calls[start - 1] == off
    # Only a task that the thread has waited for is gone.
    assert calls[start + 1].startswith("wait4")
    assert on in calls[start + 2]
    assert len(calls) == start + 3


@POWER
def test_memory_is_not_hidden_without_need() -> None:
    """A process that is alone with its task stays as it is."""
    calls = calls_of_making(*OWNED, also=",prctl")
    assert not [call for call in calls if "DUMPABLE" in call]


def dumpable() -> int:
    """Return whether other processes of the user may look into this one."""
    return int(ctypes.CDLL(None).prctl(3))


@POWER
def test_shown_again() -> None:
    """Many threads that hide the process at once leave it as it was."""

    def check() -> None:
        before = dumpable()
        assert before == 1

        def make() -> None:
            for _ in range(20):
                NamespaceSet.new("user", "uts").close()

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        children = []
        while any(thread.is_alive() for thread in threads):
            pid = os.fork()
            if pid == 0:
                os._exit(dumpable())
            children.append(pid)
        for pid in children:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
        assert dumpable() == before

    with warnings.catch_warnings():
        # From Python 3.12 on, forking with threads warns.
        warnings.simplefilter("ignore", DeprecationWarning)
        in_child(check)


@POWER
def test_memory_is_shared_without_user() -> None:
    """It does so without a user namespace as well."""
    assert {"CLONE_VM", "CLONE_FILES"} <= flags_of_the_task(*OWNED)


@pytest.mark.parametrize("types", [("user",), ("user", "net")], ids="+".join)
def test_threads_stay(types: tuple[TypeLike, ...]) -> None:
    """No thread of the process moves, and none is left."""
    with bystanders(5):
        tasks = sorted(os.listdir("/proc/self/task"))
        with nothing_happens():
            NamespaceSet.new(*types).close()
        assert sorted(os.listdir("/proc/self/task")) == tasks
