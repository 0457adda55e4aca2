"""Whom a program runs as: by number, by name, in a user namespace, in a container."""

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest
from creating import POWER
from provoking import libc
from starting import ROOT, Options, Ours, prepared, refused, said, status_of
from support import in_child
from targets import link

from pynamespaces import IdMap, Namespace, run

PR_GET_DUMPABLE = 3

AS_ANOTHER = [
    pytest.param(Ours(), id="subprocess"),
    pytest.param(Ours(new="uts"), id="uts"),
    pytest.param(Ours(new=("pid", "mnt")), id="init"),
    pytest.param(Ours(no_new_privs=True), id="nothing new"),
]


@ROOT
@pytest.mark.parametrize("ours", AS_ANOTHER)
@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (Options(user=1000, group=1001, extra_groups=[5, 7]), "1000 1001 1001 5 7"),
        (Options(user="nobody", group="nogroup", extra_groups=[]), "65534 65534 65534"),
        (Options(user=0, group=0, extra_groups=["daemon", 8]), "0 0 0 1 8"),
        (Options(group=1001), "0 1001 1001"),
        (Options(user=1000), "1000 0 0"),
    ],
    ids=["all", "names", "root", "group", "user"],
)
def test_ids(ours: Ours, ids: Options, expected: str) -> None:
    """Root starts programs as others, by number or by name."""

    def check() -> str:
        os.setgroups([])
        more: Options = {**ours, **ids}
        return " ".join(said("sh", "-c", "id -u; id -g; id -G", **more).split())

    assert in_child(check) == expected
    # And this process can still be looked into, as by a debugger.
    assert os.stat("/proc/self/status").st_uid == os.geteuid()


@ROOT
@pytest.mark.parametrize("ours", AS_ANOTHER[1:])
def test_all_ids(ours: Ours) -> None:
    """Real, effective, saved and file system ids are all set."""
    found = status_of(user=1000, group=1001, extra_groups=[], **ours)
    assert found["Uid"].split() == ["1000"] * 4
    assert found["Gid"].split() == ["1001"] * 4
    assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == 0


@POWER
def test_own_ids() -> None:
    """One's own ids can be asked for, as far as they are mapped."""
    assert said("id", "-u", user=0, group=0, new="uts") == "0\n"


@pytest.mark.parametrize("ours", [Ours(), Ours(new=("user", "uts"))])
def test_unknown_names(ours: Ours) -> None:
    """Names that nobody has are a KeyError, before anything is done."""
    for ids in (
        Options(user="no-such-name"),
        Options(group="no-such-name"),
        Options(extra_groups=["no-such-name"]),
    ):
        # Without streams, which older standard libraries lose here.
        with pytest.raises(KeyError):
            run(["true"], **Options(**ours, **ids))


# --- in user namespaces ---


def test_root_inside() -> None:
    """By default the caller is root in a fresh user namespace."""
    found = status_of(new="user")
    assert (found["Uid"].split(), found["Gid"].split()) == (["0"] * 4, ["0"] * 4)
    assert int(found["CapEff"], 16) != 0
    maps = said("cat", "/proc/self/uid_map", "/proc/self/gid_map", new="user").split()
    assert maps == ["0", str(os.geteuid()), "1", "0", str(os.getegid()), "1"]
    assert said("cat", "/proc/self/setgroups", new="user") == "deny\n"


@pytest.mark.parametrize(
    ("uids", "gids", "expected"),
    [
        (IdMap.root(), IdMap.root(), (0, 0)),
        (IdMap.current(), None, (os.geteuid(), 0)),
        (None, IdMap.current(), (0, os.getegid())),
        (IdMap([(7, os.geteuid(), 1)]), IdMap([(8, os.getegid(), 1)]), (7, 8)),
    ],
    ids=["root", "current uid", "current gid", "own"],
)
def test_mapped_to(
    uids: IdMap | None, gids: IdMap | None, expected: tuple[int, int]
) -> None:
    """A program in a fresh user namespace is whom its caller is mapped to."""
    found = status_of(new=("user", "uts"), uid_map=uids, gid_map=gids)
    ids = [int(found["Uid"].split()[0]), int(found["Gid"].split()[0])]
    assert tuple(ids) == expected
    assert len({*found["Uid"].split()}) == len({*found["Gid"].split()}) == 1


