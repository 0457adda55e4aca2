"""`UtsNamespace.hostname` and `domainname`, read and set from elsewhere."""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from provoking import drop_capabilities, need_own_user, own_user
from support import TIER, in_child
from targets import POWER, in_thread
from watching import unchanged

from pynamespaces import (
    ClosedNamespaceError,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    NamespaceType,
    TypeLike,
    UtsNamespace,
    setns,
)

NAMES = ("hostname", "domainname")
names = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(params=["owned", "powerful"])
def both(request: pytest.FixtureRequest) -> Iterator[NamespaceSet]:
    """A uts namespace with its user namespace, and one of the caller's own."""
    if request.param == "powerful" and TIER == "plain":
        pytest.skip("takes power over the caller's own user namespace")
    types: tuple[TypeLike, ...] = ("user", "uts")
    if request.param == "powerful":
        types = ("uts",)
    with closing(NamespaceSet.new(*types, hostname="fresh")) as made:
        yield made


@pytest.fixture
def uts(both: NamespaceSet) -> Iterator[UtsNamespace]:
    """The uts namespace alone."""
    with closing(Namespace.from_fd(both["uts"], "uts")) as alone:
        yield alone


def seen_inside(both: NamespaceSet) -> tuple[str, str]:
    """Return the names that a process has which has entered."""

    def enter() -> tuple[str, str]:
        if NamespaceType.USER in both:
            setns(both["user"])
        setns(both["uts"])
        with open("/proc/sys/kernel/domainname") as file:
            return os.uname().nodename, file.read().removesuffix("\n")

    return in_child(enter)


def test_names(both: NamespaceSet, uts: UtsNamespace) -> None:
    """What is set is what a process there has, and what is read; nobody moves."""
    here = os.uname().nodename
    assert uts.hostname == "fresh"
    with unchanged():
        uts.hostname = "blue"
        uts.domainname = "example.org"
        assert (uts.hostname, uts.domainname) == ("blue", "example.org")
    assert seen_inside(both) == ("blue", "example.org")
    assert os.uname().nodename == socket.gethostname() == here != "blue"


@names
@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 64,
        "é" * 32,
        os.fsdecode(b"\xff\xfe/ \n\x01"),
        "a.b-c",
    ],
    ids=ascii,
)
def test_what_a_name_may_be(uts: UtsNamespace, name: str, text: str) -> None:
    """A name is at most 64 bytes, whichever, and comes back as it was given."""
    other = next(other for other in NAMES if other != name)
    setattr(uts, name, "what was there before")
    kept = getattr(uts, other)
    setattr(uts, name, text)
    assert getattr(uts, name) == text
    assert getattr(uts, other) == kept


@names
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x" * 65, ValueError),
        ("é" * 33, ValueError),
        ("nu\0ll", ValueError),
        (None, TypeError),
        (7, TypeError),
    ],
)
def test_what_a_name_may_not_be(
    uts: UtsNamespace, name: str, text: object, error: type[Exception]
) -> None:
    """A name too long or with a null byte is refused, and the old one stays."""
    before = uts.hostname, uts.domainname
    with pytest.raises(error):
        setattr(uts, name, text)
    assert (uts.hostname, uts.domainname) == before


@names
def test_own_names_without_power(name: str) -> None:
    """An ordinary user reads the names of where it is, and cannot set them."""

    def ask() -> str:
        drop_capabilities()
        with closing(Namespace.current("uts")) as own:
            assert own.hostname == os.uname().nodename
            before: str = getattr(own, name)
            with pytest.raises(NamespacePermissionError, match="CAP_SYS_") as caught:
                setattr(own, name, "mine")
            assert getattr(own, name) == before
        return caught.value.syscall

    assert in_child(ask) in ("sethostname", "setdomainname")


ACTS: list[Callable[[UtsNamespace], object]] = [
    lambda uts: uts.hostname,
    lambda uts: uts.domainname,
    lambda uts: setattr(uts, "hostname", "mine"),
    lambda uts: setattr(uts, "domainname", "mine"),
]


@pytest.mark.parametrize("act", ACTS)
def test_without_power(act: Callable[[UtsNamespace], object]) -> None:
    """Who has no power over a uts namespace is told nothing of it."""
    need_own_user()

    def ask() -> None:
        own_user()
        with closing(Namespace.new("uts")) as foreign:
            drop_capabilities()
            act(foreign)

    with pytest.raises(NamespacePermissionError) as caught:
        in_child(ask)
    assert (caught.value.errno, caught.value.syscall) == (errno.EPERM, "setns")
    assert caught.value.types == ("uts",)


@pytest.mark.parametrize("act", ACTS)
def test_closed(uts: UtsNamespace, act: Callable[[UtsNamespace], object]) -> None:
    """A handle that has been closed has no names."""
    uts.close()
    with pytest.raises(ClosedNamespaceError):
        act(uts)


@POWER
def test_from_within_another(uts: UtsNamespace) -> None:
    """A thread that has entered one namespace names another, and stays."""

    def visit() -> None:
        with closing(Namespace.new("uts")) as near, near:
            here = os.uname().nodename
            uts.hostname = "far"
            assert (uts.hostname, os.uname().nodename) == ("far", here)
            near.hostname = "near"
            assert os.uname().nodename == "near"
            assert uts.hostname == "far"

    in_thread(visit)
