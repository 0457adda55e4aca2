"""What a program finds inside: mounts, ``/proc``, subordinate ids, its cgroup."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from creating import POWER, nothing_happens
from holding import in_own_userns
from mapping import NOBODY, as_nobody
from provoking import mount, own_mounts
from starting import (
    ROOT,
    Options,
    changed,
    fresh_proc,
    living,
    makable,
    refused,
    said,
)
from support import in_child, missing
from targets import fresh
from test_creating_set_up import MS_SHARED, shared_folders
from watching import in_worker

from pynamespaces import IdMap, Popen, TypeLike

MS_REC = 0x4000
RANGES = "nobody:100000:65536\n"
KINDS = pytest.mark.parametrize("types", [("mnt",), ("user", "mnt")], ids=str)


# --- mounts ---


@KINDS
def test_mounts_stay_apart(types: tuple[TypeLike, ...]) -> None:
    """Mounts go neither into a fresh mount namespace nor out of it."""

    def check() -> None:
        outer, inner = shared_folders()
        script = f"""
            mount -t tmpfs none {inner} && touch {inner}/file
            echo ready; read x; ls {outer}
        """
        with Popen(
            ["sh", "-c", script],
            stdin=PIPE,
            stdout=PIPE,
            new=types,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            assert os.listdir(inner) == []
            mount("none", outer, "tmpfs")
            Path(outer, "late").touch()
            assert process.communicate(b"\n")[0] == b""

    in_own_userns(check, "mnt")


@KINDS
def test_private(types: tuple[TypeLike, ...]) -> None:
    """No mount of a fresh mount namespace is anybody's peer or slave."""

    def check() -> tuple[str, str]:
        mount("none", "/", flags=MS_SHARED | MS_REC)
        here = Path("/proc/self/mountinfo").read_text()
        told = said("cat", "/proc/self/mountinfo", new=types)
        assert Path("/proc/self/mountinfo").read_text() == here
        return here, told

    here, there = in_own_userns(check, "mnt")
    assert "shared:" in here
    assert len(there.splitlines()) == len(here.splitlines())
    assert "shared:" not in there
    assert "master:" not in there


@POWER
def test_mounts_of_the_thread() -> None:
    """It is a copy of the calling thread's mounts, of which none is lost here."""

    def check() -> None:
        own_mounts()
        # In what is mounted there, which is gone with the mount namespace.
        mount("none", "/tmp", "tmpfs")
        folder = tempfile.mkdtemp(dir="/tmp")
        mount("none", folder, "tmpfs")
        Path(folder, "file").touch()
        with nothing_happens():
            assert said("ls", folder, new=("mnt", "uts")) == "file\n"
            script = f"umount {folder} && ls {folder}"
            assert said("sh", "-c", script, new="mnt") == ""
        assert os.listdir(folder) == ["file"]

    in_child(check)


# --- /proc ---

LIST = 'for name in /proc/[0-9]*; do echo "${name#/proc/}"; done; cat /proc/1/comm'


@pytest.mark.parametrize("init", [None, True, False])
@pytest.mark.parametrize("others", [(), ("user",)], ids=["", "user"])
def test_proc(init: bool | None, others: tuple[TypeLike, ...]) -> None:
    """With a fresh pid and mnt, ``/proc`` shows the processes of the program's own."""
    fresh_proc()
    options = Options(new=makable("pid", "mnt", *others), init=init)
    with nothing_happens():
        found = said("sh", "-c", LIST, **options).split()
        assert "1" in found
        assert len(found) == (2 if init is False else 3)
        assert (found[-1] == "sh") == (init is False)
        inside = said("readlink", "/proc/self", **options).strip()
        assert inside in found
    assert os.path.exists(f"/proc/{os.getpid()}/fd")


@pytest.mark.parametrize(
    "options",
    [
        Options(new=("user", "pid", "mnt"), mount_proc=False),
        Options(new=("user", "pid")),
        Options(new=("user", "mnt")),
    ],
    ids=["unwanted", "no mnt", "no pid"],
)
def test_proc_of_the_caller(options: Options) -> None:
    """Otherwise ``/proc`` is the caller's."""
    found = int(said("readlink", "/proc/self", **options))
    assert found > 2
    here, there = (said("stat", "-c", "%d", "/proc", **o) for o in (Options(), options))
    assert here == there


