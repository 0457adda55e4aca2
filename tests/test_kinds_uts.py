"""Host and domain names of a uts namespace, read and set from outside."""

import os
import socket
from collections.abc import Callable
from contextlib import closing

import pytest
from creating import POWER, inside, member, nothing_happens
from holding import holder, in_own_userns
from provoking import drop_capabilities
from support import in_child, own_all
from watching import in_main_of_many, in_worker

from pynamespaces import (
    ClosedNamespaceError,
    IrreversibleError,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    UtsNamespace,
    setns,
    unshared,
)

runs = pytest.mark.parametrize(
    "run", [in_child, in_main_of_many, in_worker], ids=["alone", "main", "worker"]
)
NAMES = ["", "x", "höst.example", "n" * 64, "with space", "\udcff\udc80", "line\n"]


@runs
def test_own(run: Callable[[Callable[[], object]], object]) -> None:
    """The names of the caller's own can be read by anybody."""

    def check() -> None:
        with nothing_happens(), closing(UtsNamespace.current("uts")) as own:
            assert own.hostname == os.uname().nodename == socket.gethostname()
            with open("/proc/sys/kernel/domainname") as file:
                assert own.domainname == file.read().rstrip("\n")

    run(check)


@runs
@pytest.mark.parametrize("name", NAMES)
def test_set_names(name: str, run: Callable[[Callable[[], object]], object]) -> None:
    """Names are set there, for whoever is inside, and nowhere else."""

    def check() -> None:
        outside = os.uname()
        with nothing_happens(), closing(NamespaceSet.new("user", "uts")) as made:
            uts = member(made, UtsNamespace)
            uts.domainname = "other"
            uts.hostname = name
            assert (uts.hostname, uts.domainname) == (name, "other")
            uts.domainname = name
            assert (uts.hostname, uts.domainname) == (name, name)
        assert os.uname() == outside

    run(check)


def test_seen_inside() -> None:
    """What is set is what a process inside sees, and the other way round."""
    with closing(NamespaceSet.new("user", "uts")) as made:
        uts = member(made, UtsNamespace)
        uts.hostname = "from-outside"
        assert inside(made, socket.gethostname) == "from-outside"
        inside(made, lambda: socket.sethostname("from-inside"))
        assert uts.hostname == "from-inside"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("n" * 65, ValueError),
        ("ö" * 33, ValueError),
        ("a\0b", ValueError),
        (5, TypeError),
        (None, TypeError),
    ],
)
def test_no_name(name: object, error: type[Exception]) -> None:
    """What is no name is refused, and the old one stays."""
    with closing(NamespaceSet.new("user", "uts", hostname="kept")) as made:
        uts = member(made, UtsNamespace)
        with pytest.raises(error):
            uts.hostname = name  # type: ignore[assignment]
        with pytest.raises(error):
            uts.domainname = name  # type: ignore[assignment]
        assert uts.hostname == "kept"


def test_without_power() -> None:
    """Who has no power over it may read the own names, and set none."""

    def check() -> None:
        drop_capabilities()
        with closing(UtsNamespace.current("uts")) as own:
            before = own.hostname, own.domainname
            for attribute in ("hostname", "domainname"):
                with pytest.raises(NamespacePermissionError) as caught:
                    setattr(own, attribute, "pyns")
                assert caught.value.types == ("uts",)
            assert (own.hostname, own.domainname) == before

    in_child(check)


@POWER
def test_of_another_without_power() -> None:
    """Those of another cannot be read either then."""

    def check() -> None:
        with holder("uts") as other:
            with closing(UtsNamespace.from_pid(other.pid, "uts")) as uts:
                drop_capabilities()
                with pytest.raises(NamespacePermissionError) as caught:
                    uts.hostname  # noqa: B018
                assert (caught.value.syscall, caught.value.types) == ("setns", ("uts",))

    in_child(check)


def test_from_inside_the_owner() -> None:
    """Root of the user namespace that owns it has the power."""
    with closing(NamespaceSet.new("user", "uts")) as made:
        uts = member(made, UtsNamespace)

        def rename() -> str:
            setns(made["user"])
            uts.hostname = "by-root"
            return uts.hostname

        assert in_child(rename) == "by-root"
        assert uts.hostname == "by-root"


@POWER
def test_while_inside() -> None:
    """A thread that is inside reads and sets it as any other does."""
    before = own_all()
    with Namespace.new("uts", hostname="first") as uts:
        assert uts.hostname == "first"
        uts.hostname = "second"
        assert os.uname().nodename == "second"
    assert own_all() == before
    uts.close()


def test_pending_pid_namespace() -> None:
    """No helper task becomes the init of a fresh pid namespace."""

    def check() -> int:
        with closing(UtsNamespace.current("uts")) as own, unshared("pid"):
            with pytest.raises(IrreversibleError, match="init of a fresh pid"):
                own.hostname  # noqa: B018
            with pytest.raises(IrreversibleError, match="init of a fresh pid"):
                own.hostname = "x"
            return in_child(os.getpid)

    assert in_own_userns(check, "pid") == 1


def test_closed() -> None:
    """A closed one is told as such."""
    own = UtsNamespace.current("uts")
    own.close()
    with pytest.raises(ClosedNamespaceError):
        own.hostname  # noqa: B018
    with pytest.raises(ClosedNamespaceError):
        own.domainname = "x"
