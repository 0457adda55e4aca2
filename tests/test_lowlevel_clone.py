"""clone3: the child, the parent, the namespaces, flags and arguments."""

import hashlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from provoking import end_of, need_own_user, told_by_clone
from support import ALL_TYPES, in_child, missing, own_all

from pynamespaces import NamespaceType, SystemCallError, lowlevel

L = lowlevel
POWER = pytest.mark.tier("root", "userns")
WALL = 0x40000000  # __WALL, children of any exit signal
CGROUPS = Path("/sys/fs/cgroup/unified")


# --- parent and child ---


def test_parent_and_child() -> None:
    """The parent gets the child's id and a pidfd of it, the child neither."""

    def clone() -> tuple[bool, bool, str]:
        told: list[tuple[int, int]] = []

        def report() -> tuple[int, int, int]:
            return os.getpid(), *told[0]

        reader, writer = os.pipe()
        pid, pidfd = lowlevel.clone3()
        if pid == 0:
            told.append((pid, pidfd))
            os.write(writer, repr(report()).encode())
            os._exit(7)
        os.close(writer)
        with open(reader) as file:
            text = file.read()
        inherited = os.get_inheritable(pidfd)
        same = f"Pid:\t{pid}\n" in Path(f"/proc/self/fdinfo/{pidfd}").read_text()
        assert end_of(pidfd) == (os.CLD_EXITED, 7)
        return same, inherited, text.replace(str(pid), "pid")

    assert in_child(clone) == (True, False, "(pid, 0, -1)")


@pytest.mark.parametrize("status", [0, 1, 255])
def test_exit_status(status: int) -> None:
    """The exit status arrives by the pidfd."""
    pid, pidfd = lowlevel.clone3()
    if pid == 0:
        os._exit(status)
    assert select.select([pidfd], [], [], 30)[0] == [pidfd]
    assert end_of(pidfd) == (os.CLD_EXITED, status)


def test_killed() -> None:
    """A child that was killed says so, and can be killed by its pidfd."""

    def clone() -> tuple[int, int]:
        pid, pidfd = lowlevel.clone3()
        if pid == 0:
            signal.pause()
        lowlevel.pidfd_send_signal(pidfd, signal.SIGKILL)
        return end_of(pidfd)

    assert in_child(clone) == (os.CLD_KILLED, signal.SIGKILL)


def test_child_is_a_whole_python() -> None:
    """From a process without threads, the child may do anything."""

    def work() -> tuple[bool, int, int, bool]:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(threading.get_ident()))
        thread.start()
        thread.join()
        digest = hashlib.sha256(bytes(100_000)).digest() == expected
        main = threading.current_thread() is threading.main_thread()
        return digest, len(found), threading.active_count(), main

    expected = hashlib.sha256(bytes(100_000)).digest()
    assert in_child(lambda: told_by_clone(work)) == "(True, 1, 1, True)"


def test_handlers_around_a_fork_run() -> None:
    """What was registered with os.register_at_fork runs, in its order."""

    def clone() -> tuple[list[str], str]:
        ran: list[str] = []
        os.register_at_fork(
            before=lambda: ran.append("before"),
            after_in_parent=lambda: ran.append("parent"),
            after_in_child=lambda: ran.append("child"),
        )
        told = told_by_clone(lambda: ran)
        with pytest.raises(SystemCallError):
            lowlevel.clone3(L.CLONE_NEWNS | L.CLONE_FS)
        return ran, told

    ran, told = in_child(clone)
    assert told == "['before', 'child']"
    assert ran == ["before", "parent", "before", "parent"]


def test_parent_stays() -> None:
    """The parent's namespaces do not change."""
    need_own_user()
    before = own_all()
    flags = L.CLONE_NEWUSER | L.CLONE_NEWNET | L.CLONE_NEWPID
    pid, pidfd = lowlevel.clone3(flags)
    if pid == 0:
        os._exit(0)
    assert end_of(pidfd) == (os.CLD_EXITED, 0)
    assert own_all() == before


# --- namespaces ---


@POWER
@pytest.mark.parametrize("type", ALL_TYPES)
def test_new_namespace(type: str) -> None:
    """The child is in a fresh namespace of the type, and else where its parent is."""

    def clone() -> tuple[str, ...]:
        before = own_all()
        text = told_by_clone(own_all, NamespaceType(type).flag)
        return tuple(name for name in before if f"'{before[name]}'" not in text)

    both = (type, f"{type}_for_children") if type in ("pid", "time") else (type,)
    assert in_child(clone) == both


