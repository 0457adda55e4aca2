"""clone3 with threads, refused, and where the kernel or a filter has none."""

import errno
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from provoking import drop_capabilities, end_of, refuse_calls, told_by_clone
from support import in_child, own_all

from pynamespaces import NamespaceType, SystemCallError, UnsupportedError, lowlevel

L = lowlevel
POWER = pytest.mark.tier("root", "userns")
WALL = 0x40000000  # __WALL, children of any exit signal


def descriptors() -> list[str]:
    """Return the open descriptors, without that of the question."""
    return sorted(os.listdir("/proc/self/fd"))


# --- threads ---


def test_from_a_process_with_threads() -> None:
    """Two hundred children of a busy process with threads leave at once."""

    def clone_many() -> int:
        signal.alarm(60)
        stop = threading.Event()

        def compute() -> None:
            data = bytes(1_000_000)
            while not stop.is_set():
                hashlib.sha256(data).digest()

        threads = [threading.Thread(target=compute) for _ in range(3)]
        for thread in threads:
            thread.start()
        good = 0
        for _ in range(50):
            pid, pidfd = lowlevel.clone3()
            if pid == 0:
                os._exit(3)
            good += end_of(pidfd) == (os.CLD_EXITED, 3)
        stop.set()
        for thread in threads:
            thread.join()
        return good

    assert in_child(clone_many) == 50


def test_from_another_thread() -> None:
    """A thread that is not the first can clone, and other threads go on."""

    def clone() -> list[tuple[int, int]]:
        ends = []

        def work() -> None:
            for _ in range(20):
                pid, pidfd = lowlevel.clone3()
                if pid == 0:
                    os._exit(4)
                ends.append(end_of(pidfd))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends

    assert in_child(clone) == [(os.CLD_EXITED, 4)] * 80


# --- refusals ---


@pytest.mark.parametrize(
    ("flags", "more", "number"),
    [
        (L.CLONE_NEWNS | L.CLONE_FS, {}, errno.EINVAL),
        (1 << 50, {}, errno.EINVAL),
        (17, {}, errno.EINVAL),
        (0, {"cgroup": 0}, errno.EBADF),
        (0, {"set_tid": [5] * 40}, errno.EINVAL),
        (L.CLONE_NEWUTS, {}, errno.EPERM),
    ],
)
def test_nothing_is_left_of_a_failure(
    flags: int, more: dict[str, object], number: int
) -> None:
    """A refused clone leaves no child, no zombie and no descriptor."""

    def fail() -> tuple[int | None, str, list[str], list[str], str]:
        drop_capabilities()
        before = descriptors()
        with pytest.raises(SystemCallError) as caught:
            lowlevel.clone3(flags, **more)  # type: ignore[arg-type]
        children = Path("/proc/thread-self/children").read_text()
        error = caught.value
        return error.errno, error.syscall, before, descriptors(), children

    found, syscall, before, after, children = in_child(fail)
    assert (found, syscall) == (number, "clone3")
    assert after == before
    assert children == ""


def test_interpreter_works_after_a_failure() -> None:
    """A refused clone leaves locks and signals as they were."""
    with pytest.raises(SystemCallError):
        lowlevel.clone3(L.CLONE_NEWNS | L.CLONE_FS)
    done: list[int] = []
    thread = threading.Thread(target=done.append, args=(1,))
    thread.start()
    thread.join()
    assert done == [1]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
    assert "os" in sys.modules


# --- where clone3 is refused, as in containers ---


def _without_clone3(function: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        refuse_calls(clone3=errno.ENOSYS)
        return function()

    return run


def test_old_clone_is_called() -> None:
    """Without clone3 the old call does the same, with a pidfd."""

    def clone() -> tuple[int, int]:
        pid, pidfd = lowlevel.clone3()
        if pid == 0:
            os._exit(9)
        assert f"Pid:\t{pid}\n" in Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        assert not os.get_inheritable(pidfd)
        return end_of(pidfd)

    assert in_child(_without_clone3(clone)) == (os.CLD_EXITED, 9)


@POWER
def test_old_clone_makes_namespaces() -> None:
    """Without clone3 there are new namespaces still, of every type but time."""

    def clone() -> list[str]:
        before = own_all()
        flags = sum(type.flag for type in NamespaceType if type != "time")
        text = told_by_clone(own_all, flags)
        return [name for name in before if f"'{before[name]}'" in text]

    assert in_child(_without_clone3(clone)) == ["time", "time_for_children"]


@pytest.mark.parametrize(
    ("flags", "more"),
    [
        (L.CLONE_NEWTIME, {}),
        (L.CLONE_CLEAR_SIGHAND, {}),
        (0, {"cgroup": 0}),
        (0, {"set_tid": [5]}),
    ],
)
def test_old_clone_cannot(flags: int, more: dict[str, object]) -> None:
    """What the old call cannot say is refused, and nothing else is done instead."""

    def clone() -> str:
        with pytest.raises(UnsupportedError) as caught:
            lowlevel.clone3(flags, **more)  # type: ignore[arg-type]
        assert caught.value.errno == errno.ENOSYS
        return Path("/proc/thread-self/children").read_text()

    assert in_child(_without_clone3(clone)) == ""


@pytest.mark.parametrize("number", [0, signal.SIGUSR2])
def test_old_clone_exit_signal(number: int) -> None:
    """The old call passes the exit signal on as well."""

    def clone() -> set[int]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGCHLD})
        pid, pidfd = lowlevel.clone3(exit_signal=number)
        if pid == 0:
            os._exit(0)
        end_of(pidfd, WALL)
        return {int(pending) for pending in signal.sigpending()}

    assert in_child(_without_clone3(clone)) == ({number} - {0})
