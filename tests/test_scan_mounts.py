"""Namespaces that only mounts keep: here, and in other mount namespaces."""

import os
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from mounting import MS_BIND, fresh_mounts, inside, mount
from pinning import fresh_fd, in_own_mounts, share
from populating import find, held_by, id_of, known, thread_that
from provoking import another_process, own_mounts
from support import identity

from pynamespaces import NamespaceId, TypeLike, lowlevel, scan
from pynamespaces.inventory import Inventory, NamespaceRecord, Pin

pytestmark = pytest.mark.tier("root", "userns")


def pin(place: str | Path, type: TypeLike = "net") -> NamespaceId:
    """Mount a fresh namespace on a file, and keep nothing else of it."""
    fd = fresh_fd(type)
    try:
        lay(f"/proc/thread-self/fd/{fd}", place)
        return id_of(fd)
    finally:
        os.close(fd)


def lay(source: str, place: str | Path) -> None:
    """Show a file at a place, and have one there for that."""
    if not os.path.exists(place):
        Path(place).touch()
    mount(str(place), MS_BIND, source=source, type=None)


def record_of(found: Inventory, id: NamespaceId) -> NamespaceRecord:
    """Return the record that a scan must have, under its whole id."""
    record = find(found, id.dev, id.ino)
    assert record is not None, f"{id} was not found"
    assert record.id == id
    return record


@pytest.mark.parametrize("type", ["cgroup", "ipc", "net", "time", "user", "uts"])
def test_own_mounts(tmp_path: Path, type: TypeLike) -> None:
    """A mount where the caller is keeps a namespace, and its path is told."""

    def look() -> None:
        id = pin(tmp_path / "pinned", type)
        found = scan()
        record = record_of(found, id)
        path = str(tmp_path / "pinned")
        assert held_by(record) == {"pins": (Pin(path, id_of("/proc/self/ns/mnt")),)}
        assert record.owner == id_of("/proc/self/ns/user")
        assert record.owner_uid is not None
        assert find(scan(mounts=False), id.dev, id.ino) is None

    in_own_mounts(tmp_path, look)


@pytest.mark.parametrize(
    "name",
    [
        "a blank",
        "two\nlines",
        "tab\tand\\backslash",
        r"no\040escape",
        os.fsdecode(b"\xff\xfe.ns"),
        "ünï",
        " - nsfs nsfs rw",
        "#hash",
    ],
)
def test_names_of_pins(tmp_path: Path, name: str) -> None:
    """The path of a mount is told as it is, whatever is in it."""

    def look() -> None:
        path = os.path.join(str(tmp_path), name)
        id = pin(path)
        assert [p.path for p in record_of(scan(), id).pins] == [path]
        assert identity(record_of(scan(), id).pins[0].path) == (id.dev, id.ino)

    in_own_mounts(tmp_path, look)


def test_twice(tmp_path: Path) -> None:
    """A namespace that is mounted twice has two pins, also on one file."""

    def look() -> None:
        place = tmp_path / "first"
        id = pin(place)
        for path in (place, tmp_path / "second"):
            lay(str(place), path)
        paths = [p.path for p in record_of(scan(), id).pins]
        assert sorted(paths) == [str(place), str(place), str(tmp_path / "second")]

    in_own_mounts(tmp_path, look)


def test_covered(tmp_path: Path) -> None:
    """One that lies below another mount cannot be asked, but is told."""

    def look() -> None:
        place = tmp_path / "pinned"
        id = pin(place)
        above = pin(place)
        found = scan()
        assert record_of(found, above).pins[-1].path == str(place)
        hidden = find(found, id.dev, id.ino)
        assert hidden is not None
        assert hidden.type == "net"
        assert [p.path for p in hidden.pins] == [str(place)]
        assert any(str(id) in what for what, _ in found.unreadable)

    in_own_mounts(tmp_path, look)


def furnish(place: Path) -> None:
    """Leave for a mount namespace that has a pin which nobody else has."""
    own_mounts()
    mount(str(place))
    pin(place / "pinned")


def chrooted(place: Path) -> None:
    """The same, and see nothing of it."""
    furnish(place)
    os.mkdir(place / "jail")
    os.chroot(place / "jail")
    os.chdir("/")


