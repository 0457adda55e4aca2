"""setns, and the trap that it sets for processes with threads."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from provoking import (
    another_process,
    differing,
    hide_proc,
    mount,
    own_mounts,
    own_user,
    refuse_calls,
    zombie,
)
from support import identity, in_child, own, own_all

from pynamespaces import (
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


# --- setns ---


def _fresh(type: str) -> None:
    lowlevel.unshare(NamespaceType(type).flag)


@POWER
@pytest.mark.parametrize("by_flag", [True, False])
@pytest.mark.parametrize("type", ENTERED)
def test_setns(type: str, by_flag: bool) -> None:
    """The thread is where the descriptor leads, with the type named or not."""

    def enter() -> tuple[bool, tuple[str, ...]]:
        before = own_all()
        with another_process(lambda: _fresh(type)) as pid:
            link = f"/proc/{pid}/ns/{type}"
            target = os.open(link, os.O_RDONLY)
            lowlevel.setns(target, NamespaceType(type).flag if by_flag else 0)
            there = os.readlink(f"/proc/thread-self/ns/{type}") == os.readlink(link)
        return there, differing(before, own_all())

    assert in_child(enter) == (True, (type,))


@POWER
def test_setns_pid() -> None:
    """The thread stays in its pid namespace, and its children are born in the other."""

    def enter() -> tuple[tuple[str, ...], bool]:
        before = own_all()
        home = os.open("/proc/self/ns/pid", os.O_RDONLY)
        lowlevel.unshare(L.CLONE_NEWPID)
        with another_process() as pid:
            target = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY)
            lowlevel.setns(home)
            assert own_all() == before
            lowlevel.setns(target, L.CLONE_NEWPID)
            with another_process() as second:
                there = identity(f"/proc/{second}/ns/pid") == identity(target)
            return differing(before, own_all()), there

    assert in_child(enter) == (("pid_for_children",), True)


@POWER
def test_setns_time() -> None:
    """A process without threads is in the time namespace at once."""

    def enter() -> tuple[tuple[str, ...], bool]:
        with another_process(lambda: L.unshare(L.CLONE_NEWTIME)) as pid:
            before = own_all()
            target = os.open(f"/proc/{pid}/ns/time_for_children", os.O_RDONLY)
            lowlevel.setns(target, L.CLONE_NEWTIME)
            return differing(before, own_all()), own("time") == identity(target)

    assert in_child(enter) == (("time", "time_for_children"), True)


@POWER
def test_setns_user() -> None:
    """A process without threads can join a user namespace of its own making."""

    def enter() -> tuple[str, ...]:
        with another_process(own_user) as pid:
            target = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
            before = own_all()
            lowlevel.setns(target, L.CLONE_NEWUSER)
            return differing(before, own_all())

    assert in_child(enter) == ("user",)


@POWER
def test_setns_by_pidfd() -> None:
    """By a pidfd, several namespaces of the process are joined, and no others."""

    def enter() -> tuple[str, ...]:
        flags = L.CLONE_NEWUTS | L.CLONE_NEWIPC
        with another_process(lambda: L.unshare(flags | L.CLONE_NEWNET)) as pid:
            before = own_all()
            lowlevel.setns(lowlevel.pidfd_open(pid), flags)
            return differing(before, own_all())

    assert in_child(enter) == ("ipc", "uts")


@POWER
def test_setns_by_pidfd_all_or_none() -> None:
    """If the kernel refuses one of the types, the thread joins none."""

    def enter() -> tuple[str, ...]:
        with another_process(lambda: _fresh("uts")) as pid:
            before = own_all()
            with pytest.raises(SystemCallError) as caught:
                lowlevel.setns(L.pidfd_open(pid), L.CLONE_NEWUTS | L.CLONE_NEWUSER)
            assert caught.value.errno == errno.EINVAL
            return differing(before, own_all())

    assert in_child(enter) == ()


def test_setns_by_pidfd_of_the_dead() -> None:
    """The namespaces of a zombie cannot be joined."""
    pidfd = lowlevel.pidfd_open(pid := zombie())
    with pytest.raises(NoSuchProcessError):
        lowlevel.setns(pidfd, L.CLONE_NEWUTS)
    os.waitpid(pid, 0)
    os.close(pidfd)


# --- the trap: mnt by pidfd with another type moves every thread's directories ---


def _see(mounted: Path) -> tuple[tuple[int, int], ...]:
    """Look where a thread's working directory and root are, without /proc."""
    facts = os.stat("."), os.stat("/"), os.stat(mounted)
    return tuple((fact.st_dev, fact.st_ino) for fact in facts)


