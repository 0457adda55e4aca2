"""Entering and leaving a `NamespaceSet`, from one thread and from many."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from holding import Holder, holder, in_own_userns
from newer import need
from support import identity, in_child, own_all
from watching import Tasks, in_main_of_many, in_worker, link_of, mark, traced

from pynamespaces import Namespace, NamespaceSet, TypeLike, unshared

powerful = pytest.mark.tier("root", "userns")
Run = Callable[[Callable[[], None]], None]

PER_THREAD: tuple[TypeLike, ...] = ("cgroup", "ipc", "net", "pid", "uts")
"""What threads enter without giving anything up."""


def there(pid: int, *types: str) -> dict[str, tuple[int, int]]:
    """Return the namespaces of a process by the links that are to show them."""
    return {link_of(type): identity(f"/proc/{pid}/ns/{type}") for type in types}


def check_entering(members: NamespaceSet, *, unshare_fs: bool = False) -> None:
    """Enter and leave, and look at this thread and at all others."""
    with Tasks() as tasks:
        before, others = tasks.state(), tasks.others()
        with members.enter(unshare_fs=unshare_fs) as entered:
            assert entered is members
            inside = tasks.state()
            assert tasks.others() == others
        assert tasks.state() == before
        assert tasks.others() == others
    for type, member in members.items():
        assert inside[link_of(type)] == (member.id.dev, member.id.ino)
    changed = {name for name in before if inside[name] != before[name]}
    allowed = {*map(link_of, members), "root", "cwd", "time_for_children"}
    assert changed <= allowed


@powerful
@pytest.mark.parametrize(
    "run", [in_child, in_main_of_many, in_worker], ids=["alone", "main", "worker"]
)
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "of one process"])
@pytest.mark.parametrize(
    "types", [("uts",), ("net", "uts"), PER_THREAD, (*PER_THREAD, "mnt")], ids=len
)
def test_enter(
    target: Holder, types: tuple[TypeLike, ...], apart: bool, run: Run
) -> None:
    """A thread is in every member inside, and where it was afterwards."""
    if apart:
        members = NamespaceSet(Namespace.from_pid(target.pid, type) for type in types)
    else:
        members = NamespaceSet.from_pid(target.pid, *types)
    with closing(members):
        run(lambda: check_entering(members, unshare_fs="mnt" in types))


def test_enter_time() -> None:
    """A process without threads enters time along with others."""

    def enter() -> None:
        with (
            holder("time", "uts") as target,
            closing(NamespaceSet.from_pid(target.pid, "time", "uts")) as members,
        ):
            check_entering(members)

    in_own_userns(enter, "time", "uts")


def test_enter_in_own_userns() -> None:
    """An ordinary user enters and leaves what its own user namespace owns."""

    def enter() -> None:
        with (
            holder(*PER_THREAD, "mnt") as target,
            closing(NamespaceSet.from_pid(target.pid)) as members,
        ):
            assert set(members) > {"user", "mnt", "uts"}
            check_entering(members)

    in_own_userns(enter, *PER_THREAD, "mnt")


def test_enter_nothing_new() -> None:
    """All that a thread is in already is entered anywhere, user and mnt among them."""

    def enter() -> None:
        with closing(NamespaceSet.current()) as members:
            check_entering(members)

    in_worker(enter)


@powerful
def test_bare_with(target: Holder) -> None:
    """``with set`` gives the set, and is ``with set.enter()``."""
    types: tuple[TypeLike, ...] = ("net", "uts")
    before = own_all()
    with (
        closing(NamespaceSet.from_pid(target.pid, *types)) as members,
        members as entered,
    ):
        assert entered is members
        for link, namespace in there(target.pid, *types).items():
            assert identity(f"/proc/thread-self/ns/{link}") == namespace
    assert own_all() == before


def enter_traced(pid: str, *types: TypeLike) -> None:
    """Enter and leave, with marks around entering."""
    members = NamespaceSet.from_pid(int(pid), *types)
    mark()
    with members:
        mark()
    mark()


@powerful
@pytest.mark.parametrize(
    ("types", "count"),
    [((), 6), (PER_THREAD, 5), (("net", "user", "time"), 1), (("user", "time"), 0)],
    ids=repr,
)
def test_calls(target: Holder, types: tuple[TypeLike, ...], count: int) -> None:
    """What is shared costs no setns, and what differs costs one."""
    _, calls = traced(enter_traced, str(target.pid), *types)
    entering, leaving = calls[1:3]
    assert len(entering) == count, entering
    assert not any("NEWUSER" in call or "NEWTIME" in call for call in entering)
    # mnt along with another type moves the root of all threads.
    assert not any("NEWNS|" in call or "|CLONE_NEWNS" in call for call in entering)
    assert all(call.endswith("= 0") for call in entering + leaving)


@powerful
@pytest.mark.parametrize("moved", [("net",), ("uts", "ipc"), PER_THREAD], ids=repr)
def test_target_moves_on(moved: tuple[str, ...]) -> None:
    """A process that has moved on does not lead the caller after it."""
    types: tuple[TypeLike, ...] = ("net", "uts", "ipc", "cgroup")
    with (
        holder(*types) as target,
        closing(NamespaceSet.from_pid(target.pid, *types)) as members,
    ):
        before = there(target.pid, *types)
        target.unshare_again(*moved)
        assert there(target.pid, *types) != before
        in_worker(lambda: check_entering(members))
        in_child(lambda: check_entering(members))


@powerful
def test_target_dies() -> None:
    """A set outlives the process from which it was opened."""
    with holder("net", "uts", "pid") as target:
        members = NamespaceSet.from_pid(target.pid, "net", "uts")
    with closing(members):
        in_worker(lambda: check_entering(members))


@powerful
def test_target_loses_power() -> None:
    """A process that moved on into a user namespace of its own is not followed."""
    with (
        holder("net", "uts") as target,
        closing(NamespaceSet.from_pid(target.pid, "net", "uts")) as members,
    ):
        target.unshare_again("user", "net", "uts")
        in_worker(lambda: check_entering(members))


@powerful
def test_root_and_cwd(target: Holder, tmp_path: Path) -> None:
    """With mnt, a chroot and a deleted working directory come back."""
    need("pidfd-namespaces")  # There is no /proc.

    def enter() -> None:
        gone = tmp_path / "root/gone"
        gone.mkdir(parents=True)
        with Tasks() as tasks:
            os.chroot(tmp_path / "root")
            os.chdir("/gone")
            os.rmdir("/gone")
            before = tasks.state()
            with members:
                assert tasks.state()["root"] != before["root"]
            assert tasks.state() == before

    with closing(NamespaceSet.from_pid(target.pid, "mnt", "uts")) as members:
        in_child(enter)


@powerful
def test_nested(target: Holder) -> None:
    """Sets nest, also in themselves, and each exit takes back its own entry."""
    with (
        holder("net", "ipc") as other,
        closing(NamespaceSet.from_pid(target.pid, "net", "uts")) as outer,
        closing(NamespaceSet.from_pid(other.pid, "net", "ipc")) as inner,
    ):
        states = [own_all()]
        with outer:
            states.append(own_all())
            with inner:
                states.append(own_all())
                with outer:
                    states.append(own_all())
                    with outer:
                        assert own_all() == states[-1]
                    assert own_all() == states.pop()
                assert own_all() == states.pop()
            assert own_all() == states.pop()
        assert own_all() == states.pop()


@powerful
def test_nested_in_single(target: Holder) -> None:
    """Sets, single namespaces and fresh ones nest in each other."""
    with closing(NamespaceSet.from_pid(target.pid, "net", "uts")) as members:
        before = own_all()
        with members["net"], unshared("net", "ipc"):
            fresh = own_all()
            with members, members["uts"]:
                inside = own_all()
                assert inside["net"] == str(members["net"].id)
            assert own_all() == fresh
        assert own_all() == before


@powerful
def test_one_entry_twice(target: Holder) -> None:
    """The object of ``enter()`` may be entered again, also while it is."""
    with closing(NamespaceSet.from_pid(target.pid, "net", "uts")) as members:
        entry = members.enter()
        before = own_all()
        with entry:
            with entry:
                inside = own_all()
            assert own_all() == inside
        assert own_all() == before
        with entry:
            assert own_all() == inside
        assert own_all() == before


@powerful
def test_many_threads(target: Holder) -> None:
    """Many threads enter one set at once, and each is where it was afterwards."""
    threads, rounds = 8, 25
    start = threading.Barrier(threads)

    def enter() -> None:
        start.wait(10)
        before = own_all()
        for _ in range(rounds):
            with members:
                assert own_all()["net"] == str(members["net"].id)
                assert own_all()["uts"] == str(members["uts"].id)
            assert own_all() == before

    with (
        closing(NamespaceSet.from_pid(target.pid, "net", "uts", "ipc")) as members,
        ThreadPoolExecutor(threads) as pool,
    ):
        for entered in [pool.submit(enter) for _ in range(threads)]:
            entered.result()


@powerful
def test_no_leak(target: Holder) -> None:
    """Entering again and again leaves no descriptor open."""
    with closing(NamespaceSet.from_pid(target.pid, *PER_THREAD)) as members:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            with members:
                pass
        assert len(os.listdir("/proc/self/fd")) == before


@powerful
def test_closed_inside(target: Holder) -> None:
    """A set that is closed while a thread is inside is left as ever."""
    before = own_all()
    with NamespaceSet.from_pid(target.pid, "net", "uts") as members:
        members.close()
        assert own_all() != before
    assert own_all() == before


@powerful
def test_children(target: Holder) -> None:
    """Children born inside are in all members."""
    types: tuple[TypeLike, ...] = ("net", "pid", "uts")
    expected = {type: identity(f"/proc/{target.pid}/ns/{type}") for type in types}
    with closing(NamespaceSet.from_pid(target.pid, *types)) as members, members:
        born = in_child(
            lambda: {type: identity(f"/proc/self/ns/{type}") for type in types}
        )
    assert born == expected


@powerful
def test_body_raises(target: Holder) -> None:
    """An exception in the body passes, and the thread is back."""
    before = own_all()
    with (
        closing(NamespaceSet.from_pid(target.pid, "net", "uts")) as members,
        pytest.raises(ZeroDivisionError),
        members,
    ):
        raise ZeroDivisionError
    assert own_all() == before