@pytest.mark.parametrize("live", [furnish, chrooted])
def test_other_mounts(tmp_path: Path, live: Callable[[Path], None]) -> None:
    """A mount in another mount namespace keeps one, whatever who is there can see."""
    with another_process(lambda: live(tmp_path)) as pid:
        mnt = id_of(f"/proc/{pid}/ns/mnt")
        found = scan()
        place = Pin(str(tmp_path / "pinned"), mnt)
        (record,) = (r for r in found if place in r.pins)
        assert held_by(record) == {"pins": (place,)}
        assert record.type == "net"
        assert record.owner == id_of("/proc/self/ns/user")
        assert record.id.unique or id_of("/proc/self/ns/net").unique is None
        # What cannot be seen from here cannot have a name here.
        assert record.name is None
    assert find(scan(), record.id.dev, record.id.ino) is None


def test_thread_with_mounts(tmp_path: Path) -> None:
    """So does one where only a single thread is."""
    with thread_that(lambda: furnish(tmp_path)) as (pid, tid):
        mnt = id_of(f"/proc/{pid}/task/{tid}/ns/mnt")
        place = Pin(str(tmp_path / "pinned"), mnt)
        (record,) = (r for r in scan() if place in r.pins)
        assert held_by(record) == {"pins": (place,)}


def test_unpeopled_mounts() -> None:
    """So does one where nobody is, and which only a descriptor keeps."""
    with fresh_mounts(lambda: pin("pinned")) as fd:
        place = Pin("/mnt/pinned", id_of(fd))
        found = scan()
        (record,) = (r for r in found if place in r.pins)
        assert held_by(record) == {"pins": (place,)}
        assert held_by(known(found, fd)).keys() == {"descriptors"}
        assert record.id.unique or id_of(fd).unique is None
        found = scan(mounts=False)
        assert find(found, record.id.dev, record.id.ino) is None


def test_pinned_mounts(tmp_path: Path) -> None:
    """So does one which only a mount keeps."""

    def look() -> None:
        with fresh_mounts(lambda: pin("pinned")) as fd:
            mnt = id_of(fd)
            lay(f"/proc/thread-self/fd/{fd}", tmp_path / "mnt")
        found = scan()
        outer = record_of(found, mnt)
        own = id_of("/proc/self/ns/mnt")
        assert held_by(outer) == {"pins": (Pin(str(tmp_path / "mnt"), own),)}
        place = Pin("/mnt/pinned", mnt)
        (record,) = (r for r in found if place in r.pins)
        assert held_by(record) == {"pins": (place,)}

    in_own_mounts(tmp_path, look)


def test_deep_mounts(tmp_path: Path) -> None:
    """And one which is mounted where only a descriptor, or a mount, leads."""

    def look() -> None:
        fds = []
        for _ in range(4):
            with fresh_mounts(lambda: pin("pinned")) as fd:
                fds.append(os.dup(fd))
        # Each into the one that was made before it.
        for outer, inner in pairwise(fds):
            link = f"/proc/thread-self/fd/{inner}"
            inside(outer, partial(lay, link, "/mnt/mnt"))
        ids = [id_of(fd) for fd in fds]
        for fd in fds[1:]:
            os.close(fd)
        found = scan()
        for outer_id, id in pairwise(ids):
            kept = held_by(record_of(found, id))
            assert kept == {"pins": (Pin("/mnt/mnt", outer_id),)}
        for id in ids:
            place = Pin("/mnt/pinned", id)
            (record,) = (r for r in found if place in r.pins)
            assert held_by(record) == {"pins": (place,)}
            assert record.id.unique or id.unique is None

    in_own_mounts(tmp_path, look)


def test_every_pin(tmp_path: Path) -> None:
    """Mounts that are passed on are told for each mount namespace that has them."""

    def look() -> None:
        share(tmp_path)
        with another_process(lambda: lowlevel.unshare(lowlevel.CLONE_NEWNS)) as pid:
            id = pin(tmp_path / "pinned")
            places = {
                Pin(str(tmp_path / "pinned"), id_of(f"/proc/{n}/ns/mnt"))
                for n in ("self", pid)
            }
            record = record_of(scan(), id)
            assert held_by(record).keys() == {"pins"}
            assert len(record.pins) == 2
            assert {*record.pins} == places

    in_own_mounts(tmp_path, look)
