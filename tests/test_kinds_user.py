"""The maps of user namespaces, read from wherever the caller stands."""

import errno
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from creating import children, descriptors, nothing_happens
from holding import Holder, become_root, in_own_userns
from provoking import CAP_SYS_ADMIN, another_process, drop_capabilities, libc
from support import in_child
from targets import restore_power
from test_creating_busy import WALL, waiting
from watching import in_main_of_many, in_worker

from pynamespaces import (
    IdMap,
    IrreversibleError,
    Namespace,
    NamespaceError,
    NamespacePermissionError,
    UserNamespace,
    setns,
    unshare,
    unshared,
)

PR_GET_DUMPABLE = 3
UID, GID = os.geteuid(), os.getegid()

runs = pytest.mark.parametrize(
    "run", [in_child, in_main_of_many, in_worker], ids=["alone", "main", "worker"]
)
Extents = list[tuple[int, int, int]]
Maps = tuple[Extents, Extents]


def maps_of(user: UserNamespace) -> Maps:
    """Return the triples of both maps."""
    return list(user.uid_map), list(user.gid_map)


def own_maps() -> Maps:
    """Return those of the caller's own user namespace, from the kernel's files."""
    return _own_map("uid"), _own_map("gid")


def _own_map(kind: str) -> Extents:
    lines = Path(f"/proc/thread-self/{kind}_map").read_text().splitlines()
    words = [[int(word) for word in line.split()] for line in lines]
    return [(inner, outer, count) for inner, outer, count in words]


@runs
def test_own(run: Callable[[Callable[[], object]], object]) -> None:
    """The caller's own has its outer ids as its parent has them."""

    def check() -> None:
        with nothing_happens(), closing(UserNamespace.current("user")) as own:
            assert maps_of(own) == own_maps()

    run(check)
    in_own_userns(check)


@runs
def test_of_fresh(run: Callable[[Callable[[], object]], object]) -> None:
    """One that is below the caller's has the caller's ids as outer ids."""

    def check() -> None:
        with nothing_happens(), closing(UserNamespace.new("user")) as made:
            assert maps_of(made) == ([(0, UID, 1)], [(0, GID, 1)])

    run(check)


@runs
def test_of_process(run: Callable[[Callable[[], object]], object]) -> None:
    """A process that made itself root in its own is seen so."""

    def check() -> None:
        with nothing_happens(), closing(UserNamespace.from_pid(pid, "user")) as other:
            assert maps_of(other) == ([(0, UID, 1)], [(0, GID, 1)])

    with another_process(become_root) as pid:
        run(check)


def test_unmapped() -> None:
    """One whose maps have not been written has no triples, and can be compared."""
    with another_process(lambda: unshare("user")) as pid:
        with closing(UserNamespace.from_pid(pid, "user")) as other:
            assert maps_of(other) == ([], [])
            assert repr(other.uid_map) == "IdMap([])"
            assert other.uid_map == other.gid_map
            assert other.uid_map != IdMap.root()


def test_nested() -> None:
    """Of one two levels below, the outer ids are the caller's again."""
    with closing(UserNamespace.new("user", uid_map=IdMap([(7, UID, 1)]))) as outer:

        def nest() -> None:
            setns(outer)
            become_root()

        with another_process(nest) as pid:
            with closing(UserNamespace.from_pid(pid, "user")) as inner:
                with closing(inner.parent()) as parent:
                    assert parent == outer
                assert maps_of(inner) == ([(0, UID, 1)], [(0, GID, 1)])
                assert maps_of(outer) == ([(7, UID, 1)], [(0, GID, 1)])


def test_parent() -> None:
    """From below no process of the parent's may be looked at, so it is refused."""

    def look() -> str:
        become_root()
        before = descriptors(), children()
        with pytest.raises(NamespacePermissionError) as caught:
            maps_of(parent)
        assert (descriptors(), children()) == before
        return str(caught.value)

    with closing(UserNamespace.current("user")) as parent:
        assert "no CAP_SYS_ADMIN in the user namespace" in in_child(look)


def test_of_sibling() -> None:
    """One that another made, beside the caller's, is refused and said why."""

    def look() -> str:
        become_root()
        before = descriptors(), children()
        with pytest.raises(NamespacePermissionError) as caught:
            maps_of(sibling)
        assert (descriptors(), children()) == before
        assert caught.value.errno == errno.EPERM
        assert caught.value.types == ("user",)
        return str(caught.value)

    with closing(UserNamespace.new("user")) as sibling:
        assert "no CAP_SYS_ADMIN in the user namespace" in in_child(look)


@pytest.mark.tier("root")
def test_found_by_looking() -> None:
    """Who has no power over it may look at a process that is inside."""

    def look() -> Maps:
        # A uid other than the owner's, and no power but to look into processes.
        os.setresuid(-1, 5, -1)
        restore_power()
        drop_capabilities(CAP_SYS_ADMIN)
        with nothing_happens():
            return maps_of(other)

    with another_process(become_root) as pid:
        with closing(UserNamespace.from_pid(pid, "user")) as other:
            assert in_child(look) == ([(0, 0, 1)], [(0, 0, 1)])


@pytest.mark.tier("root")
def test_of_another_user() -> None:
    """Root reads that of another user, and stays dumpable."""

    def become_other() -> None:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        libc.prctl(4, 1)  # PR_SET_DUMPABLE
        become_root()

    with another_process(become_other) as pid:
        with closing(UserNamespace.from_pid(pid, "user")) as other:
            assert maps_of(other) == ([(0, 65534, 1)], [(0, 65534, 1)])
            assert other.owner_uid == 65534
            assert libc.prctl(PR_GET_DUMPABLE) == 1


def test_reaped_by_another_thread() -> None:
    """A thread that reaps whatever it can does not disturb."""

    def check() -> None:
        with waiting(WALL), closing(UserNamespace.new("user")) as made:
            for _ in range(50):
                assert maps_of(made) == ([(0, UID, 1)], [(0, GID, 1)])
        assert children() == []

    in_child(check)


def test_pending_pid_namespace() -> None:
    """No helper task becomes the init of a fresh pid namespace."""

    def check() -> int:
        made = UserNamespace.new("user")
        with unshared("pid"):
            with pytest.raises(IrreversibleError, match="init of a fresh pid"):
                made.uid_map  # noqa: B018
            born = in_child(os.getpid)
        made.close()
        return born

    assert in_own_userns(check, "pid") == 1


@pytest.mark.tier("root", "userns")
def test_in_other_pid_namespace(target: Holder) -> None:
    """Where the next child is in another pid namespace, it is found in this /proc."""
    with closing(UserNamespace.new("user")) as made:
        with closing(Namespace.from_pid(target.pid, "pid")) as pid, pid:
            assert maps_of(made) == ([(0, UID, 1)], [(0, GID, 1)])


def test_proc_of_other_pid_namespace() -> None:
    """Where ids are another's in this /proc, no other process's map is told."""

    def check() -> tuple[Maps | str, bool]:
        before = descriptors(), children()
        told: Maps | str
        with closing(UserNamespace.new("user")) as made:
            try:
                told = maps_of(made)
            except NamespaceError as error:
                told = type(error).__name__
        return told, (descriptors(), children()) == before

    told, clean = in_own_userns(check, "pid")
    assert clean
    assert told in (([(0, 0, 1)], [(0, 0, 1)]), "NoSuchNamespaceError")
