"""Maps as the kernel has them: written from inside, by power, by newuidmap."""

import os
from collections.abc import Callable
from contextlib import closing

import pytest
from creating import descriptors, nothing_happens
from holding import in_own_userns
from mapping import maps_of
from provoking import drop_capabilities, hide_proc
from support import in_child
from watching import in_worker

from pynamespaces import (
    IdMap,
    Namespace,
    NamespaceError,
    NamespacePermissionError,
    NamespaceSet,
    TypeLike,
    UserNamespace,
    setns,
)

CAP_SETFCAP = 31
ROOT = pytest.mark.tier("root")
UID, GID = os.geteuid(), os.getegid()


def new_maps(
    uid_map: IdMap | None = None, gid_map: IdMap | None = None, *types: TypeLike
) -> tuple[list[str], list[str], str]:
    """Make a user namespace, and return its maps as the kernel tells them."""
    with nothing_happens():
        before = descriptors()
        made = NamespaceSet.new("user", *types, uid_map=uid_map, gid_map=gid_map)
        with closing(made):
            assert len(descriptors().keys() - before) == len(made)
            return maps_of(made["user"])


# --- from the inside ---


def test_root_by_default() -> None:
    """Without maps the caller is root inside."""
    expected = [f"0 {UID} 1"], [f"0 {GID} 1"], "deny"
    with nothing_happens(), closing(UserNamespace.new("user")) as made:
        found = made.uid_map, made.gid_map
        assert [list(ids) for ids in found] == [[(0, UID, 1)], [(0, GID, 1)]]
        assert maps_of(made) == expected


@pytest.mark.parametrize(
    ("uids", "gids", "expected"),
    [
        (IdMap.root(), IdMap.root(), (0, 0)),
        (IdMap.current(), None, (UID, 0)),
        (None, IdMap.current(), (0, GID)),
        (IdMap([(7, UID, 1)]), IdMap([(8, GID, 1)]), (7, 8)),
    ],
    ids=["root", "current uid", "current gid", "own"],
)
@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
def test_own_ids(
    uids: IdMap | None,
    gids: IdMap | None,
    expected: tuple[int, int],
    run: Callable[[Callable[[], object]], None],
) -> None:
    """Anybody maps the own ids to any inside."""

    def check() -> None:
        made = UserNamespace.new("user", uid_map=uids, gid_map=gids)
        with closing(made):
            found = [*made.uid_map, *made.gid_map]
            assert found == [(expected[0], UID, 1), (expected[1], GID, 1)]

    run(check)


# --- by the caller's power ---


@ROOT
@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
def test_ranges(run: Callable[[Callable[[], object]], None]) -> None:
    """Root maps any ids, in several ranges, and groups may still be set."""
    uids = IdMap([(0, 0, 1), (1, 100000, 65536), (70000, 5, 5)])
    gids = IdMap([(5, 1000, 1000), (0, 3, 1)])

    def check() -> None:
        found = new_maps(uids, gids, "net", "mnt")
        # What is unmapped outside cannot be told inside: it is read from within.
        assert [line.split()[::2] for line in found[0]] == [
            [str(inner), str(count)] for inner, _, count in uids
        ]
        assert found[2] == "allow"
        with closing(UserNamespace.new("user", uid_map=uids, gid_map=gids)) as made:
            assert made.uid_map == uids
            assert made.gid_map == gids

    run(check)


@ROOT
def test_many_ranges() -> None:
    """As many triples as the kernel takes can be had."""
    uids = IdMap([(2 * i, 2 * i, 1) for i in range(340)])
    with closing(UserNamespace.new("user", uid_map=uids)) as made:
        assert made.uid_map == uids
        assert list(made.gid_map) == [(0, 0, 1)]


@ROOT
def test_foreign_ids() -> None:
    """Root maps ids that are not its own, and without power that is refused."""
    foreign = IdMap([(0, 1000, 1)])
    with closing(UserNamespace.new("user", uid_map=foreign, gid_map=foreign)) as made:
        assert (made.uid_map, made.gid_map) == (foreign, foreign)


@ROOT
def test_id_zero_takes_setfcap() -> None:
    """Root that has given up CAP_SETFCAP is told that this is missing."""

    def check() -> None:
        drop_capabilities(CAP_SETFCAP)
        with pytest.raises(NamespacePermissionError, match="CAP_SETFCAP"):
            Namespace.new("user")
        ids = IdMap([(0, 1000, 1)])
        Namespace.new("user", uid_map=ids, gid_map=ids).close()

    in_child(check)


# --- elsewhere ---


@ROOT
def test_inside_own_user_namespace() -> None:
    """There, ids that are mapped are mapped on, and others are refused."""

    def check() -> list[tuple[int, int, int]]:
        setns(outer)
        with pytest.raises(NamespacePermissionError):
            UserNamespace.new("user", uid_map=IdMap([(0, 3, 50)]))
        with closing(UserNamespace.new("user", uid_map=IdMap([(0, 3, 5)]))) as inner:
            return list(inner.uid_map)

    with closing(UserNamespace.new("user", uid_map=IdMap([(0, 0, 10)]))) as outer:
        assert in_child(check) == [(0, 3, 5)]


def test_without_proc() -> None:
    """Without /proc no map can be written, and it is said that it is not there."""

    def check() -> str:
        hide_proc()
        with pytest.raises(NamespaceError) as caught:
            Namespace.new("user")
        return str(caught.value)

    assert "no /proc is mounted" in in_own_userns(check, "mnt")
