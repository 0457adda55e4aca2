"""`unshare`: fresh namespaces for good, always in a child."""

import os
import threading
from pathlib import Path

import pytest
from holding import in_own_userns
from support import ALL_TYPES, identity, in_child, own_all
from watching import Tasks, bystanders, in_worker, linger, moved

from pynamespaces import (
    MultithreadedError,
    NamespaceLimitError,
    NamespacePermissionError,
    SystemCallError,
    TypeLike,
    unshare,
)

powerful = pytest.mark.tier("root", "userns")

PER_THREAD: tuple[TypeLike, ...] = ("cgroup", "ipc", "net", "pid", "uts")
BORN_LATER: dict[str, str] = {"pid": "pid_for_children", "time": "time_for_children"}


@powerful
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt", "time"])
def test_unshare_each(type: TypeLike) -> None:
    """A thread is in a fresh one for good, and no other type has changed."""

    def change() -> set[str]:
        before = own_all()
        unshare(type)
        return moved(before, own_all())

    assert in_child(change) == {BORN_LATER.get(type, type)}


def test_unshare_user() -> None:
    """A process without threads has a user namespace of its own, and then the rest."""

    def change() -> set[str]:
        before = own_all()
        unshare("user")
        assert moved(before, own_all()) == {"user"}
        unshare("net", "uts", "mnt", "ipc", "cgroup")
        return moved(before, own_all())

    assert in_child(change) == {"user", "net", "uts", "mnt", "ipc", "cgroup"}


def test_unshare_all_at_once() -> None:
    """All types at once need no power, since user is among them."""

    def change() -> set[str]:
        before = own_all()
        unshare(*ALL_TYPES)  # type: ignore[arg-type]
        return moved(before, own_all())

    links = {BORN_LATER.get(type, type) for type in ALL_TYPES}
    assert in_child(change) == links


@powerful
def test_unshare_children() -> None:
    """Children are born in the fresh pid and time namespaces."""

    def change() -> tuple[int, bool]:
        outside = identity("/proc/self/ns/time")
        unshare("pid", "time")
        return in_child(
            lambda: (os.getpid(), identity("/proc/self/ns/time") != outside)
        )

    assert in_child(change) == (1, True)


@powerful
def test_unshare_in_thread() -> None:
    """Only the calling thread moves, its root and working directory with mnt too."""

    def change() -> None:
        with Tasks() as tasks:
            before, others = tasks.state(), tasks.others()
            unshare("net", "mnt")
            after = tasks.state()
            assert {name for name in before if before[name] != after[name]} == {
                "net",
                "mnt",
                "root",
                "cwd",
            }
            os.chdir("/proc")
            assert tasks.others() == others

    in_child(lambda: in_worker(change))


def test_unshare_user_after_thread() -> None:
    """A thread that has just been joined is in no way of a user namespace."""
    linger(50, lambda: unshare("user"))
    assert threading.active_count() == 1


@pytest.mark.parametrize("types", [("user",), ("user", "net")], ids="+".join)
def test_unshare_user_threads(types: tuple[TypeLike, ...]) -> None:
    """With a live thread, user is refused, and nothing is changed."""

    def change() -> None:
        with bystanders(1):
            before = own_all()
            with pytest.raises(MultithreadedError) as caught:
                unshare(*types)
            assert own_all() == before
            assert caught.value.syscall == "unshare"
            assert set(caught.value.types) == set(types)

    in_child(change)


@powerful
def test_unshare_pid_twice() -> None:
    """A second fresh pid namespace, before the first is used, is refused."""

    def change() -> None:
        unshare("pid")
        before = own_all()
        with pytest.raises(SystemCallError, match="unshare"):
            unshare("pid", "uts")
        assert own_all() == before

    in_child(change)


@pytest.mark.tier("plain")
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt", "time"])
def test_unshare_unprivileged(type: TypeLike) -> None:
    """Without power there is nothing fresh but a user namespace."""

    def change() -> None:
        before = own_all()
        with pytest.raises(NamespacePermissionError) as caught:
            unshare(type)
        assert caught.value.hint
        assert own_all() == before

    in_child(change)


@pytest.mark.parametrize("type", ALL_TYPES)
def test_unshare_limit(type: TypeLike) -> None:
    """A limit that is reached is told by its name."""

    def change() -> None:
        Path(f"/proc/sys/user/max_{type}_namespaces").write_text("0")
        before = own_all()
        with pytest.raises(NamespaceLimitError, match=rf"user\.max_{type}_namespaces"):
            unshare(type)
        assert own_all() == before

    in_own_userns(change)


def test_unshare_nothing() -> None:
    """At least one type must be given."""
    with pytest.raises(ValueError, match="type"):
        unshare()


@pytest.mark.parametrize("wrong", ["network", "", "NET"])
def test_unshare_unknown(wrong: TypeLike) -> None:
    """What is no type is refused by a list of those that are, and nothing is made."""
    before = own_all()
    with pytest.raises(
        ValueError, match=r"cgroup.*ipc.*mnt.*net.*pid.*time.*user.*uts"
    ):
        unshare("uts", wrong)
    assert own_all() == before
