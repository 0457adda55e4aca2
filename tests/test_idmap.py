"""`IdMap`: which maps there can be, and where they come from."""

import errno
import os
from collections.abc import Iterable

import pytest
from holding import in_own_userns
from mapping import SUBGID, SUBUID, reading
from provoking import hide_proc
from support import in_child

from pynamespaces import IdMap, NamespacePermissionError

LAST = 2**32 - 2


@pytest.mark.parametrize(
    "extents",
    [
        [(0, 1000, 1)],
        [(0, 0, 2**32 - 1)],
        [(LAST, LAST, 1)],
        [(0, 100, 10), (10, 50, 50)],
        [(5, 5, 5), (0, 0, 5), (10, 20, 1)],
        [(i, 2 * i, 1) for i in range(340)],
    ],
)
def test_triples(extents: list[tuple[int, int, int]]) -> None:
    """A map has the triples that it is made of, in their order."""
    ids = IdMap(extents)
    assert list(ids) == extents
    assert list(ids) == extents
    assert list(IdMap(iter(extents))) == extents
    assert list(IdMap(ids)) == extents


@pytest.mark.parametrize(
    ("extents", "error", "match"),
    [
        ([], ValueError, "at least one triple"),
        ([(0, 0)], ValueError, "no triple"),
        ([(0, 0, 1, 1)], ValueError, "no triple"),
        ([5], ValueError, "no triple"),
        ([(0, 0, 0)], ValueError, "out of range"),
        ([(0, 0, -1)], ValueError, "out of range"),
        ([(-1, 0, 1)], ValueError, "out of range"),
        ([(0, -1, 1)], ValueError, "out of range"),
        ([(0, 0, 2**32)], ValueError, "out of range"),
        ([(1, 0, 2**32 - 1)], ValueError, "out of range"),
        ([(0, 1, 2**32 - 1)], ValueError, "out of range"),
        ([(LAST + 1, 0, 1)], ValueError, "out of range"),
        ([(0, LAST + 1, 1)], ValueError, "out of range"),
        ([(0, 0, 2), (1, 10, 1)], ValueError, "inner ids overlap at 1"),
        ([(5, 0, 2), (0, 9, 6)], ValueError, "inner ids overlap at 5"),
        ([(0, 0, 1), (0, 5, 1)], ValueError, "inner ids overlap at 0"),
        ([(0, 100, 10), (50, 109, 1)], ValueError, "outer ids overlap at 109"),
        ([(0, 0, 1), (5, 0, 1)], ValueError, "outer ids overlap at 0"),
        ([(2 * i, i, 1) for i in range(341)], ValueError, "340 triples"),
        ([(10**9 + i, 10**9 + i, 1) for i in range(180)], ValueError, "4095 bytes"),
        ([(True, 0, 1)], TypeError, "ints"),
        ([(0, False, 1)], TypeError, "ints"),
        ([(0, 0, True)], TypeError, "ints"),
        ([("0", 0, 1)], TypeError, "ints"),
        ([(0, 0.0, 1)], TypeError, "ints"),
        (5, TypeError, "not iterable"),
    ],
)
def test_no_map(
    extents: Iterable[tuple[int, int, int]], error: type[Exception], match: str
) -> None:
    """What the kernel would not take, or what is no map, is said at once."""
    with pytest.raises(error, match=match):
        IdMap(extents)


def test_equality() -> None:
    """Maps are equal when their triples are."""
    one, same = IdMap([(0, 1, 2), (2, 5, 1)]), IdMap([(0, 1, 2), (2, 5, 1)])
    other = IdMap([(2, 5, 1), (0, 1, 2)])
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != [(0, 1, 2), (2, 5, 1)]
    assert len({one, same, other}) == 2


def test_repr() -> None:
    """It shows the triples, as one would write them."""
    ids = IdMap([(0, 1000, 1), (1, 100000, 65536)])
    assert repr(ids) == "IdMap([(0, 1000, 1), (1, 100000, 65536)])"
    assert eval(repr(ids), {"IdMap": IdMap}) == ids


def test_root() -> None:
    """Root inside is whoever the caller is effectively."""
    assert list(IdMap.root()) == [(0, os.geteuid(), 1)]
    assert IdMap.root() == IdMap([(0, os.geteuid(), 1)])


def test_current() -> None:
    """The caller has the same id inside."""
    assert list(IdMap.current()) == [(os.geteuid(), os.geteuid(), 1)]


