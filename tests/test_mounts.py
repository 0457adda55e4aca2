"""The mounts of a namespace: by statmount, by mountinfo, and that both are the same."""

import os
import re
from contextlib import closing
from pathlib import Path

import pytest
from mounting import (
    MS_BIND,
    MS_DIRSYNC,
    MS_LAZYTIME,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_NOSYMFOLLOW,
    MS_PRIVATE,
    MS_RDONLY,
    MS_SHARED,
    MS_SLAVE,
    MS_STRICTATIME,
    MS_SYNCHRONOUS,
    MS_UNBINDABLE,
    WAYS,
    added,
    ask_by,
    assert_true,
    bind_idmapped,
    copy_mounts,
    fresh_mounts,
    inside,
    lines_inside,
    mount,
    own_lines,
    written,
)
from targets import POWER, holder

from pynamespaces import Namespace
from pynamespaces._core.mounts import Mount, list_mounts

CAP_SYS_CHROOT, CAP_SYS_ADMIN = 18, 21

ODD_NAMES = ["a b", "n\nl", "t\tx", "r\rr", "b\\040s", "b\\", "#h", "c,d", "é"]
ODD_NAMES += [os.fsdecode(b"\xff\xfe"), "-"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either way to ask."""
    return ask_by(request.param, monkeypatch)


def test_own(way: str) -> None:
    """Of the own namespace everybody can list what everybody can read."""
    with closing(Namespace.current("mnt")) as own:
        found = list_mounts(own.fileno())
    assert [written(mount) for mount in found] == own_lines()
    assert found
    assert all((mount.unique_id is None) is (way == "mountinfo") for mount in found)


@POWER
def test_names(way: str) -> None:
    """Paths, roots and sources of any bytes are what they were before the kernel."""

    def arrange() -> None:
        for name in ODD_NAMES:
            os.mkdir(name)
            mount(name, source=name)
            os.mkdir(f"{name}/inner {name}")
            os.mkdir(f"{name}/bound")
            mount(f"{name}/bound", MS_BIND, source=f"{name}/inner {name}", type=None)

    with fresh_mounts(arrange) as fd:
        found = assert_true(fd, way)
    assert [mount.path for mount in found[::2]] == [f"/mnt/{n}" for n in ODD_NAMES]
    assert [mount.source for mount in found[::2]] == ODD_NAMES
    assert [mount.root for mount in found[1::2]] == [f"/inner {n}" for n in ODD_NAMES]


@POWER
def test_no_source(way: str) -> None:
    """A mount of nothing has no source, and its other fields all the same."""

    def arrange() -> None:
        os.mkdir("x")
        mount("x", source="")

    with fresh_mounts(arrange) as fd:
        (found,) = assert_true(fd, way)
    assert (found.source, found.type, found.super_options[0]) == (None, "tmpfs", "rw")


@POWER
@pytest.mark.parametrize(
    ("flags", "options", "supers"),
    [
        (0, ["rw", "relatime"], ["rw"]),
        (MS_RDONLY | MS_NOSUID, ["ro", "nosuid", "relatime"], ["ro"]),
        (MS_NODEV | MS_NOEXEC, ["rw", "nodev", "noexec", "relatime"], ["rw"]),
        (MS_NOATIME | MS_NODIRATIME, ["rw", "noatime", "nodiratime"], ["rw"]),
        (MS_STRICTATIME, ["rw"], ["rw"]),
        (MS_NOSYMFOLLOW, ["rw", "relatime", "nosymfollow"], ["rw"]),
        (MS_LAZYTIME | MS_SYNCHRONOUS, None, ["rw", "sync", "lazytime"]),
        (MS_DIRSYNC, None, ["rw", "dirsync"]),
    ],
)
def test_options(
    flags: int, options: list[str] | None, supers: list[str], way: str
) -> None:
    """Options of the mount and of its file system have their names and their order."""

    def arrange() -> None:
        os.mkdir("x")
        mount("x", flags, data="size=4k,mode=700")

    with fresh_mounts(arrange) as fd:
        (found,) = assert_true(fd, way)
    assert list(found.options) == (options or ["rw", "relatime"])
    assert list(found.super_options[: len(supers)]) == supers
    assert {"size=4k", "mode=700"} <= {*found.super_options}


@POWER
def test_escaped_options(way: str) -> None:
    """An option of a file system that has a space or a comma is one, and readable."""

    def arrange() -> None:
        for name in ("a b", "c", "x"):
            os.mkdir(name)
        mount("x", type="overlay", data="lowerdir=/mnt/a b:/mnt/c")

    with fresh_mounts(arrange, needs="overlay") as fd:
        (found,) = assert_true(fd, way)
    assert "lowerdir=/mnt/a b:/mnt/c" in found.super_options


@POWER
def test_subtype(way: str) -> None:
    """The subtype of a file system stands behind its type."""

    def arrange() -> None:
        os.mkdir("x")
        # Nobody will serve it, but it is mounted.
        fuse = os.open("/dev/fuse", os.O_RDWR)
        data = f"fd={fuse},rootmode=40000,user_id=0,group_id=0"
        mount("x", type="fuse.sshfs", source="h:", data=data)

    with fresh_mounts(arrange, needs="fuse") as fd:
        (found,) = assert_true(fd, way)
    assert found.type == "fuse.sshfs"


@pytest.mark.tier("root")
def test_idmapped(way: str) -> None:
    """A mount that maps ids says so."""

    def arrange() -> None:
        os.mkdir("x")
        mount("x")
        with holder("user") as pid:
            userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
        bind_idmapped("/mnt/x", userns)

    with fresh_mounts(arrange, needs="idmapped mounts") as fd:
        found = assert_true(fd, way)
    assert [mount.options[-1] for mount in found] == ["relatime", "idmapped"]


@POWER
def test_propagation(way: str) -> None:
    """Peer groups and masters are told, and what may not be bound."""

    def arrange() -> None:
        for name in ("source", "slave", "both", "unbindable", "private"):
            os.mkdir(name)
        mount("source")
        mount("source", MS_SHARED, type=None)
        for name in ("slave", "both"):
            mount(name, MS_BIND, source="source", type=None)
            mount(name, MS_SLAVE, type=None)
        mount("both", MS_SHARED, type=None)
        for name, kind in (("unbindable", MS_UNBINDABLE), ("private", MS_PRIVATE)):
            mount(name)
            mount(name, kind, type=None)

    with fresh_mounts(arrange) as fd:
        found = assert_true(fd, way)
    source, slave, both, unbindable, private = found
    assert source.shared is not None
    assert source.shared == slave.master == both.master
    assert slave.shared is None
    assert both.shared not in {None, source.shared}
    assert [mount.unbindable for mount in found] == [False, False, False, True, False]
    for alone in (unbindable, private):
        assert alone.shared is alone.master is None


@POWER
def test_master_in_another_namespace(way: str) -> None:
    """Where mounts come from beyond the next group, both ways say the same."""

    def look() -> tuple[list[Mount], list[bytes]]:
        for name in ("x", "y"):
            os.mkdir(f"/mnt/{name}")
        mount("/mnt/x")
        mount("/mnt/x", MS_SHARED, type=None)
        mount("/mnt/y", MS_BIND, source="/mnt/x", type=None)
        copy_mounts()
        mount("/mnt/x", MS_SLAVE, type=None)
        mount("/mnt/x", MS_SHARED, type=None)
        between = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY)
        copy_mounts()
        mount("/mnt/x", MS_SLAVE, type=None)
        here = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY)
        raw = Path("/proc/thread-self/mountinfo").read_text()
        assert re.search(r" /mnt/x .* master:\d+ propagate_from:\d+ ", raw)
        lines = own_lines()
        copy_mounts()
        assert lines_inside(between)
        return list_mounts(here), lines

    with fresh_mounts() as fd:
        found, lines = inside(fd, look)
    assert [written(mount) for mount in found] == lines
    x, y = added(found)
    assert x.master
    assert y.shared
    assert x.master != y.shared


@POWER
def test_many(way: str) -> None:
    """Three thousand mounts are all listed, each once, in their order."""

    def arrange() -> None:
        for number in range(3000):
            os.mkdir(f"m{number}")
            mount(f"m{number}", MS_BIND, source=f"m{number}", type=None)

    with fresh_mounts(arrange) as fd:
        found = assert_true(fd, way)
    assert [mount.path for mount in found] == [f"/mnt/m{n}" for n in range(3000)]


@POWER
def test_long_path(way: str) -> None:
    """A path longer than any that the kernel takes is told whole."""
    name = "x" * 250

    def arrange() -> None:
        for _ in range(40):
            os.mkdir(name)
            os.chdir(name)
        mount(".", MS_BIND, source=".", type=None)

    with fresh_mounts(arrange) as fd:
        (found,) = assert_true(fd, way)
    assert found.path == "/mnt/" + "/".join([name] * 40)
