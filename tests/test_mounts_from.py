"""Listing mounts from odd places, with power and without."""

import os
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from holding import become_root
from mounting import (
    MS_BIND,
    WAYS,
    ask_by,
    assert_true,
    fresh_mounts,
    inside,
    lines_inside,
    mount,
    own_lines,
    written,
)
from support import in_child, own_all
from targets import POWER, holder, in_thread, without

from pynamespaces import Namespace, NamespacePermissionError, unshare
from pynamespaces._core.mounts import Mount, list_mounts

CAP_SYS_CHROOT, CAP_SYS_ADMIN = 18, 21


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either way to ask."""
    return ask_by(request.param, monkeypatch)


def without_unique(found: list[Mount]) -> list[Mount]:
    """Return what both ways know."""
    return [mount._replace(unique_id=None) for mount in found]


def to_folder() -> None:
    """Change the root to a directory that is no mount."""
    os.chroot("/mnt/folder")


def to_mount() -> None:
    """Change the root to a mount."""
    os.chroot("/mnt/mount")


@POWER
@pytest.mark.parametrize("move", [to_folder, to_mount])
def test_chrooted(move: Callable[[], None], way: str) -> None:
    """A thread that was chrooted lists its namespace from the top all the same."""

    def arrange() -> None:
        for name in ("folder", "mount"):
            os.mkdir(name)
        mount("mount")
        for name in ("folder/proc", "mount/proc"):
            os.mkdir(name)
            mount(name, MS_BIND | 16384, source="/proc", type=None)

    def look() -> list[Mount]:
        move()
        return list_mounts(fd)

    with fresh_mounts(arrange) as fd:
        assert without_unique(inside(fd, look)) == without_unique(list_mounts(fd))
        assert_true(fd, way)


@POWER
def test_chrooted_without_power(way: str) -> None:
    """Who may not enter the own namespace lists it from the own root on."""

    def arrange() -> None:
        os.makedirs("folder/proc")
        mount("folder/proc", MS_BIND, source="/proc", type=None)

    def look() -> list[Mount]:
        to_folder()
        without(CAP_SYS_CHROOT, CAP_SYS_ADMIN)
        return list_mounts(fd)

    with fresh_mounts(arrange) as fd:
        (found,) = inside(fd, look)
    assert (found.path, found.type) == ("/proc", "proc")


@POWER
def test_root_below_another(way: str) -> None:
    """The list starts at the mount on top, as who enters the namespace does."""

    def arrange() -> None:
        mount("/", source="top")

    with fresh_mounts(arrange) as fd:
        found = list_mounts(fd)
        (line,) = lines_inside(fd)
    assert [written(mount) for mount in found] == [line]
    assert [(mount.path, mount.source) for mount in found] == [("/", "top")]


def test_of_a_child_with_power_over_itself(way: str) -> None:
    """A namespace in a user namespace that the caller made is listed as it is."""
    with holder("user", "mnt") as pid:
        with closing(Namespace.from_path(f"/proc/{pid}/ns/mnt")) as namespace:
            found = list_mounts(namespace.fileno())
        truth = Path(f"/proc/{pid}/mountinfo").read_bytes().splitlines()
    assert [mount.id for mount in found] == [int(line.split()[0]) for line in truth]


def test_no_power(way: str) -> None:
    """Of a namespace that the caller has no power over nothing is told."""

    def look() -> None:
        become_root()
        unshare("mnt")
        list_mounts(outside.fileno())

    with closing(Namespace.current("mnt")) as outside:
        with pytest.raises(NamespacePermissionError) as caught:
            in_child(look)
    assert caught.value.syscall == "setns"


def test_own_without_power(way: str) -> None:
    """Who has no power over the own namespace can list it."""

    def look() -> tuple[list[Mount], list[bytes]]:
        become_root()
        return list_mounts(own.fileno()), own_lines()

    with closing(Namespace.current("mnt")) as own:
        found, lines = in_child(look)
    assert [written(mount) for mount in found] == lines
    assert all((mount.unique_id is None) is (way == "mountinfo") for mount in found)


@POWER
def test_no_thread_moves(way: str) -> None:
    """While a namespace is listed, all threads are where they were."""
    seen: list[dict[str, str]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.append(own_all())

    before = own_all()
    watcher = threading.Thread(target=watch)
    watcher.start()
    with fresh_mounts() as fd:
        for _ in range(20):
            assert in_thread(lambda: (list_mounts(fd), own_all())[1]) == before
            list_mounts(fd)
    stop.set()
    watcher.join()
    assert seen
    assert all(links == before for links in seen)
