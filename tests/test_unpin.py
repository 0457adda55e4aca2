"""`unpin`: it ends pins, and nothing else."""

import errno
import os
from pathlib import Path

import pytest
from pinning import (
    at_once,
    fresh,
    in_own_mounts,
    mounted_at,
    outcome,
)
from provoking import FakeLib, bind, replace
from support import in_child
from targets import POWER

from pynamespaces import (
    NoSuchNamespaceError,
    NotANamespaceError,
)
from pynamespaces._core import pin as pins
from pynamespaces._core import place
from pynamespaces._core.pin import unpin
from pynamespaces._lib import lib

MISSING = "NoSuchNamespaceError"


@POWER
def test_unpin_leaves_the_namespace_to_others(tmp_path: Path) -> None:
    """A namespace that is still held lives on without its pin."""

    def keep() -> None:
        namespace = fresh("net")
        namespace.pin(tmp_path / "pin")
        unpin(tmp_path / "pin")
        with namespace:
            assert namespace.is_current()
        namespace.pin(tmp_path / "pin")

    in_own_mounts(tmp_path, keep)


WRONG: dict[str, str] = {
    "/proc/thread-self/ns/net": "symbolic link",
    "/proc/thread-self/ns": "no namespace is mounted",
    "/proc/thread-self/fd/0": "symbolic link",
    "/dev/null": "no namespace is mounted",
    "/": "no namespace is mounted",
    ".": "no namespace is mounted",
}


@pytest.mark.parametrize("path", WRONG)
def test_unpin_what_is_no_pin(path: str) -> None:
    """What no namespace is mounted on is refused before anything is done."""

    def refused() -> None:
        replace(place, lib=FakeLib(pyns_detach=None))
        with pytest.raises(NotANamespaceError, match=WRONG[path]) as caught:
            unpin(path, missing_ok=True)
        assert (caught.value.errno, caught.value.syscall) == (errno.EINVAL, "umount2")
        assert caught.value.filename == path

    in_child(refused)
    assert os.path.exists(path)


@pytest.mark.parametrize("kind", ["file", "directory", "dangling", "slash"])
def test_unpin_what_is_not_mounted(kind: str, tmp_path: Path) -> None:
    """A file, a directory or a link stays as it is."""
    path = tmp_path / "pin"
    if kind == "file":
        path.write_text("mine")
    elif kind == "dangling":
        path.symlink_to("missing")
    else:
        path.mkdir()
    with pytest.raises(NotANamespaceError):
        unpin(f"{path}/" if kind == "slash" else path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pin"]


@POWER
def test_unpin_through_a_link(tmp_path: Path) -> None:
    """Neither a link to a pin nor another kind of mount is taken for one."""

    def refused() -> None:
        fresh("net").pin(tmp_path / "pin")
        (tmp_path / "link").symlink_to("pin")
        (tmp_path / "file").touch()
        bind("/dev/null", str(tmp_path / "file"))
        with pytest.raises(NotANamespaceError, match="symbolic link"):
            unpin(tmp_path / "link")
        with pytest.raises(NotANamespaceError, match="no namespace is mounted"):
            unpin(tmp_path / "file")
        assert len(mounted_at(tmp_path / "pin")) == 1
        assert len(mounted_at(tmp_path / "file")) == 1

    in_own_mounts(tmp_path, refused)


def test_unpin_missing(tmp_path: Path) -> None:
    """What is missing is an error, or is allowed to be."""
    for path in (tmp_path / "pin", tmp_path / "sub" / "pin"):
        with pytest.raises(NoSuchNamespaceError) as caught:
            unpin(path)
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.filename == str(path)
        unpin(path, missing_ok=True)


@POWER
@pytest.mark.parametrize("layers", [1, 3])
def test_unpin_at_once(layers: int, tmp_path: Path) -> None:
    """Of callers at the same time, the others find it gone; nothing is left over."""
    path = tmp_path / "pin"

    def race() -> None:
        namespace = fresh("net")
        namespace.pin(path)
        for _ in range(layers - 1):
            bind(f"/proc/self/fd/{namespace.fileno()}", str(path))
        ended = at_once(8, lambda: unpin(path))
        assert set(ended) <= {"ok", MISSING}
        assert 1 <= ended["ok"] <= layers
        assert os.listdir(tmp_path) == []

    in_own_mounts(tmp_path, race)


@POWER
def test_unpin_loses_the_race(tmp_path: Path) -> None:
    """What another caller has detached since the look is missing; nothing is undone."""
    path = tmp_path / "pin"

    def detach(target: bytes) -> int:
        assert lib.pyns_detach(target) == 0
        return lib.pyns_detach(target)

    def race() -> None:
        fresh("net").pin(path)
        replace(place, lib=FakeLib(pyns_detach=detach))
        replace(pins, _PATIENCE=0)
        assert outcome(lambda: unpin(path)) == MISSING
        # The file is the other's to remove.
        assert os.listdir(tmp_path) == ["pin"]

    in_own_mounts(tmp_path, race)


@POWER
def test_unpin_where_it_looked(tmp_path: Path) -> None:
    """A directory that is swapped after the look does not lead to another pin."""
    folder = tmp_path / "folder"

    def detach(target: bytes) -> int:
        if folder.exists():
            folder.rename(tmp_path / "away")
            (tmp_path / "other").rename(folder)
        return lib.pyns_detach(target)

    def swap() -> None:
        folder.mkdir()
        (tmp_path / "other").mkdir()
        fresh("net").pin(folder / "pin")
        fresh("net").pin(tmp_path / "other" / "pin")
        replace(place, lib=FakeLib(pyns_detach=detach))
        unpin(folder / "pin")
        assert os.listdir(tmp_path / "away") == []
        assert len(mounted_at(folder / "pin")) == 1

    in_own_mounts(tmp_path, swap)


@POWER
def test_unpin_of_several_layers(tmp_path: Path) -> None:
    """All that is mounted on the file goes, and no descriptor is left open."""
    path = tmp_path / "pin"

    def unpin_all() -> None:
        namespace = fresh("net")
        before = os.listdir("/proc/self/fd")
        namespace.pin(path)
        bind(f"/proc/self/fd/{namespace.fileno()}", str(path))
        assert len(mounted_at(path)) == 2
        unpin(path)
        assert os.listdir(tmp_path) == mounted_at(path) == []
        assert os.listdir("/proc/self/fd") == before

    in_own_mounts(tmp_path, unpin_all)


@POWER
def test_unpin_when_another_removes_the_file(tmp_path: Path) -> None:
    """Who has detached a namespace has unpinned it, whoever removes the file."""
    path = tmp_path / "pin"

    def detach(target: bytes) -> int:
        result = lib.pyns_detach(target)
        path.unlink()
        return result

    def race() -> None:
        fresh("net").pin(path)
        replace(place, lib=FakeLib(pyns_detach=detach))
        unpin(path)

    in_own_mounts(tmp_path, race)
