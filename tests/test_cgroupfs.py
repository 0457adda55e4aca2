"""Whose a cgroup is: of either version, from cgroup namespaces, or not to be seen."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_files import cgroup
from holding import Holder, holder
from provoking import own_mounts
from support import in_child, program

from pynamespaces import _proc, unshare
from pynamespaces._core.cgroupfs import Owners
from pynamespaces._core.containers import hierarchies_of

pytestmark = pytest.mark.tier("root")

NAME = f"pyns-{os.getpid()}"


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup of root's."""
    with cgroup(NAME) as made:
        yield made


@pytest.fixture
def inside(group: Path) -> Iterator[Holder]:
    """A process in there."""
    with holder() as made:
        (group / "cgroup.procs").write_text(str(made.pid))
        yield made


def _text(inside: Holder) -> bytes:
    return _proc.cgroup(inside.pid) or b""


def _place(text: bytes) -> bytes:
    """Return the path of the cgroup in a process's ``cgroup`` file."""
    paths = [path for _, path in hierarchies_of(text)]
    return next(path for path in paths if path.endswith(b"/" + NAME.encode()))


def test_owner(group: Path, inside: Holder) -> None:
    """It is who owns the directory, also if the process is further below."""
    text = _text(inside)
    place = _place(text)
    assert Owners().of(text, place) == {0}
    os.chown(group, 1234, 0)
    assert Owners().of(text, place) == {1234}
    below = text.replace(place, place + b"/below")
    assert Owners().of(below, place) == {1234}
    assert Owners().of(text.replace(place, place + b"er"), place) == frozenset()
    assert Owners().of(text, place + b"/below") == frozenset()
    gone = place + b"/gone"
    assert Owners().of(text.replace(place, gone), gone) == frozenset()


def test_version_1() -> None:
    """A hierarchy of version 1 is found by its controllers, also by its name."""
    if not Path("/sys/fs/cgroup/pids/cgroup.procs").exists():
        pytest.skip("no cgroups of version 1 here")
    folder = Path("/sys/fs/cgroup/pids") / NAME
    folder.mkdir()
    try:
        os.chown(folder, 1234, 0)
        place = b"/" + NAME.encode()
        assert Owners().of(b"8:pids:%s\n0::/\n" % place, place) == {1234}
        # In the others there is no such cgroup.
        assert Owners().of(b"7:blkio:%s\n0::/\n" % place, place) == frozenset()
        assert Owners().of(b"8:pids:/\n0::%s\n" % place, place) == frozenset()
        assert Owners().of(b"1:nonesuch:%s\n" % place, place) == frozenset()
    finally:
        folder.rmdir()


@pytest.mark.parametrize(
    ("own", "path", "owners"),
    [
        (f"{NAME}-own", f"/../{NAME}", frozenset({1234})),
        # What is between there and where the mount begins has no name from here.
        (f"{NAME}/own", "/..", frozenset[int]()),
    ],
)
def test_above(
    group: Path, inside: Holder, own: str, path: str, owners: frozenset[int]
) -> None:
    """From a cgroup namespace it is found above its root, as far as paths tell it."""
    folder = group.parent / own
    folder.mkdir()

    def look() -> tuple[list[bytes], frozenset[int]]:
        (folder / "cgroup.procs").write_text(str(os.getpid()))
        unshare("cgroup")
        text = _text(inside)
        paths = [path for _, path in hierarchies_of(text) if b".." in path]
        return paths, Owners().of(text, paths[0])

    os.chown(group, 1234, 0)
    try:
        assert in_child(look) == ([path.encode()], owners)
    finally:
        folder.rmdir()


def test_way_out(group: Path, inside: Holder) -> None:
    """A path with dots leads to no other cgroup."""
    text = _text(inside)
    place = _place(text) + b"/../" + NAME.encode()
    assert Owners().of(text.replace(_place(text), place), place) == frozenset()


@pytest.mark.parametrize("over", [True, False])
def test_not_seen(group: Path, inside: Holder, *, over: bool) -> None:
    """Without a mount that has it, or if another lies over that, nobody owns it."""
    tmpfs = [program("mount"), "-t", "tmpfs", "none", "/sys/fs/cgroup"]
    gone = [program("umount"), "--lazy", "--recursive", "/sys/fs/cgroup"]

    def look() -> frozenset[int]:
        own_mounts()
        subprocess.run(tmpfs if over else gone, check=True)
        mounted = str(group.parent)
        if over and mounted != "/sys/fs/cgroup":
            # What lies there belongs to somebody else.
            (Path(mounted) / NAME).mkdir(parents=True)
        return Owners().of(text, _place(text))

    text = _text(inside)
    assert in_child(look) == frozenset()
