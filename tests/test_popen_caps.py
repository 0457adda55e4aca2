"""What a program is allowed to do: `caps` and `no_new_privs`."""

import errno
import os
from collections.abc import Iterable

import pytest
from creating import POWER
from starting import ROOT, Options, makable, members, refused, status_of
from support import status_field
from targets import fresh, holder

from pynamespaces import IdMap, TypeLike

SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
CHOWN, NET_ADMIN, SYS_ADMIN = 0, 12, 21


def capabilities(**options: object) -> tuple[int, ...]:
    """Return a program's sets: inheritable, permitted, effective, bounding, ambient."""
    found = status_of(**options)  # type: ignore[arg-type]
    return tuple(int(found[name], 16) for name in SETS)


def mask(*numbers: int) -> int:
    """Return the mask of capabilities."""
    return sum(1 << number for number in numbers)


@POWER
def test_as_the_kernel_has_it() -> None:
    """Without being told otherwise, a program has what the kernel's rules give it."""
    assert capabilities(new="uts") == capabilities()
    assert capabilities(new=("pid", "mnt")) == capabilities()


@pytest.mark.parametrize("types", [("user",), ("user", "pid"), ("user", "net", "mnt")])
def test_drop(types: tuple[TypeLike, ...]) -> None:
    """A program that has dropped them has none, and cannot have any."""
    assert capabilities(new=types, caps="drop") == (0, 0, 0, 0, 0)
    assert capabilities(new=types, caps=[]) == (0, 0, 0, 0, 0)


@POWER
def test_drop_in_own() -> None:
    """So it is without a fresh user namespace."""
    assert capabilities(caps="drop") == (0, 0, 0, 0, 0)
    assert capabilities(caps="drop", new="uts") == (0, 0, 0, 0, 0)


@pytest.mark.tier("plain")
def test_drop_without_power() -> None:
    """Where the bounding set cannot be emptied, nothing is started."""
    refused("caps", errno.EPERM, caps="drop")


@pytest.mark.parametrize("types", [("user",), ("user", "pid"), ("user", "uts")])
def test_keep(types: tuple[TypeLike, ...]) -> None:
    """A program that is not root inside keeps what it has there, if so told."""
    ids = IdMap([(5, os.geteuid(), 1)])
    full = capabilities(new=types)[3]
    assert capabilities(new=types, uid_map=ids) == (0, 0, 0, full, 0)
    found = capabilities(new=types, uid_map=ids, caps="keep")
    assert found == (full, full, full, full, full)


@ROOT
@pytest.mark.parametrize("new", ["uts", "pid", ()])
def test_keep_as_another(new: str) -> None:
    """So does one that becomes another user."""
    found = capabilities(new=new, user=1000, group=1000, caps="keep")
    mine = int(status_field("CapEff"), 16)
    assert found[1:3] == (mine, mine)
    assert found[4] == mine
    assert capabilities(new=new, user=1000, group=1000)[1:3] == (0, 0)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["net_admin"], mask(NET_ADMIN)),
        (["CAP_NET_ADMIN", "chown"], mask(NET_ADMIN, CHOWN)),
        ({"cap_sys_admin"}, mask(SYS_ADMIN)),
        ((name for name in ("chown", "chown")), mask(CHOWN)),
    ],
    ids=["one", "two", "set", "iterable"],
)
def test_some(names: Iterable[str], expected: int) -> None:
    """A program has those that are named, and cannot have any other."""
    ids = IdMap([(5, os.geteuid(), 1)])
    # What is iterable once is read once.
    names = list(names) if not isinstance(names, set) else names
    for options in (Options(new="user"), Options(new=("user", "pid"), uid_map=ids)):
        assert capabilities(caps=names, **options) == (expected,) * 5
    assert capabilities(caps=iter(names), new=("user", "net")) == (expected,) * 5


@ROOT
def test_some_as_another() -> None:
    """So has one that becomes another user, in a fresh network namespace."""
    expected = (mask(NET_ADMIN),) * 5
    options = Options(user=1000, group=1000, caps=["net_admin"])
    assert capabilities(new="net", **options) == expected
    assert capabilities(**options) == expected
    with fresh("net") as net:
        assert capabilities(join=net, **options) == expected


def test_some_where_joined() -> None:
    """So has one in a user namespace that it has joined."""
    with holder("user", "net") as pid, members(pid, "user", "net") as target:
        found = capabilities(join=target, caps=["net_admin"])
        assert found == (mask(NET_ADMIN),) * 5
        assert capabilities(join=target, caps="drop") == (0,) * 5


def test_caller_keeps_its_own() -> None:
    """Whatever a program has, its caller has what it had."""
    before = [status_field(name) for name in (*SETS, "NoNewPrivs")]
    for caps in ("drop", "keep", ["chown"]):
        status_of(new=("user", "uts"), caps=caps, no_new_privs=True)
    assert [status_field(name) for name in (*SETS, "NoNewPrivs")] == before


# --- no new privileges ---


@pytest.mark.parametrize("new", [(), makable("uts"), makable("pid")], ids=str)
def test_no_new_privs(new: tuple[TypeLike, ...]) -> None:
    """What a program executes gives it no more, if so told; else as the caller's."""
    assert status_of(no_new_privs=True, new=new)["NoNewPrivs"] == "1"
    found = status_of(no_new_privs=False, new=new)["NoNewPrivs"]
    assert found == status_field("NoNewPrivs")