@ROOT
@pytest.mark.parametrize(
    ("extents", "ids", "expected"),
    [
        ([(0, 0, 1), (1, 100000, 65536)], Options(), "0 0"),
        ([(0, 0, 1), (1, 100000, 65536)], Options(user=5, group=6), "5 6"),
        ([(5, 0, 1), (0, 1000, 5)], Options(), "5 5"),
        ([(5, 0, 1), (0, 1000, 5)], Options(user=0, group=0), "0 0"),
        ([(0, 1000, 10)], Options(), "0 0"),
        ([(7, 1000, 10)], Options(user=8, group=9), "8 9"),
        ([(0, 0, 70000)], Options(user="nobody", group="nogroup"), "65534 65534"),
        ([(2 * i, 2 * i, 1) for i in range(340)], Options(user=678), "678 0"),
    ],
    ids=["many", "other", "me", "not me", "foreign", "only others", "names", "340"],
)
def test_maps_of_root(
    extents: list[tuple[int, int, int]], ids: Options, expected: str
) -> None:
    """Root maps whichever ids it likes, and is who is asked for, or mapped, or 0."""
    ids_map = IdMap(extents)
    ours = Options(new=("user", "uts"), uid_map=ids_map, gid_map=ids_map, **ids)
    assert said("sh", "-c", "id -u; id -g", **ours).split() == expected.split()
    lines = said("cat", "/proc/self/uid_map", **ours).splitlines()
    found = [(int(line.split()[0]), int(line.split()[2])) for line in lines]
    assert found == [(inner, count) for inner, _, count in extents]
    assert libc.prctl(PR_GET_DUMPABLE) == 1


@ROOT
def test_groups_inside() -> None:
    """Groups of a fresh user namespace are its own, if many are mapped."""
    ranges = IdMap([(0, 0, 1), (1, 1, 100_000)])
    ours = Ours(new="user", uid_map=ranges, gid_map=ranges)
    for first in range(5, 500, 50):
        groups = list(range(first, first + 40))
        found = said("id", "-G", extra_groups=groups, **ours)
        assert [int(word) for word in found.split()] == [0, *groups]


@ROOT
@pytest.mark.parametrize("run_as", [1000, 0])
def test_groups_are_not_kept(run_as: int) -> None:
    """A program that is given ids keeps its groups, as subprocess has it."""

    def check() -> tuple[str, str]:
        os.setgroups([3, 4])
        more = Options(user=run_as)
        fresh = Options(user=run_as, new="uts")
        return said("id", "-G", **more), said("id", "-G", **fresh)

    expected, found = in_child(check)
    assert found == expected


def test_not_mapped() -> None:
    """An id that is not mapped cannot be had."""
    refused("user", errno.EINVAL, new="user", user=4321)
    refused("user", errno.EINVAL, new="user", group=4321)


def test_groups_denied() -> None:
    """Groups cannot be set where the kernel wants that denied."""
    with pytest.raises(PermissionError) as caught:
        said("true", new="user", extra_groups=[0])
    assert getattr(caught.value, "step", None) in ("user", "setgroups")


# --- names of a container ---

PASSWD = "root:x:0:0::/:/bin/sh\ninside:x:0:0::/:/bin/sh\nother:x:1234:77::/:/bin/sh\n"
GROUP = "root:x:0:\ninsiders:x:0:\nothers:x:4321:\n"


def in_etc(folder: Path) -> str:
    """Return a script that shows other users and groups in ``/etc``."""
    (folder / "passwd").write_text(PASSWD)
    (folder / "group").write_text(GROUP)
    names = ("passwd", "group")
    return "\n".join(f"mount --bind {folder}/{name} /etc/{name}" for name in names)


@POWER
def test_names_inside(tmp_path: Path) -> None:
    """Names are those of the mount namespace that is joined."""
    with prepared(in_etc(tmp_path), "--mount") as pid:
        with closing(Namespace.from_path(link(pid, "mnt"), "mnt")) as mnt:
            names = Options(join=mnt, user="inside", group="insiders")
            assert said("id", "-un", **names) == "root\n"
            with pytest.raises(KeyError):
                run(["true"], join=mnt, user="nobody")
    with pytest.raises(KeyError):
        run(["true"], new="mnt", user="inside")


@ROOT
def test_other_names_inside(tmp_path: Path) -> None:
    """So are the numbers that the names stand for, and the names of groups."""
    with prepared(in_etc(tmp_path), "--mount", "--uts") as pid:
        with closing(Namespace.from_path(link(pid, "mnt"), "mnt")) as mnt:
            names = Options(user="other", group="others", extra_groups=["insiders"])
            script = "id -u; id -g; id -G"
            found = said("sh", "-c", script, **Options(join=mnt, **names))
            assert found.split() == ["1234", "4321", "4321", "0"]
            with pytest.raises(KeyError):
                run(["true"], join=mnt, extra_groups=["daemon"])
