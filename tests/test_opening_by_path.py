"""Opening namespaces by a file, and nothing but namespaces."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from provoking import (
    bind,
    drop_capabilities,
    own_mounts,
)
from support import ALL_TYPES, in_child

from pynamespaces import (
    Namespace,
    NamespacePermissionError,
    NamespaceType,
    NoSuchNamespaceError,
    NotANamespaceError,
    SystemCallError,
)

POWER = pytest.mark.tier("root", "userns")


def link(type: str, pid: int | str = "thread-self") -> str:
    """Return the path of a namespace."""
    return f"/proc/{pid}/ns/{type}"


# --- from_path ---


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_kinds_of_path(kind: Callable[[str], str]) -> None:
    """A path is a string, bytes, or an object that has one."""
    assert Namespace.from_path(kind(link("net"))) == Namespace.current("net")


def test_path_through_a_link(tmp_path: Path) -> None:
    """A symbolic link is followed."""
    (tmp_path / "blue").symlink_to(link("uts"))
    assert Namespace.from_path(tmp_path / "blue", "uts") == Namespace.current("uts")


@POWER
@pytest.mark.parametrize("type", sorted({*ALL_TYPES} - {"mnt"}))
def test_path_of_a_bind_mount(type: str, tmp_path: Path) -> None:
    """A namespace that is kept by a bind mount is opened by the mount point."""
    (place := tmp_path / "kept").touch()

    def open_place() -> bool:
        own_mounts()
        bind(link(type), str(place))
        namespace = Namespace.from_path(place)
        return namespace == Namespace.current(NamespaceType(type))

    assert in_child(open_place)


def _fifo(place: Path) -> Path:
    os.mkfifo(place)
    return place


def _socket(place: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
    return place


def _file(place: Path) -> Path:
    place.write_text("net:[4026531840]")
    return place


@pytest.mark.parametrize(
    "make",
    [_fifo, _socket, _file, lambda place: place.parent],
    ids=["fifo", "socket", "file", "folder"],
)
@pytest.mark.parametrize("type", [None, "net"])
def test_path_of_something_else(
    type: str | None, make: Callable[[Path], Path], tmp_path: Path
) -> None:
    """What is no namespace is refused without being opened, which could block."""
    place = make(tmp_path / "place")
    with pytest.raises(NotANamespaceError, match="is no namespace") as caught:
        Namespace.from_path(place, NamespaceType(type) if type else None)
    assert caught.value.filename == str(place)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/proc/self/ns", "/proc"])
def test_path_of_a_device_or_proc(path: str) -> None:
    """Nor is a device, or what /proc has beside namespaces, one of them."""
    with pytest.raises(NotANamespaceError):
        Namespace.from_path(path)


@pytest.mark.parametrize("path", ["", b"", "/nonexistent", "relative/nonexistent"])
def test_path_of_nothing(path: str | bytes) -> None:
    """A path that leads nowhere is a NoSuchNamespaceError, which has it."""
    with pytest.raises(NoSuchNamespaceError) as caught:
        Namespace.from_path(path)
    assert caught.value.filename == path
    assert isinstance(caught.value, FileNotFoundError)
    assert repr(path) in str(caught.value)


def test_path_of_a_dangling_link(tmp_path: Path) -> None:
    """A link to nowhere is as good as no file."""
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(NoSuchNamespaceError):
        Namespace.from_path(tmp_path / "link")


@pytest.mark.parametrize(
    ("path", "number"),
    [("/dev/null/net", errno.ENOTDIR), ("/" + "x" * 300, errno.ENAMETOOLONG)],
)
def test_path_that_cannot_be(path: str, number: int) -> None:
    """What else can be wrong with a path is told by its errno."""
    with pytest.raises(SystemCallError) as caught:
        Namespace.from_path(path)
    assert (caught.value.errno, caught.value.filename) == (number, path)


@pytest.mark.parametrize("path", ["a\0b", b"/proc\0", "\0"])
def test_path_with_a_null_byte(path: str | bytes) -> None:
    """A path that the kernel would cut short is a ValueError."""
    with pytest.raises(ValueError, match="null byte"):
        Namespace.from_path(path)


@pytest.mark.parametrize("path", [None, 3, 1.5, ["/"]])
def test_path_that_is_none(path: object) -> None:
    """What is no path is a TypeError."""
    with pytest.raises(TypeError):
        Namespace.from_path(path)  # type: ignore[call-overload]


def test_path_that_may_not_be_searched(tmp_path: Path) -> None:
    """A folder that is closed to the caller is a NamespacePermissionError."""
    (closed := tmp_path / "closed").mkdir()
    (closed / "net").touch()
    closed.chmod(0)

    def look() -> None:
        drop_capabilities()
        Namespace.from_path(closed / "net")

    with pytest.raises(NamespacePermissionError, match="may not be searched"):
        in_child(look)
    closed.chmod(0o700)
