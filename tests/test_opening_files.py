"""`MountNamespace.open`: files of another mount namespace, as `os.open` has them."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from containers import MARKER, Container, bwrap, container
from filing import INSIDE, OUTSIDE, Tree, contents, tree
from support import in_child
from watching import unchanged

from pynamespaces import ClosedNamespaceError, Namespace

__all__ = ["container", "tree"]


@pytest.mark.parametrize("form", [str, os.fsencode, Path], ids=["str", "bytes", "Path"])
def test_file_of_a_mount_there(
    tree: Tree, form: Callable[[Path], str | bytes | Path]
) -> None:
    """A file on a mount that only exists there is read, by any form of its path."""
    fd = tree.namespace.open(form(tree.folder / "file"))
    assert not os.get_inheritable(fd)
    assert os.get_blocking(fd)
    assert contents(fd) == INSIDE
    assert (tree.folder / "file").read_bytes() == OUTSIDE


def test_relative_path(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path starts at the root there, wherever the caller is."""
    monkeypatch.chdir(tree.folder)
    path = str(tree.folder / "file").removeprefix("/")
    assert contents(tree.namespace.open(path)) == INSIDE
    assert contents(tree.namespace.open("./" + path)) == INSIDE
    with pytest.raises(FileNotFoundError):
        tree.namespace.open("file")


def test_nobody_moves(tree: Tree) -> None:
    """Root, working directory and namespaces of all threads stay as they are."""
    with unchanged():
        for _ in range(20):
            tree.read("file")
            with pytest.raises(FileNotFoundError):
                tree.open("missing")


def test_missing(tree: Tree) -> None:
    """What is not there is told with its path, as the caller has written it."""
    path = str(tree.folder / "missing")
    with pytest.raises(FileNotFoundError) as caught:
        tree.namespace.open(path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, path)


@pytest.mark.parametrize(
    ("path", "flags", "error"),
    [
        ("directory", os.O_WRONLY, IsADirectoryError),
        ("directory", os.O_RDWR | os.O_CREAT, IsADirectoryError),
        ("file", os.O_RDONLY | os.O_DIRECTORY, NotADirectoryError),
        ("file/below", os.O_RDONLY, NotADirectoryError),
        ("file", os.O_CREAT | os.O_EXCL | os.O_WRONLY, FileExistsError),
        ("missing", os.O_WRONLY, FileNotFoundError),
        ("no/such/folder", os.O_CREAT | os.O_WRONLY, FileNotFoundError),
        ("x" * 256, os.O_RDONLY, OSError),
    ],
)
def test_errors_are_those_of_os_open(
    tree: Tree, path: str, flags: int, error: type[OSError]
) -> None:
    """What cannot be opened is told as os.open tells it."""

    def known() -> int | None:
        with pytest.raises(error) as caught:
            os.open(path, flags)
        return caught.value.errno

    with pytest.raises(error) as caught:
        tree.open(path, flags)
    assert caught.value.errno == tree.inside(known)
    assert caught.value.filename == str(tree.folder / path)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o777), (0o077, 0o666), (0, 0o640)])
def test_made_file(tree: Tree, mask: int, mode: int) -> None:
    """A file is made there, with the mode asked for, less the umask of the thread."""

    def make() -> None:
        os.umask(mask)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        with open(tree.open("made", flags, mode), "w") as file:
            file.write("new")
        assert os.umask(0) == mask

    in_child(make)
    found = tree.inside(lambda: os.stat("made"))
    assert stat.S_IMODE(found.st_mode) == mode & ~mask
    assert found.st_uid == 0
    assert tree.read("made") == b"new"
    assert not (tree.folder / "made").exists()


def test_mode_by_default(tree: Tree) -> None:
    """Without a mode a file is as open() makes it."""

    def make() -> None:
        os.umask(0o027)
        os.close(tree.open("made", os.O_CREAT | os.O_WRONLY))

    in_child(make)
    assert stat.S_IMODE(tree.inside(lambda: os.stat("made").st_mode)) == 0o640


def test_mode_where_nothing_is_made(tree: Tree) -> None:
    """A mode is ignored where no file is made, as os.open ignores it."""
    os.close(tree.open("file", os.O_RDONLY, 0o700))
    os.close(tree.open("directory", os.O_RDONLY | os.O_DIRECTORY, 0o700))


