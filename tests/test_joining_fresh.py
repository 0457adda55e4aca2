"""`setns` of a set with a user namespace, by descriptors: rehearsed, then for good."""

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest
from creating import OWNED, POWER, TYPES, children, descriptors
from holding import become_root, in_own_userns
from provoking import another_process, libc
from support import in_child, own_all
from test_switching_audit import recorded
from watching import bystanders, linger, moved

from pynamespaces import (
    IdMap,
    IrreversibleError,
    MultithreadedError,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    TypeLike,
    UserNamespace,
    setns,
    unshare,
    unshared,
)

PR_GET_DUMPABLE = 3
LATER = {"pid": "pid_for_children", "time": "time_for_children"}


def joined(target: NamespaceSet) -> tuple[dict[str, str], set[int]]:
    """Join for good; return the links then, and the ids of the process."""
    before = descriptors(), children()
    setns(target)
    assert (descriptors(), children()) == before
    return own_all(), {*os.getresuid(), *os.getresgid()}


@pytest.mark.parametrize("others", [*[(type,) for type in OWNED], OWNED], ids="+".join)
@pytest.mark.parametrize("first", [True, False], ids=["user first", "user last"])
def test_joined(others: tuple[TypeLike, ...], first: bool) -> None:
    """Anybody joins what it made, as root there, in whichever order it is named."""
    types: tuple[TypeLike, ...] = ("user", *others) if first else (*others, "user")
    with closing(NamespaceSet.new(*types)) as made:
        before = own_all()
        links, ids = in_child(lambda: joined(made))
        assert own_all() == before
        assert {str(type): links[type] for type in types} == {
            str(type): str(member.id) for type, member in made.items()
        }
        changed = {*types, *(LATER[type] for type in types if type in LATER)}
        assert moved(before, links) == changed
        assert ids == {0}


@POWER
def test_partly_of_the_caller() -> None:
    """Members that the caller alone has power over are joined as well."""
    with closing(UserNamespace.new("user")) as user:
        with closing(Namespace.new("net")) as net, closing(Namespace.new("ipc")) as ipc:
            uts = Namespace.new("uts", owner=user)
            target = NamespaceSet([uts, user, net, ipc])
            links, ids = in_child(lambda: joined(target))
            assert {links[type] for type in target} == {
                str(member.id) for member in target.values()
            }
            assert ids == {0}
            uts.close()


def test_member_refused() -> None:
    """One that is refused in the end keeps the caller out of all."""

    def check() -> None:
        # Of the outer user namespace, so neither before nor after it can be joined.
        with closing(NamespaceSet.new("user", "net", "uts")) as made:
            target = NamespaceSet([foreign, *made.values()])
            before = own_all(), descriptors(), children()
            root = os.stat("/"), os.getcwd(), libc.prctl(PR_GET_DUMPABLE)
            with pytest.raises(NamespacePermissionError) as caught:
                setns(target)
            assert caught.value.types == ("ipc",)
            assert (own_all(), descriptors(), children()) == before
            assert (os.stat("/"), os.getcwd(), libc.prctl(PR_GET_DUMPABLE)) == root
            setns(made)

    with closing(NamespaceSet.new("user", "ipc")) as other:
        foreign = other["ipc"]

        def below() -> None:
            become_root()
            check()

        in_child(below)


def test_user_refused() -> None:
    """A user namespace beside the caller's is refused, and the others with it."""

    def check() -> None:
        become_root()
        before = own_all(), descriptors(), children()
        with pytest.raises(NamespacePermissionError) as caught:
            setns(sibling)
        assert caught.value.types == ("user",)
        assert (own_all(), descriptors(), children()) == before

    with closing(NamespaceSet.new("user", "net")) as sibling:
        in_child(check)


def test_threads() -> None:
    """A process with threads cannot, and is not moved."""

    def check() -> None:
        with bystanders(2):
            before = own_all()
            with pytest.raises(MultithreadedError) as caught:
                setns(made)
            assert caught.value.types == ("user",)
            assert "threads" in str(caught.value)
            assert own_all() == before
        setns(made)

    with closing(NamespaceSet.new("user", "net")) as made:
        in_child(check)


def test_after_threads() -> None:
    """Threads that were joined a moment ago are no hindrance."""
    with closing(NamespaceSet.new("user", "net")) as made:
        linger(10, lambda: setns(made))


def test_pending_pid_namespace() -> None:
    """No rehearsal becomes the init of a fresh pid namespace."""

    def check() -> int:
        with closing(NamespaceSet.new("user", "net")) as made, unshared("pid"):
            before = own_all()
            with pytest.raises(IrreversibleError, match="init of a fresh pid"):
                setns(made)
            assert own_all() == before
            return in_child(os.getpid)

    assert in_own_userns(check, "pid") == 1


def test_only_what_differs() -> None:
    """Where the caller is already is left out, also its own user namespace."""

    def check() -> None:
        with closing(NamespaceSet.new("user", "net", "uts")) as made:
            setns(made)
            inside = own_all()
            setns(made)
            assert own_all() == inside
            with closing(NamespaceSet.new("user", "ipc")) as more:
                setns(NamespaceSet([made["net"], made["uts"], *more.values()]))
                assert moved(inside, own_all()) == {"user", "ipc"}

    in_child(check)


@pytest.mark.tier("root")
def test_of_another_user() -> None:
    """Root joins another user's, and what was only rehearsed left it dumpable."""

    def become_other() -> None:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        libc.prctl(4, 1)  # PR_SET_DUMPABLE
        become_root()
        unshare("net")

    def refuse() -> int:
        with closing(NamespaceSet.new("user", "ipc", uid_map=IdMap.current())) as made:
            target = NamespaceSet([theirs["user"], made["ipc"]])
            before = own_all()
            setns(theirs["net"])
            setns(target)
            assert moved(before, own_all()) == {"user", "ipc", "net"}
            return Path("/proc/self/uid_map").stat().st_uid

    with another_process(become_other) as pid:
        theirs = NamespaceSet([Namespace.from_pid(pid, t) for t in ("user", "net")])
        in_child(refuse)
        assert libc.prctl(PR_GET_DUMPABLE) == 1
        theirs.close()


def test_audit() -> None:
    """There is one event, of all that differ, and a hook that raises forbids it."""

    def events() -> list[tuple[str, frozenset[str]]]:
        return recorded(lambda: setns(made))

    def forbidden() -> None:
        def refuse(event: str, _: tuple[object, ...]) -> None:
            if event.startswith("pynamespaces."):
                raise ZeroDivisionError(event)

        sys.addaudithook(refuse)
        before = own_all()
        with pytest.raises(ZeroDivisionError):
            setns(made)
        assert own_all() == before

    with closing(NamespaceSet.new(*TYPES)) as made:
        assert in_child(events) == [("pynamespaces.setns", frozenset(TYPES))]
        in_child(forbidden)
