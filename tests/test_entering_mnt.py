"""Entering a mount namespace: root and working directory move, and come back."""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from support import identity, in_child, own, own_all
from targets import POWER, beside_thread, fresh, in_thread, without

from pynamespaces import (
    IrreversibleError,
    MultithreadedError,
    Namespace,
    setns,
    unshare,
)

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

Move = Callable[[Path], object]
Enter = Callable[[Namespace], AbstractContextManager[Namespace]]


def look(process: int) -> list[object]:
    """Return mnt namespace, root and cwd (with their mounts) of an open /proc/self."""
    places: list[object] = [os.readlink("ns/mnt", dir_fd=process)]
    for name in ("root", "cwd"):
        descriptor = os.open(name, os.O_PATH, dir_fd=process)
        info = os.open(f"fdinfo/{descriptor}", os.O_RDONLY, dir_fd=process)
        with open(info) as file:
            mount = [line for line in file if line.startswith("mnt_id:")]
        places += [identity(descriptor), mount]
        os.close(descriptor)
    return places


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    """Add a mount, or change one, by the system call."""
    words = [word.encode() if word else None for word in (source, target, kind)]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(*words, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), "mount", target)


def fully_chrooted(folder: Path) -> None:
    """Change root and cwd to a mount that has a /proc of its own."""
    (folder / "proc").mkdir()
    mount(str(folder), str(folder), None, MS_BIND)
    mount("/proc", str(folder / "proc"), None, MS_BIND | MS_REC)
    os.chroot(folder)
    os.chdir("/")


def barely_chrooted(folder: Path) -> None:
    """Change root and cwd to an empty directory, without /proc."""
    os.chroot(folder)
    os.chdir("/")


def chrooted_below(folder: Path) -> None:
    """Change the root, and leave the working directory outside."""
    os.chdir(folder)
    (folder / "inner").mkdir()
    os.chroot(folder / "inner")


def in_deleted_folder(folder: Path) -> None:
    """Go to a directory, and delete it."""
    (folder / "gone").mkdir()
    os.chdir(folder / "gone")
    (folder / "gone").rmdir()


def under_another_root(folder: Path) -> None:
    """Mount something over the root, which stays the root of this process."""
    os.chdir(folder)
    mount("none", "/", "tmpfs", 0)
    assert identity("/") != identity("/..")


def in_locked_folder(folder: Path) -> None:
    """Go to a directory that only a capability opens."""
    (folder / "locked").mkdir()
    os.chdir(folder / "locked")
    (folder / "locked").chmod(0)


PLACES = pytest.mark.parametrize(
    "move",
    [
        os.chdir,
        fully_chrooted,
        barely_chrooted,
        chrooted_below,
        in_deleted_folder,
        under_another_root,
        in_locked_folder,
    ],
)


def plainly(namespace: Namespace) -> AbstractContextManager[Namespace]:
    """Enter by ``with ns:``."""
    return namespace


def with_own_fs(namespace: Namespace) -> AbstractContextManager[Namespace]:
    """Enter by ``with ns.enter(unshare_fs=True):``."""
    return namespace.enter(unshare_fs=True)


def open_self() -> int:
    """Open what is known of this process, for when /proc is out of reach."""
    return os.open(f"/proc/{os.readlink('/proc/self')}", os.O_PATH)


@POWER
@PLACES
@pytest.mark.parametrize("enter", [plainly, with_own_fs])
def test_root_and_cwd_come_back(enter: Enter, move: Move, tmp_path: Path) -> None:
    """The body has the target's root; afterwards root and cwd are exactly as before."""

    def visit() -> None:
        unshare("mnt")
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        process = open_self()
        move(tmp_path)
        before = look(process)
        for _ in range(3):
            with enter(namespace) as given:
                assert given is namespace
                link, root, _mount, cwd, _mount = look(process)
                assert link == f"mnt:[{target[1]}]"
                assert root == cwd == top
            assert look(process) == before

    with fresh("mnt") as namespace:
        target, top = identity(namespace.fileno()), identity("/")
        in_child(visit)


@POWER
@pytest.mark.parametrize("enter", [plainly, with_own_fs])
def test_unsearchable_cwd_is_refused(enter: Enter, tmp_path: Path) -> None:
    """To a directory that it may not search nobody comes back: refused beforehand."""

    def visit() -> None:
        process = open_self()
        in_locked_folder(tmp_path)
        without(CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)
        with pytest.raises(PermissionError):
            os.stat("./x")
        before = look(process)
        with pytest.raises(IrreversibleError), enter(namespace):
            pass
        assert look(process) == before

    with fresh("mnt") as namespace:
        in_child(visit)


