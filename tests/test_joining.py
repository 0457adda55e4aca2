"""`setns` of a `NamespaceSet`: into all of its members for good, or into none."""

import os
from collections.abc import Callable
from contextlib import closing

import pytest
from holding import Holder, holder
from support import identity, in_child, own_all
from watching import Tasks, bystanders, in_worker, link_of, mark, traced

from pynamespaces import (
    ClosedNamespaceError,
    MultithreadedError,
    Namespace,
    NamespaceSet,
    SystemCallError,
    TypeLike,
    setns,
)
from pynamespaces._lib import lib

powerful = pytest.mark.tier("root", "userns")

SOME: tuple[TypeLike, ...] = ("ipc", "net", "uts")
Opener = Callable[[Holder, tuple[TypeLike, ...]], NamespaceSet]

MANY: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def by_one(target: Holder, types: tuple[TypeLike, ...]) -> NamespaceSet:
    """Open namespaces of a process together."""
    return NamespaceSet.from_pid(target.pid, *types)


def each_alone(target: Holder, types: tuple[TypeLike, ...]) -> NamespaceSet:
    """Open namespaces of a process one by one, so that the set knows no process."""
    return NamespaceSet(Namespace.from_pid(target.pid, type) for type in types)


OPENERS = pytest.mark.parametrize("opener", [by_one, each_alone])


def joined(members: NamespaceSet) -> list[str]:
    """Join in a child; return the types whose links then lead to the members."""

    def change() -> list[str]:
        with Tasks() as tasks:
            setns(members)
            return [
                type
                for type, member in members.items()
                if tasks.identity(link_of(type)) == identity(member.fileno())
            ]

    return in_child(change)


def refused(members: NamespaceSet, error: type[Exception]) -> None:
    """Check, in a child, that joining raises and changes nothing."""

    def change() -> tuple[str, bool]:
        with Tasks() as tasks:
            before, failure = tasks.state(), "none"
            try:
                setns(members)
            except Exception as caught:
                failure = type(caught).__name__
            return failure, tasks.state() == before

    assert in_child(change) == (error.__name__, True)


def join_traced(pid: str, how: str, *types: TypeLike) -> dict[str, object]:
    """Join between two marks, and say what came of it."""
    if how == "by one":
        members = NamespaceSet.from_pid(int(pid), *types)
    else:
        members = NamespaceSet(Namespace.from_pid(int(pid), type) for type in types)
    Namespace.current("net").close()  # From now on this thread has its pidfd.
    with Tasks() as tasks:
        before, failure = tasks.state(), ""
        descriptors = set(os.listdir("/proc/self/fd"))
        mark()
        try:
            setns(members)
        except SystemCallError as error:
            failure = type(error).__name__
        mark()
        after = tasks.state()
        there = all(
            tasks.identity(link_of(type)) == identity(member.fileno())
            for type, member in members.items()
        )
        changed = sorted(name for name in before if before[name] != after[name])
        clean = set(os.listdir("/proc/self/fd")) <= descriptors
    return {"failure": failure, "changed": changed, "there": there, "clean": clean}


def calls_of(calls: list[list[str]]) -> list[str]:
    """Return the calls of setns between the marks."""
    assert len(calls) == 3
    return [call for call in calls[1] if call.startswith("setns")]


@powerful
@pytest.mark.parametrize("types", [SOME, MANY, ("uts",), ("net", "user", "uts")])
def test_one_call(types: tuple[TypeLike, ...]) -> None:
    """A living process's set is joined by one call that names exactly its types."""
    with holder(*types) as target:
        answer, calls = traced(join_traced, str(target.pid), "by one", *types)
    links = {link_of(type) for type in types}
    links |= {"root", "cwd"} & ({"root", "cwd"} if "mnt" in types else set())
    changed = sorted(links)
    assert answer == {"failure": "", "changed": changed, "there": True, "clean": True}
    (call,) = calls_of(calls)
    flags = call.split(",", 1)[1].split(")")[0].split("|")
    names = {"mnt": "NS"}
    assert {flag.strip() for flag in flags} == {
        f"CLONE_NEW{names.get(type, type.upper())}" for type in types
    }


@powerful
def test_only_what_differs() -> None:
    """What the thread is in already is left out of the call."""
    with holder("uts") as target:
        answer, calls = traced(join_traced, str(target.pid), "by one", *SOME)
    assert isinstance(answer, dict)
    assert (answer["changed"], answer["there"]) == (["uts"], True)
    (call,) = calls_of(calls)
    assert call.split(",", 1)[1].strip().startswith("CLONE_NEWUTS)")


@pytest.mark.parametrize("how", ["by one", "each alone"])
def test_nothing_to_join(how: str) -> None:
    """A set of what the thread is in already takes no call, and no power."""
    answer, calls = traced(join_traced, str(os.getpid()), how, *MANY, "user")
    assert answer == {"failure": "", "changed": [], "there": True, "clean": True}
    assert calls_of(calls) == []


