"""Maps that an ordinary user has by newuidmap and newgidmap."""

import os
import signal
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from creating import children, descriptors
from mapping import NOBODY, SUBGID, as_nobody, maps_of
from support import in_child
from test_creating_busy import WALL, waiting
from watching import in_worker

from pynamespaces import (
    IdMap,
    NamespaceError,
    NamespacePermissionError,
    NamespaceSet,
    UserNamespace,
)

ROOT = pytest.mark.tier("root")

RANGES = "nobody:100000:65536\n"


@ROOT
@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
def test_subids(run: Callable[[Callable[[], object]], None]) -> None:
    """An ordinary user has the subordinate ids that the files give it."""

    def check() -> None:
        ids = IdMap.subids()
        made = NamespaceSet.new("user", "net", uid_map=ids, gid_map=ids)
        with closing(made):
            user = made["user"]
            assert isinstance(user, UserNamespace)
            assert list(user.uid_map) == [(0, NOBODY, 1), (1, 100000, 65536)]
            assert list(user.gid_map) == [(0, NOBODY, 1), (1, 200000, 5), (6, 400, 5)]
            uids, gids, setgroups = maps_of(user)
            assert [len(uids), len(gids)] == [2, 3]
            assert setgroups == "allow"
        assert children() == []

    as_nobody(lambda: run(check), RANGES, "65534:200000:5\nnobody:400:5\n")


@ROOT
def test_subids_and_own_gid() -> None:
    """Subordinate uids can be had without subordinate gids."""

    def check() -> tuple[list[tuple[int, int, int]], ...]:
        subgid = Path(SUBGID).read_text()
        assert subgid == "nobody:1:1\n"
        uids = IdMap([(0, NOBODY, 1), (1, 100000, 10)])
        with closing(UserNamespace.new("user", uid_map=uids)) as made:
            return list(made.uid_map), list(made.gid_map)

    uids, gids = as_nobody(check, RANGES, "nobody:1:1\n")
    assert uids == [(0, NOBODY, 1), (1, 100000, 10)]
    assert gids == [(0, NOBODY, 1)]


def refused(ids: IdMap, error: type[NamespaceError] = NamespacePermissionError) -> str:
    """Return what is told when a map is refused, and check that nothing is left."""
    before = descriptors(), children()
    with pytest.raises(error) as caught:
        NamespaceSet.new("user", "net", uid_map=ids, gid_map=ids)
    assert (descriptors(), children()) == before
    return str(caught.value)


@ROOT
def test_newuidmap_refuses() -> None:
    """What newuidmap does not allow is refused, in its words."""

    def check() -> str:
        return refused(IdMap([(0, NOBODY, 1), (1, 100000, 65537)]))

    text = as_nobody(check, RANGES, RANGES)
    assert "newuidmap refused: newuidmap: uid range [1-65538)" in text
    assert "/etc/subuid" in text


@ROOT
def test_newgidmap_refuses() -> None:
    """When the gids are refused, the namespace that has its uids by then is gone."""

    def check() -> str:
        uids, gids = IdMap([(0, NOBODY, 1)]), IdMap([(0, NOBODY, 1), (1, 5, 5)])
        before = descriptors(), children()
        with pytest.raises(NamespacePermissionError) as caught:
            NamespaceSet.new("user", "net", uid_map=uids, gid_map=gids)
        assert (descriptors(), children()) == before
        return str(caught.value)

    assert "newgidmap refused: newgidmap: gid range [1-6)" in as_nobody(check)


@ROOT
def test_not_installed() -> None:
    """Where there is no newuidmap, it is told what installs it."""

    def check() -> str:
        ids = IdMap.subids()
        os.environ["PATH"] = "/nonexistent"
        return refused(ids)

    text = as_nobody(check, RANGES, RANGES)
    assert "newuidmap, which is not installed" in text
    assert "uidmap (Debian)" in text


@ROOT
def test_not_executable() -> None:
    """A newuidmap that this user may not execute is a refusal as well."""

    def check() -> str:
        ids = IdMap.subids()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "newuidmap")
            path.write_text("#!/bin/sh\nexit 0\n")
            os.environ["PATH"] = folder
            return refused(ids, NamespaceError)

    assert "newuidmap" in as_nobody(check, RANGES, RANGES)


def fake_newuidmap(status: int) -> None:
    """Put a program in the place of newuidmap and newgidmap that does nothing."""
    folder = tempfile.mkdtemp()
    for name in ("newuidmap", "newgidmap"):
        path = Path(folder, name)
        path.write_text(f"#!/bin/sh\necho no, not me >&2; exit {status}\n")
        path.chmod(0o755)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


@ROOT
@pytest.mark.parametrize("reaper", ["none", "ignored", "thread"])
def test_refusal_is_not_missed(reaper: str) -> None:
    """It is noticed that newuidmap failed, also when somebody else reaps it."""

    def check() -> str:
        ids = IdMap.subids()
        fake_newuidmap(1)
        if reaper == "thread":
            with waiting(WALL):
                return refused(ids)
        if reaper == "ignored":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        return refused(ids)

    assert "newuidmap" in as_nobody(check, RANGES, RANGES)


@ROOT
def test_newuidmap_that_did_nothing() -> None:
    """A newuidmap that says it succeeded, and did not write the map, is no success."""

    def check() -> str:
        ids = IdMap.subids()
        fake_newuidmap(0)
        return refused(ids, NamespaceError)

    assert "newuidmap" in as_nobody(check, RANGES, RANGES)