@POWER
def test_exception_and_nesting(tmp_path: Path) -> None:
    """A nested entry comes back to the place where its body had gone to."""

    def visit() -> None:
        process = open_self()
        os.chdir(tmp_path)
        before = look(process)
        with pytest.raises(KeyError), first:
            os.chdir("/usr")
            between = look(process)
            with pytest.raises(ValueError), second:
                os.chdir("/etc")
                raise ValueError
            assert look(process) == between
            raise KeyError
        assert look(process) == before

    with fresh("mnt") as first, fresh("mnt") as second:
        in_child(visit)


@POWER
@PLACES
def test_already_there(move: Move, tmp_path: Path) -> None:
    """Where the process already is, root and cwd stay, where setns(2) resets them."""

    def stay() -> None:
        unshare("mnt")
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        process, namespace = open_self(), Namespace.current("mnt")
        move(tmp_path)
        before = look(process)
        with namespace, namespace.enter(unshare_fs=True):
            assert look(process) == before
        assert look(process) == before

    in_child(stay)


@POWER
def test_fork_inside(tmp_path: Path) -> None:
    """A process forked inside leaves too, and has its parent's root and cwd back."""

    def leave() -> list[object]:
        namespace.__exit__(None, None, None)
        return look(open_self())

    def visit() -> None:
        os.chdir(tmp_path)
        before = look(open_self())
        with namespace:
            assert in_child(leave) == before
        assert look(open_self()) == before

    with fresh("mnt") as namespace:
        in_child(visit)


def everybody() -> dict[str, tuple[str, str, str]]:
    """Return the mnt namespace, root and cwd of every thread."""
    return {
        task.name: (
            os.readlink(task / "ns/mnt"),
            os.readlink(task / "root"),
            os.readlink(task / "cwd"),
        )
        for task in Path("/proc/self/task").iterdir()
    }


@POWER
@pytest.mark.parametrize("run", [in_thread, beside_thread])
def test_threads_are_refused(run: Callable[[Callable[[], object]], object]) -> None:
    """A process with threads is refused, told what works, and nothing has changed."""

    def enter() -> None:
        before, links = everybody(), own_all()
        with pytest.raises(MultithreadedError, match="unshare_fs") as caught, namespace:
            pass
        assert caught.value.types == ("mnt",)
        assert own_all() == links
        assert everybody() == before

    with fresh("mnt") as namespace:
        in_child(lambda: run(enter))


@POWER
def test_own_fs_leaves_others_alone(tmp_path: Path) -> None:
    """``unshare_fs=True`` moves this thread; all others keep namespace, root, cwd."""

    def visit() -> None:
        os.chdir(tmp_path)
        stop = threading.Event()
        idle = threading.Thread(target=stop.wait)
        idle.start()
        in_thread(enter)
        stop.set()
        idle.join()

    def enter() -> None:
        me, before = str(threading.get_native_id()), everybody()
        with namespace.enter(unshare_fs=True):
            inside = everybody()
            assert own("mnt") == identity(namespace.fileno())
            assert inside.pop(me)[2] == "/"
            assert inside == {key: before[key] for key in before if key != me}
        assert everybody() == before

    with fresh("mnt") as namespace:
        in_child(visit)


@POWER
def test_own_fs_is_for_good(tmp_path: Path) -> None:
    """After ``unshare_fs=True`` the thread has a cwd and a umask of its own."""

    def visit() -> None:
        os.chdir(tmp_path)
        os.umask(0o22)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(enter).result()
            assert pool.submit(os.umask, 0o77).result() == 0o22
            pool.submit(os.chdir, "/usr").result()
            assert os.getcwd() == str(tmp_path)
            assert os.umask(0o22) == 0o22
            os.chdir("/")
            assert pool.submit(os.getcwd).result() == "/usr"

    def enter() -> None:
        with namespace.enter(unshare_fs=True):
            pass

    with fresh("mnt") as namespace:
        in_child(visit)


def test_refused_own_fs_changes_nothing() -> None:
    """A one-way entry is refused before the thread gets a cwd of its own."""

    def visit() -> None:
        setns(outer)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(enter).result()
            os.chdir("/usr")
            assert pool.submit(os.getcwd).result() == "/usr"

    def enter() -> None:
        before = everybody()
        with pytest.raises(IrreversibleError), inner.enter(unshare_fs=True):
            pass
        assert everybody() == before

    with fresh("mnt", "user") as inner, closing(inner.owner()) as outer:
        in_child(visit)


@POWER
def test_just_joined_threads_do_not_count() -> None:
    """A thread that has been joined lingers in the kernel; entering waits for it."""

    def visit() -> None:
        before = own_all()
        for _ in range(50):
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            with namespace:
                assert own("mnt") == identity(namespace.fileno())
            assert own_all() == before

    with fresh("mnt") as namespace:
        in_child(visit)