def test_written_file(tree: Tree) -> None:
    """Writing, truncating and appending reach the file that is there."""
    flags = os.O_WRONLY
    for more, text in ((os.O_TRUNC, "first"), (os.O_APPEND, "second")):
        with open(tree.open("file", flags | more), "w") as file:
            file.write(text)
    assert tree.read("file") == b"firstsecond"
    assert (tree.folder / "file").read_bytes() == OUTSIDE


def test_file_without_a_name(tree: Tree) -> None:
    """O_TMPFILE makes a file that has no name, with the mode asked for."""
    fd = tree.open("directory", os.O_TMPFILE | os.O_RDWR, 0o600)
    facts = os.fstat(fd)
    assert (stat.S_IMODE(facts.st_mode), facts.st_nlink) == (0o600, 0)
    os.close(fd)
    assert tree.inside(lambda: os.listdir("directory")) == []


def test_directory(tree: Tree) -> None:
    """The descriptor of a directory leads to what is in it there."""
    fd = tree.open("", os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert sorted(os.listdir(fd)) == ["directory", "file"]
        assert contents(os.open("file", os.O_RDONLY, dir_fd=fd)) == INSIDE
    finally:
        os.close(fd)


@pytest.mark.parametrize("more", [0, os.O_DIRECTORY, os.O_NOFOLLOW])
def test_place(tree: Tree, more: int) -> None:
    """O_PATH gives a place in the tree, which is not open for reading."""
    fd = tree.open("directory" if more & os.O_DIRECTORY else "file", os.O_PATH | more)
    try:
        assert not os.get_inheritable(fd)
        with pytest.raises(OSError) as caught:
            os.read(fd, 1)
        assert caught.value.errno in (errno.EBADF, errno.EISDIR)
    finally:
        os.close(fd)


@pytest.mark.parametrize("nonblocking", [0, os.O_NONBLOCK])
def test_fifo(tree: Tree, nonblocking: int) -> None:
    """A FIFO without another end is opened or refused at once; then it blocks."""
    tree.inside(lambda: os.mkfifo("fifo"))
    with pytest.raises(OSError) as caught:
        tree.open("fifo", os.O_WRONLY | nonblocking)
    assert caught.value.errno == errno.ENXIO
    reader = tree.open("fifo", os.O_RDONLY | nonblocking)
    try:
        assert os.get_blocking(reader) is not bool(nonblocking)
        writer = tree.open("fifo", os.O_WRONLY | nonblocking)
        assert os.get_blocking(writer) is not bool(nonblocking)
        os.write(writer, b"through")
        os.close(writer)
        assert os.read(reader, 99) == b"through"
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("nu\0ll",), ValueError, "null byte"),
        ((b"nu\0ll",), ValueError, "null byte"),
        (("/", -1), ValueError, "flags"),
        (("/", 1 << 31), ValueError, "flags"),
        (("/", "r"), TypeError, "flags"),
        (("/", os.O_CREAT, -1), ValueError, "mode"),
        (("/", os.O_CREAT, 0o10000), ValueError, "mode"),
        (("/", os.O_CREAT, "w"), TypeError, "mode"),
        ((3,), TypeError, "PathLike"),
    ],
)
def test_wrong_arguments(
    tree: Tree, arguments: tuple[str, int], error: type[Exception], says: str
) -> None:
    """What makes no sense is refused before anything is done."""
    with pytest.raises(error, match=says):
        tree.namespace.open(*arguments)


def test_closed(tree: Tree) -> None:
    """A handle that has been closed opens nothing."""
    tree.namespace.close()
    with pytest.raises(ClosedNamespaceError):
        tree.namespace.open("/")


def test_file_of_a_container(container: Container) -> None:
    """A file of a real container is read, whatever root the container has."""
    with closing(Namespace.from_pid(container.pid, "mnt")) as mounts:
        assert contents(mounts.open("/etc/marker")).decode() == MARKER
        with pytest.raises(OSError):
            mounts.open("/etc/marker", os.O_WRONLY | os.O_CREAT | os.O_EXCL)


@pytest.mark.tier("plain")
def test_file_of_an_own_sandbox(tmp_path: Path) -> None:
    """An ordinary user reads the files of a sandbox of its own."""
    with bwrap(tmp_path) as sandbox:
        with closing(Namespace.from_pid(sandbox.pid, "mnt")) as mounts:
            assert contents(mounts.open("/etc/marker")).decode() == MARKER
