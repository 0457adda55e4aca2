"""`NamespaceSet` where it is refused: then all of it is, and nothing changes."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from holding import Holder, become_root, holder, in_own_userns
from support import in_child, own_all
from watching import bystanders, in_main_of_many, in_worker, unchanged

from pynamespaces import (
    IrreversibleError,
    MultithreadedError,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    TypeLike,
    unshare,
    unshared,
)

powerful = pytest.mark.tier("root", "userns")
Run = Callable[[Callable[[], None]], None]

TYPES: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
def test_user_differs(run: Run) -> None:
    """A user namespace that differs is refused with the ways that work."""

    def enter() -> None:
        for target in (members, members.enter(), members.enter(unshare_fs=True)):
            with unchanged(), pytest.raises(IrreversibleError) as caught, target:
                pass
            assert "user" in str(caught.value)
            assert "call" in str(caught.value)

    with (
        holder("user", "uts", "net") as target,
        closing(NamespaceSet.from_pid(target.pid)) as members,
    ):
        run(enter)


@powerful
def test_user_shared_is_left_out(target: Holder) -> None:
    """A user namespace that is the thread's own is in no way of the others."""

    def enter() -> None:
        before = own_all()
        with closing(NamespaceSet.from_pid(target.pid, "user", "uts")) as members:
            with members:
                assert own_all()["uts"] == str(members["uts"].id)
                assert own_all()["user"] == before["user"]
            assert own_all() == before

    in_worker(enter)


@powerful
@pytest.mark.parametrize("run", [in_main_of_many, in_worker], ids=["main", "worker"])
def test_mnt_among_threads(target: Holder, run: Run) -> None:
    """With threads, mnt in a set is refused, and the other members with it."""

    def enter() -> None:
        with unchanged(), pytest.raises(MultithreadedError) as caught, members:
            pass
        assert "unshare_fs" in str(caught.value)
        assert caught.value.types == ("mnt",)

    with closing(NamespaceSet.from_pid(target.pid, *TYPES)) as members:
        run(enter)


def test_time_among_threads() -> None:
    """With threads, time in a set is refused, and the other members with it."""

    def enter() -> None:
        with (
            holder("time", "uts") as target,
            closing(NamespaceSet.from_pid(target.pid, "uts", "time")) as members,
            bystanders(2),
            unchanged(),
            pytest.raises(MultithreadedError) as caught,
            members,
        ):
            pass
        assert caught.value.types == ("time",)

    in_own_userns(enter, "time", "uts")


@pytest.mark.parametrize("together", [True, False], ids=["of one process", "apart"])
def test_no_way_back(together: bool) -> None:
    """Where one home belongs to a stranger, nothing is entered."""

    def enter() -> None:
        # The ipc home is not this user namespace's, uts and net homes are.
        with holder("uts", "net", "ipc") as target:
            members = NamespaceSet.from_pid(target.pid, "uts", "ipc", "net")
            if not together:
                members = NamespaceSet(members.values())
            with unchanged(), pytest.raises(IrreversibleError, match="ipc"), members:
                pass
            members.close()

    in_own_userns(enter, "uts", "net")


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_foreign_owner(first: bool) -> None:
    """Where one member belongs to a stranger, what was entered is left again."""

    def enter() -> None:
        outside = Namespace.current("ipc")
        become_root()
        unshare("uts", "net", "ipc")
        with unshared("uts", "net") as fresh:
            own = [Namespace.from_fd(member) for member in fresh.values()]
        members = [outside, *own] if first else [*own, outside]
        with closing(NamespaceSet(members)) as all_of_them:
            with unchanged(), pytest.raises(NamespacePermissionError), all_of_them:
                pass
            outside.close()
            with closing(NamespaceSet(own)) as others, others:
                pass

    in_child(enter)


@pytest.mark.tier("plain")
def test_unprivileged() -> None:
    """Without power nothing is entered."""

    def enter() -> None:
        with (
            holder("user", "uts", "net") as target,
            closing(NamespaceSet.from_pid(target.pid, "uts", "net")) as members,
        ):
            refused = (NamespacePermissionError, IrreversibleError)
            with unchanged(), pytest.raises(refused), members:
                pass

    in_child(enter)


# --- in the wrong order, or by another thread ---


@powerful
def test_out_of_order(target: Holder) -> None:
    """What was entered last is left first, else nothing is switched."""
    with (
        closing(NamespaceSet.from_pid(target.pid, "net", "uts")) as outer,
        closing(NamespaceSet.from_pid(target.pid, "ipc")) as inner,
    ):
        before = own_all()
        outer.__enter__()
        inner.__enter__()
        with unchanged(), pytest.raises(RuntimeError):
            outer.__exit__(None, None, None)
        inner.__exit__(None, None, None)
        outer.__exit__(None, None, None)
        assert own_all() == before
        with unchanged(), pytest.raises(RuntimeError):
            outer.__exit__(None, None, None)


@powerful
def test_other_thread(target: Holder) -> None:
    """Another thread cannot leave what this one entered."""

    def leave() -> None:
        with unchanged(), pytest.raises(RuntimeError):
            members.__exit__(None, None, None)

    with (
        closing(NamespaceSet.from_pid(target.pid, "net", "uts")) as members,
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(os.getpid).result()
        with members:
            inside = own_all()
            pool.submit(leave).result()
            assert own_all() == inside