def test_with_user() -> None:
    """A user namespace is joined together with what it owns, without power before."""
    types: tuple[TypeLike, ...] = ("ipc", "mnt", "net", "user", "uts")
    with (
        holder(*types) as target,
        closing(NamespaceSet.from_pid(target.pid, *types)) as members,
    ):
        assert joined(members) == list(types)


@powerful
def test_process_has_moved_on() -> None:
    """Without user, what is joined is what was opened, not where the process went."""
    with (
        holder(*SOME) as target,
        closing(NamespaceSet.from_pid(target.pid, *SOME)) as members,
    ):
        target.unshare_again("uts")
        assert members["uts"].id.ino != os.stat(f"/proc/{target.pid}/ns/uts").st_ino
        assert joined(members) == list(SOME)


@powerful
def test_process_has_died() -> None:
    """Without user, a set outlives its process."""
    with holder(*SOME) as target:
        members = NamespaceSet.from_pid(target.pid, *SOME)
    with closing(members):
        assert joined(members) == list(SOME)


@powerful
def test_each_alone() -> None:
    """A set that was put together is joined one by one."""
    with holder(*MANY) as target, closing(each_alone(target, MANY)) as members:
        assert joined(members) == list(MANY)


def test_with_user_moved_on() -> None:
    """With user, a set is joined as it is when its process has moved on."""
    with (
        holder("user", *SOME) as target,
        closing(NamespaceSet.from_pid(target.pid, "user", *SOME)) as members,
    ):
        target.unshare_again("uts")
        assert joined(members) == list(members)


def test_with_user_dead() -> None:
    """With user, a set is joined when its process has died."""
    with holder("user", *SOME) as target:
        members = NamespaceSet.from_pid(target.pid, "user", *SOME)
    with closing(members):
        assert joined(members) == list(members)


def test_with_user_each_alone() -> None:
    """With user, a set is joined that no process is known to have."""
    with (
        holder("user", *SOME) as target,
        closing(each_alone(target, ("user", *SOME))) as members,
    ):
        assert joined(members) == list(members)


@powerful
@OPENERS
@pytest.mark.parametrize("types", [("mnt",), ("mnt", "uts")], ids="+".join)
def test_mnt_with_threads(types: tuple[TypeLike, ...], opener: Opener) -> None:
    """In a process with threads mnt is refused with the rest, and no thread moves."""

    def change() -> None:
        with Tasks() as tasks:
            before, others = tasks.state(), tasks.others()
            with pytest.raises(MultithreadedError) as caught:
                setns(members)
            assert (tasks.state(), tasks.others()) == (before, others)
            assert "mnt" in caught.value.types

    with holder("mnt", "uts") as target:
        made = opener(target, types)
        with closing(made) as members:
            in_child(lambda: in_worker(change))


def test_user_with_threads() -> None:
    """In a process with threads user is refused with the rest."""

    def change() -> None:
        with bystanders(1):
            before = own_all()
            with pytest.raises(MultithreadedError):
                setns(members)
            assert own_all() == before

    with (
        holder("user", *SOME) as target,
        closing(NamespaceSet.from_pid(target.pid, "user", *SOME)) as members,
    ):
        in_child(change)


@powerful
@pytest.mark.parametrize("how", ["by one", "each alone"])
def test_fails(how: str) -> None:
    """A call that fails, the first or a later one, leaves nothing changed."""
    times = [1] if how == "by one" else [1, 2, 3]
    with holder(*SOME) as target:
        for when in times:
            inject = f"setns:error=ENOMEM:when={when}"
            arguments = str(target.pid), how, *SOME
            answer, _ = traced(join_traced, *arguments, inject=inject)
            assert answer == {
                "failure": "SystemCallError",
                "changed": [],
                "there": False,
                "clean": True,
            }


@powerful
@OPENERS
@pytest.mark.parametrize("member", [*SOME, None])
def test_closed(member: TypeLike | None, opener: Opener) -> None:
    """A set with a closed member is refused as a whole."""
    with holder(*SOME) as target:
        made = opener(target, SOME)
        with closing(made) as members:
            (members[member] if member else members).close()
            refused(members, ClosedNamespaceError)


@powerful
def test_for_good() -> None:
    """What was joined is home afterwards, and entering comes back to it."""

    def change() -> None:
        Namespace.current("net").close()  # From now on this thread has its pidfd.
        descriptors = set(os.listdir("/proc/self/fd"))
        setns(members)
        assert set(os.listdir("/proc/self/fd")) <= descriptors
        assert lib.pyns_depth() == 0
        with Tasks() as tasks:
            before = tasks.state()
            with outside:
                assert tasks.state() != before
            assert tasks.state() == before

    with (
        holder(*SOME) as target,
        closing(each_alone(target, SOME)) as members,
        closing(Namespace.current("uts")) as outside,
    ):
        in_child(change)