@POWER
def test_all_new_namespaces() -> None:
    """All eight at once are possible, and the child is the first of its pid one."""

    def clone() -> str:
        flags = sum(type.flag for type in NamespaceType)
        return told_by_clone(lambda: (os.getpid(), os.getppid()), flags)

    assert in_child(clone) == "(1, 0)"


def test_new_user_namespace() -> None:
    """Anybody who may make a user namespace gets the others along with it."""
    need_own_user()
    flags = L.CLONE_NEWUSER | L.CLONE_NEWUTS | L.CLONE_NEWNET

    def clone() -> bool:
        before = own_all()
        text = told_by_clone(own_all, flags)
        return any(before[name] in text for name in ("user", "uts", "net"))

    assert in_child(clone) is False


# --- flags and arguments ---


@pytest.mark.parametrize(("flags", "shared"), [(L.CLONE_FS, True), (0, False)])
def test_sharing_directories(flags: int, shared: bool) -> None:
    """With CLONE_FS the child's chdir is the parent's, and else it is not."""

    def clone() -> str:
        os.chdir("/")
        told_by_clone(lambda: os.chdir("/proc"), flags)
        return os.getcwd()

    assert in_child(clone) == ("/proc" if shared else "/")


def test_clearing_handlers() -> None:
    """With CLONE_CLEAR_SIGHAND signals do in the child what they do by default."""

    def clone(flags: int) -> tuple[int, int]:
        signal.signal(signal.SIGUSR1, lambda *_: None)
        pid, pidfd = lowlevel.clone3(flags)
        if pid == 0:
            # By the pid: of the child's own thread the C library is not sure.
            os.kill(os.getpid(), signal.SIGUSR1)
            os._exit(0)
        return end_of(pidfd)

    cleared = in_child(lambda: clone(L.CLONE_CLEAR_SIGHAND))
    assert cleared == (os.CLD_KILLED, signal.SIGUSR1)
    assert in_child(lambda: clone(0)) == (os.CLD_EXITED, 0)


def test_child_of_the_parent() -> None:
    """With CLONE_PARENT the child is a sibling."""

    def clone() -> bool:
        grandparent = os.getpid()

        def middle() -> tuple[int, bool]:
            reader, writer = os.pipe()
            pid, pidfd = lowlevel.clone3(L.CLONE_PARENT, exit_signal=0)
            if pid == 0:
                os.write(writer, b"1" if os.getppid() == grandparent else b"0")
                os._exit(0)
            os.close(pidfd)
            return pid, os.read(reader, 1) == b"1"

        pid, answer = in_child(middle)
        return os.waitpid(pid, WALL)[0] == pid and answer

    assert in_child(clone)


@pytest.mark.parametrize("number", [0, signal.SIGUSR2, signal.SIGCHLD])
def test_exit_signal(number: int) -> None:
    """The parent gets the signal that was asked for when the child ends."""

    def clone() -> set[int]:
        some = {signal.SIGUSR2, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, some)
        pid, pidfd = lowlevel.clone3(exit_signal=number)
        if pid == 0:
            os._exit(0)
        assert end_of(pidfd, WALL) == (os.CLD_EXITED, 0)
        return {int(pending) for pending in signal.sigpending() & some}

    assert in_child(clone) == ({number} - {0})


@POWER
def test_set_tid() -> None:
    """The child has the ids that were chosen, in each pid namespace its own."""

    def clone() -> tuple[bool, str]:
        free = os.fork()
        if free == 0:
            os._exit(0)
        os.waitpid(free, 0)
        one = told_by_clone(os.getpid, set_tid=[free]) == str(free)
        flags = L.CLONE_NEWPID
        return one, told_by_clone(os.getpid, flags, set_tid=[1, free])

    assert in_child(clone) == (True, "1")


@pytest.mark.tier("root")
def test_cgroup() -> None:
    """The child starts in the cgroup whose directory was given."""
    if not (CGROUPS / "cgroup.procs").exists():
        missing("cgroup2", f"no cgroup v2 at {CGROUPS}")
    folder = CGROUPS / f"pynamespaces-{os.getpid()}"
    folder.mkdir()
    try:
        with _opened(folder) as fd:

            def where() -> str:
                lines = Path("/proc/self/cgroup").read_text().splitlines()
                return next(line for line in lines if line.startswith("0::"))

            told = in_child(lambda: told_by_clone(where, cgroup=fd))
        assert told == repr(f"0::/{folder.name}")
    finally:
        folder.rmdir()


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)