@POWER
def test_proc_of_joined() -> None:
    """Neither is one mounted where one of both is joined."""
    with fresh("mnt") as mnt:
        assert int(said("readlink", "/proc/self", join=mnt, new="pid")) > 2
    with fresh("pid") as pid:
        assert int(said("readlink", "/proc/self", join=pid, new="mnt")) > 2


# --- subordinate ids ---


@ROOT
def test_subids() -> None:
    """An ordinary user's programs have its subordinate ids."""

    def check() -> tuple[list[list[str]], list[str]]:
        ids = IdMap.subids()
        options = Options(new=("user", "net"), uid_map=ids, gid_map=ids)
        with nothing_happens():
            maps = said("cat", "/proc/self/uid_map", "/proc/self/gid_map", **options)
            more = Options(user=5, group=6, extra_groups=[7])
            told = said("sh", "-c", "id -u; id -G", **options, **more)  # type: ignore[misc]
        return [line.split() for line in maps.splitlines()], told.split()

    maps, ids = as_nobody(check, RANGES, RANGES)
    assert (maps, ids) == as_nobody(lambda: in_worker(check), RANGES, RANGES)
    assert maps == [["0", str(NOBODY), "1"], ["1", "100000", "65536"]] * 2
    assert ids == ["5", "6", "7"]


@ROOT
def test_subids_refused() -> None:
    """Ids that are not a user's own are refused, and nothing is started."""

    def check() -> None:
        ids = IdMap([(0, NOBODY, 1), (1, 300000, 5)])
        refused("uid_map", errno.EPERM, new="user", uid_map=ids)
        refused("gid_map", errno.EPERM, new="user", gid_map=ids)

    as_nobody(check, RANGES, RANGES)


# --- cgroup ---


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup of the second version, which nobody is in."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            folder = Path(place, f"pyns-test-{os.getpid()}")
            break
    else:
        missing("cgroup2", "no cgroup2 is mounted")
    try:
        folder.mkdir()
    except OSError as error:
        missing("cgroup2", f"no cgroup can be made: {error}")
    yield folder
    # Where somebody was left, this fails.
    folder.rmdir()


@ROOT
def test_cgroup(cgroup: Path) -> None:
    """A program starts in the cgroup that was given, by path or as a descriptor."""
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    mine = Path("/proc/self/cgroup").read_text()
    with nothing_happens():
        for place in (str(cgroup), cgroup, fd):
            for new in ((), ("uts",), ("pid", "mnt")):
                options = Options(cgroup=place, new=new)
                lines = said("cat", "/proc/self/cgroup", **options).splitlines()
                assert [x for x in lines if x.startswith("0:")] == [
                    f"0::/{cgroup.name}"
                ]
    assert Path("/proc/self/cgroup").read_text() == mine
    os.close(fd)


@ROOT
def test_cgroup_namespace(cgroup: Path) -> None:
    """A fresh cgroup namespace is rooted in the cgroup that was given."""
    lines = said("cat", "/proc/self/cgroup", cgroup=cgroup, new="cgroup").splitlines()
    assert "0::/" in lines
    with fresh("uts") as uts:
        assert changed(cgroup=cgroup, join=uts) == {"uts"}


@ROOT
def test_cgroup_of_all(cgroup: Path) -> None:
    """An init is in the cgroup with its program."""
    with living(new=("pid", "uts"), cgroup=cgroup) as process:
        found = (cgroup / "cgroup.procs").read_text().split()
        assert str(process.pid) in found
        assert len(found) == 2
        process.kill()
        assert process.wait() == -9


def test_no_cgroup(tmp_path: Path) -> None:
    """What is no cgroup, or is not there, is refused."""
    new = makable("uts")
    for types in ((), new):
        refused("cgroup", errno.ENOENT, cgroup=tmp_path / "none", new=types)
        refused("cgroup", errno.EBADF, cgroup=tmp_path, new=types)
        with open(os.devnull) as file:
            refused("cgroup", errno.EBADF, cgroup=file.fileno(), new=types)