@pytest.mark.tier("root")
def test_ids_are_the_effective() -> None:
    """The ids are the effective ones at the time that the map is made."""

    def check() -> list[list[tuple[int, int, int]]]:
        before = IdMap.root()
        os.setresuid(-1, 5, -1)
        return [list(ids) for ids in (before, IdMap.root(), IdMap.current())]

    assert in_child(check) == [[(0, 0, 1)], [(0, 5, 1)], [(5, 5, 1)]]


# --- subordinate ids ---


def subids(user: str | int | None, subuid: str, subgid: str) -> tuple[object, ...]:
    """Return the triples for uids and for gids, read from files like these."""

    def read() -> tuple[object, ...]:
        ids = IdMap.subids(user)
        return [*ids], [*ids._extents("gid")]

    return reading(read, subuid, subgid)


@pytest.mark.parametrize("user", [None, "root", 0], ids=["own", "name", "uid"])
@pytest.mark.parametrize("owner", ["root", "0"])
def test_subids(user: str | int | None, owner: str) -> None:
    """Id 0 is the user, and the subordinate ids follow from 1 on."""
    subuid = f"daemon:5:5\n{owner}:100000:65536\nrootless:7:7\n"
    subgid = f"\n# groups\n{owner}:200000:10\n{owner}:300000:20"
    assert subids(user, subuid, subgid) == (
        [(0, 0, 1), (1, 100000, 65536)],
        [(0, 0, 1), (1, 200000, 10), (11, 300000, 20)],
    )


def test_subids_of_another() -> None:
    """Those of another user can be asked for, with that user as root."""
    uids, gids = subids("nobody", "65534:1000:5\n", "nobody:2000:6\n")
    assert uids == [(0, 65534, 1), (1, 1000, 5)]
    assert isinstance(gids, list)
    assert gids[1:] == [(1, 2000, 6)]


@pytest.mark.parametrize(
    "text",
    ["root:100000:0\n", "root:100000\n", "root:x:5\n", "root:-5:5\n", ":5:5\n", "\0\n"],
)
def test_lines_that_give_nothing(text: str) -> None:
    """Lines that are no ranges, or have no ids, are left out."""
    with pytest.raises(NamespacePermissionError, match="no subordinate uids"):
        subids(None, text, "root:5:5\n")
    uids, _ = subids(None, text + "root:100000:10", "root:5:5\n")
    assert uids == [(0, 0, 1), (1, 100000, 10)]


@pytest.mark.parametrize(
    ("subuid", "subgid", "path", "call", "option"),
    [
        ("daemon:1:1\n", "root:5:5\n", SUBUID, "newuidmap", "--add-subuids"),
        ("root:5:5\n", "", SUBGID, "newgidmap", "--add-subgids"),
    ],
)
def test_missing_entry(
    subuid: str, subgid: str, path: str, call: str, option: str
) -> None:
    """Where a file has no entry, it is told which, for whom, and what adds one."""
    with pytest.raises(NamespacePermissionError) as caught:
        subids(None, subuid, subgid)
    error = caught.value
    assert (error.errno, error.filename) == (errno.EPERM, path)
    assert (error.syscall, error.types) == (call, ("user",))
    assert "gives the user root no subordinate" in (error.reason or "")
    assert option in (error.hint or "")
    assert (error.hint or "").endswith(" root")


@pytest.mark.parametrize("user", ["no-such-user", 123456789])
def test_no_such_user(user: str | int) -> None:
    """A user that does not exist is a LookupError that names it."""
    with pytest.raises(LookupError, match=repr(user)):
        IdMap.subids(user)


@pytest.mark.parametrize("user", [True, 1.5, b"root"])
def test_no_user(user: object) -> None:
    """What is neither a name nor a uid is a TypeError."""
    with pytest.raises(TypeError):
        IdMap.subids(user)  # type: ignore[arg-type]


@pytest.mark.parametrize("user", [-1, 2**32, 2**70])
def test_uid_out_of_range(user: int) -> None:
    """A number that is no uid is nobody's."""
    with pytest.raises((LookupError, ValueError)):
        IdMap.subids(user)


def test_without_proc() -> None:
    """Maps can be made where there is no /proc."""

    def make() -> list[tuple[int, int, int]]:
        hide_proc()
        return [*IdMap.root(), *IdMap.current(), *IdMap([(5, 5, 5)])]

    assert in_own_userns(make, "mnt") == [(0, 0, 1), (0, 0, 1), (5, 5, 5)]
