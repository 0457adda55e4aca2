"""`setns`: into a namespace for good, always in a child."""

from contextlib import closing

import pytest
from holding import become_root, holder, in_own_userns
from support import identity, in_child, own_all
from watching import Tasks, bystanders, in_worker, linger, link_of, moved

from pynamespaces import (
    ClosedNamespaceError,
    MultithreadedError,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    TypeLike,
    setns,
    unshare,
)

powerful = pytest.mark.tier("root", "userns")

PER_THREAD: tuple[TypeLike, ...] = ("cgroup", "ipc", "net", "pid", "uts")
BORN_LATER: dict[str, str] = {"pid": "pid_for_children", "time": "time_for_children"}


@powerful
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_setns_each(type: TypeLike) -> None:
    """A thread is in it for good, and no other type has changed."""

    def change() -> tuple[set[str], tuple[int, int]]:
        before = own_all()
        with Tasks() as tasks:
            setns(namespace)
            there = tasks.identity(link_of(type))
            return moved(before, own_all()), there

    with (
        holder(type) as target,
        closing(Namespace.from_pid(target.pid, type)) as namespace,
    ):
        expected = {link_of(type)}, identity(f"/proc/{target.pid}/ns/{type}")
        assert in_child(change) == expected


def test_setns_time() -> None:
    """A process without threads is in time for good, as its children are."""

    def change() -> None:
        with (
            holder("time") as target,
            closing(Namespace.from_pid(target.pid, "time")) as namespace,
        ):
            before = own_all()
            setns(namespace)
            after = own_all()
            assert moved(before, after) == {"time", "time_for_children"}
            assert after["time"] == str(namespace.id)

    in_own_userns(change, "time")


def test_setns_user() -> None:
    """A process moves into a user namespace of its own user, then into the rest."""

    def change() -> dict[str, str]:
        for type in ("user", "uts", "net"):
            setns(members[type])
        return own_all()

    with (
        holder("user", "uts", "net") as target,
        closing(NamespaceSet.from_pid(target.pid, "user", "uts", "net")) as members,
    ):
        after = in_child(change)
        assert all(after[type] == str(members[type].id) for type in members)


def test_setns_user_after_thread() -> None:
    """A thread that has just been joined is in no way of a user namespace."""
    with (
        holder("user") as target,
        closing(Namespace.from_pid(target.pid, "user")) as namespace,
    ):
        linger(20, lambda: setns(namespace))
        assert not namespace.is_current()


@pytest.mark.parametrize("type", ["user", "time"])
def test_setns_threads(type: TypeLike) -> None:
    """With a live thread, user and time are refused, and nothing is changed."""

    def change() -> None:
        with (
            holder(type) as target,
            closing(Namespace.from_pid(target.pid, type)) as namespace,
            bystanders(1),
        ):
            before = own_all()
            with pytest.raises(MultithreadedError) as caught:
                setns(namespace)
            assert own_all() == before
            assert caught.value.types == (type,)

    in_own_userns(change, "time")


@powerful
def test_setns_mnt_threads() -> None:
    """With a live thread, mnt is refused with the way that works."""

    def change() -> None:
        before = own_all()
        with pytest.raises(MultithreadedError, match="unshare"):
            setns(namespace)
        assert own_all() == before

    with (
        holder("mnt") as target,
        closing(Namespace.from_pid(target.pid, "mnt")) as namespace,
    ):
        in_child(lambda: in_worker(change))


@pytest.mark.parametrize("threads", [0, 2])
def test_setns_own_user(threads: int) -> None:
    """The user namespace where a thread is already is no error, for anyone."""

    def change() -> None:
        before = own_all()
        with bystanders(threads), closing(Namespace.current("user")) as own:
            setns(own)
        assert own_all() == before

    in_child(change)
    in_own_userns(change)


@powerful
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_setns_own(type: TypeLike) -> None:
    """Being there already is no error."""

    def change() -> None:
        before = own_all()
        with closing(Namespace.current(type)) as own:
            setns(own)
        assert own_all() == before

    in_child(change)


def test_setns_foreign() -> None:
    """Without power over its owner a namespace is refused, and nothing is changed."""

    def change() -> None:
        with closing(Namespace.current("uts")) as outside:
            become_root()
            unshare("uts")
            before = own_all()
            with pytest.raises(NamespacePermissionError) as caught:
                setns(outside)
            assert own_all() == before
            assert caught.value.reason

    in_child(change)


@powerful
def test_setns_in_thread() -> None:
    """Only the calling thread moves, and it is no longer at home for entering."""

    def change() -> None:
        with Tasks() as tasks:
            others = tasks.others()
            setns(namespace)
            assert tasks.others() == others
            before = tasks.state()
            with namespace:
                assert tasks.state() == before
            assert tasks.state() == before

    with (
        holder("uts") as target,
        closing(Namespace.from_pid(target.pid, "uts")) as namespace,
    ):
        in_worker(change)


def test_setns_closed() -> None:
    """A closed handle is refused."""
    for type in ("uts", "user"):
        namespace = Namespace.current(type)
        namespace.close()
        with pytest.raises(ClosedNamespaceError):
            setns(namespace)


@pytest.mark.parametrize("wrong", ["net", 3, None], ids=repr)
def test_setns_wrong(wrong: Namespace) -> None:
    """Only a namespace can be joined."""
    before = own_all()
    with pytest.raises((TypeError, ValueError, AttributeError)):
        setns(wrong)
    assert own_all() == before