def _enter_mnt_and_uts(
    folder: Path, before: Callable[[], object], inside: Callable[[], object]
) -> tuple[str | None, tuple[str, ...]]:
    """
    Enter mnt and uts of a process with a different tree, in one of three threads.

    Return the error's name, and whose directories moved.
    """

    def other_tree() -> None:
        own_mounts()
        lowlevel.unshare(L.CLONE_NEWUTS)
        mount("none", str(folder), "tmpfs")

    with another_process(other_tree) as pid:
        pidfd = lowlevel.pidfd_open(pid)
        before()
        os.chdir(folder.parent)
        with ThreadPoolExecutor(1) as bystander, ThreadPoolExecutor(1) as mover:
            seen = _see(folder)
            assert bystander.submit(_see, folder).result() == seen
            mover.submit(inside).result()
            flags = L.CLONE_NEWNS | L.CLONE_NEWUTS
            error = mover.submit(lowlevel.setns, pidfd, flags).exception()
            moved = {
                "caller": mover.submit(_see, folder).result() != seen,
                "main": _see(folder) != seen,
                "bystander": bystander.submit(_see, folder).result() != seen,
            }
            names = tuple(name for name, has_moved in moved.items() if has_moved)
            return type(error).__name__ if error else None, names


def _nothing() -> None:
    pass


@POWER
@pytest.mark.parametrize(
    "before",
    [
        pytest.param(_nothing, id="plain"),
        pytest.param(hide_proc, id="no-proc"),
        pytest.param(lambda: refuse_calls(kcmp=errno.EPERM), id="no-kcmp"),
        pytest.param(lambda: refuse_calls(kcmp=errno.ENOSYS), id="no-such-kcmp"),
    ],
)
def test_mnt_by_pidfd_with_threads(tmp_path: Path, before: Callable[[], None]) -> None:
    """What would move the directories of every thread is refused, and moves none."""
    (folder := tmp_path / "inner").mkdir()
    outcome = in_child(lambda: _enter_mnt_and_uts(folder, before, _nothing))
    assert outcome == ("MultithreadedError", ())


@POWER
def test_mnt_by_pidfd_with_a_foreign_proc(tmp_path: Path) -> None:
    """It is refused as well where /proc numbers threads as another pid namespace."""
    (folder := tmp_path / "inner").mkdir()

    def below() -> tuple[str | None, tuple[str, ...]]:
        lowlevel.unshare(L.CLONE_NEWPID)
        return in_child(lambda: _enter_mnt_and_uts(folder, _nothing, _nothing))

    assert in_child(below) == ("MultithreadedError", ())


@POWER
def test_mnt_by_pidfd_after_unsharing_fs(tmp_path: Path) -> None:
    """A thread with directories of its own may, and moves nobody else's."""
    (folder := tmp_path / "inner").mkdir()
    apart = lambda: lowlevel.unshare(L.CLONE_FS)  # noqa: E731
    outcome = in_child(lambda: _enter_mnt_and_uts(folder, _nothing, apart))
    assert outcome == (None, ("caller",))


@POWER
def test_mnt_by_pidfd_without_threads() -> None:
    """A process without threads may, without further ado."""

    def enter() -> tuple[str, ...]:
        with another_process(lambda: L.unshare(L.CLONE_NEWNS | L.CLONE_NEWUTS)) as pid:
            before = own_all()
            lowlevel.setns(L.pidfd_open(pid), L.CLONE_NEWNS | L.CLONE_NEWUTS)
            return differing(before, own_all())

    assert in_child(enter) == ("mnt", "uts")
