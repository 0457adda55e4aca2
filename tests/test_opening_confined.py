"""`MountNamespace.open` is never led out, and starts where it should."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from filing import INSIDE, OUTSIDE, Tree, contents, tree
from newer import need
from provoking import drop_capabilities, need_own_user, own_user
from support import in_child
from targets import POWER
from watching import Tasks

from pynamespaces import Namespace, NamespacePermissionError, SystemCallError

__all__ = ["tree"]

UP = "../" * 40


@pytest.mark.parametrize(
    "target",
    [
        lambda folder: f"{folder}/file",
        lambda folder: "file",
        lambda folder: "directory/../file",
        lambda folder: f"{UP}{folder}/file",
        lambda folder: f"/{UP}{folder}/file",
        lambda folder: f"/proc/../{folder}/file",
    ],
)
def test_links_stay_inside(tree: Tree, target: Callable[[Path], str]) -> None:
    """Links are followed there: absolute, relative and climbing ones."""
    tree.inside(lambda: os.symlink(target(tree.folder), "link"))
    tree.inside(lambda: os.symlink("../link", "directory/second"))
    assert tree.read("link") == INSIDE
    assert tree.read("directory/second") == INSIDE
    assert contents(tree.namespace.open(f"{UP}{tree.folder}/link")) == INSIDE


MAGIC: list[Callable[[int], str]] = [
    lambda fd: "/proc/self/root",
    lambda fd: "/proc/self/cwd",
    lambda fd: "/proc/self/exe",
    lambda fd: "/proc/self/ns/mnt",
    lambda fd: "/proc/thread-self/root",
]
OTHERS: list[Callable[[int], str]] = [
    lambda fd: f"/proc/self/fd/{fd}",
    lambda fd: "/dev/fd/0",
    lambda fd: "/proc/1/cwd",
    lambda fd: f"/proc/{os.getpid()}/root",
    lambda fd: f"/proc/{os.getpid()}/fd/{fd}",
    lambda fd: f"/proc/{os.getpid()}/task/{os.getpid()}/cwd",
]
"""Those that may be hidden from there: of other processes, and of descriptors."""


@pytest.mark.parametrize("path", MAGIC + OTHERS, ids=lambda path: path(3)[6:])
@pytest.mark.parametrize("way", ["directly", "by a link", "beyond"])
def test_magic_links_are_refused(
    tree: Tree, path: Callable[[int], str], way: str
) -> None:
    """What could lead to the caller's own files is refused, also behind links."""
    outside = os.open(tree.folder, os.O_PATH)
    wanted = path(outside)
    try:
        if way == "by a link":
            tree.inside(lambda: os.symlink(wanted, "link"))
            wanted = str(tree.folder / "link")
        elif way == "beyond":
            wanted += "/file"
        with pytest.raises(SystemCallError) as caught:
            tree.namespace.open(wanted)
    finally:
        os.close(outside)
    assert (caught.value.syscall, caught.value.filename) == ("openat2", wanted)
    if path in MAGIC or caught.value.errno not in (errno.EACCES, errno.ENOENT):
        assert caught.value.errno == errno.ELOOP
        assert "lead out" in str(caught.value)


@pytest.mark.parametrize("flags", [os.O_PATH | os.O_NOFOLLOW, os.O_NOFOLLOW])
def test_link_itself(tree: Tree, flags: int) -> None:
    """O_NOFOLLOW is refused a link, and with O_PATH is given it."""
    tree.inside(lambda: os.symlink("file", "link"))
    if not flags & os.O_PATH:
        with pytest.raises(OSError) as caught:
            tree.open("link", flags)
        assert caught.value.errno == errno.ELOOP
        return
    fd = tree.open("link", flags)
    try:
        assert os.readlink("", dir_fd=fd) == "file"
    finally:
        os.close(fd)


def test_links_in_a_circle(tree: Tree) -> None:
    """Links that lead to themselves lead nowhere."""
    tree.inside(lambda: os.symlink("link", "link"))
    with pytest.raises(OSError) as caught:
        tree.open("link")
    assert caught.value.errno == errno.ELOOP


@contextmanager
def renaming(folder: Path) -> Iterator[None]:
    """Have a process that renames something all the time."""
    (folder / "one").mkdir()
    pid = os.fork()
    if pid == 0:
        while True:
            os.rename(folder / "one", folder / "other")
            os.rename(folder / "other", folder / "one")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_dots_while_others_rename(tree: Tree) -> None:
    """A path with .. is found while others rename, which the kernel is wary of."""
    with renaming(tree.folder):
        for _ in range(500):
            assert tree.read("directory/../file") == INSIDE


@POWER
def test_chrooted_caller(tree: Tree) -> None:
    """A caller that is chrooted opens from the root of the namespace, and stays."""
    need("pidfd-namespaces")

    def ask() -> None:
        # There is no /proc in the folder.
        with Tasks() as tasks:
            os.chroot(tree.folder)
            os.chdir("/")
            before = tasks.state()
            assert tree.read("file") == INSIDE
            assert tasks.state() == before
            assert Path("/file").read_bytes() == OUTSIDE
            # Its own namespace too, which it has power over.
            with closing(Namespace.current("mnt")) as own:
                assert contents(own.open(tree.folder / "file")) == OUTSIDE
            assert tasks.state() == before

    in_child(ask)


def test_chrooted_caller_without_power(tmp_path: Path) -> None:
    """Without power over its namespace, a chrooted caller's own root is the root."""
    need("pidfd-namespaces")
    need_own_user()
    (tmp_path / "file").write_bytes(OUTSIDE)
    (tmp_path / "folder").mkdir()

    def ask() -> None:
        own_user()
        os.chroot(tmp_path)
        os.chdir("/folder")
        with closing(Namespace.current("mnt")) as own:
            for path in ("/file", "file", f"{UP}file", "folder/../file"):
                assert contents(own.open(path)) == OUTSIDE
            with pytest.raises(FileNotFoundError):
                own.open(tmp_path / "file")

    in_child(ask)


def test_own_namespace_without_power(tmp_path: Path) -> None:
    """An ordinary user opens its own files, and no others, from the root."""
    (tmp_path / "file").write_bytes(OUTSIDE)
    (tmp_path / "secret").touch(mode=0)

    def ask() -> None:
        drop_capabilities()
        os.chdir(tmp_path)
        with closing(Namespace.current("mnt")) as own:
            assert contents(own.open(tmp_path / "file")) == OUTSIDE
            assert contents(own.open(str(tmp_path / "file")[1:])) == OUTSIDE
            with pytest.raises(FileNotFoundError):
                own.open("file")
            with pytest.raises(NamespacePermissionError) as caught:
                own.open(tmp_path / "secret")
            assert caught.value.errno == errno.EACCES
            assert caught.value.syscall == "openat2"
            assert os.getcwd() == str(tmp_path)

    in_child(ask)


def test_without_power() -> None:
    """Who has no power over a mount namespace opens nothing there."""
    need_own_user()

    def ask() -> None:
        own_user()
        with closing(Namespace.new("mnt")) as foreign:
            drop_capabilities()
            foreign.open("/")

    with pytest.raises(NamespacePermissionError) as caught:
        in_child(ask)
    assert (caught.value.errno, caught.value.syscall) == (errno.EPERM, "setns")
    assert caught.value.types == ("mnt",)
