"""`Namespace.new` and `NamespaceSet.new`: fresh namespaces, and nobody moves."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from creating import (
    OWNED,
    POWER,
    TYPES,
    check_member,
    check_set,
    descriptors,
    inside,
    loopback_is_up,
    member,
    nothing_happens,
)
from holding import Holder, in_own_userns
from support import in_child, own_all
from targets import fresh
from test_switching_audit import recorded
from watching import in_main_of_many, in_worker

from pynamespaces import (
    MountNamespace,
    Namespace,
    NamespaceLimitError,
    NamespaceSet,
    NamespaceType,
    NetNamespace,
    TypeLike,
    UserNamespace,
    UtsNamespace,
    setns,
)

Run = Callable[[Callable[[], None]], None]

runs = pytest.mark.parametrize(
    "run", [in_child, in_main_of_many, in_worker], ids=["alone", "main", "worker"]
)


def check_one(type: TypeLike) -> None:
    """Make one namespace, with one descriptor and no other trace."""
    with nothing_happens():
        before = descriptors()
        with closing(Namespace.new(type)) as namespace:
            check_member(namespace, type)
            opened = descriptors().keys() - before
            assert opened == {namespace.fileno()}


def check_all(*types: TypeLike) -> None:
    """Make namespaces at once, with one descriptor of each and no other trace."""
    with nothing_happens():
        before = descriptors()
        with closing(NamespaceSet.new(*types)) as made:
            check_set(made, types)
            opened = descriptors().keys() - before
            assert opened == {member.fileno() for member in made.values()}


@POWER
@runs
@pytest.mark.parametrize("type", OWNED)
def test_one(type: TypeLike, run: Run) -> None:
    """A namespace of one type is fresh, and no thread of the caller's has moved."""
    run(lambda: check_one(type))


@runs
def test_user(run: Run) -> None:
    """Anybody makes a user namespace, with threads as well."""
    run(lambda: check_one("user"))


@runs
@pytest.mark.parametrize("type", OWNED)
def test_one_with_user(type: TypeLike, run: Run) -> None:
    """Anybody makes one of another type together with a user namespace."""
    run(lambda: check_all("user", type))


@runs
def test_all(run: Run) -> None:
    """Anybody makes all types at once, in whichever order they are named."""
    run(lambda: check_all(*TYPES))
    run(lambda: check_all(*reversed(TYPES)))


@POWER
def test_all_but_user() -> None:
    """With power they are made in the caller's user namespace."""
    check_all(*OWNED)


@pytest.mark.parametrize("type", OWNED)
def test_in_own_userns(type: TypeLike) -> None:
    """An ordinary user has the power in a user namespace of its own."""
    in_own_userns(lambda: check_one(type), type)


def test_entered_by_child() -> None:
    """What an ordinary user made is joined by a child, which is root there."""
    types: tuple[TypeLike, ...] = ("user", "net", "mnt", "uts")
    with closing(NamespaceSet.new(*types)) as made:

        def join() -> tuple[dict[str, str], tuple[int, ...], str]:
            setns(made)
            socket.sethostname("inside")
            ids = (*os.getresuid(), *os.getresgid())
            return own_all(), ids, Path("/proc/self/uid_map").read_text()

        links, ids, mapped = in_child(join)
        assert {links[type] for type in types} == {str(m.id) for m in made.values()}
        assert links["ipc"] == own_all()["ipc"]
        assert set(ids) == {0}
        assert mapped.split()[::2] == ["0", "1"]
        assert member(made, UtsNamespace).hostname == "inside"


def test_classes() -> None:
    """What is made is of the subclass of its type, asked for by either class."""
    with closing(UserNamespace.new("user")) as user:
        assert type(user) is UserNamespace
        kinds: dict[TypeLike, type[Namespace]] = {
            "mnt": MountNamespace,
            NamespaceType.NET: NetNamespace,
            "uts": UtsNamespace,
        }
        for asked, kind in kinds.items():
            for maker in (kind, Namespace):
                with closing(maker.new(asked, owner=user)) as made:
                    assert type(made) is kind


def test_named_twice() -> None:
    """A type that is named twice is made once."""
    with closing(NamespaceSet.new("user", "uts", NamespaceType.UTS)) as made:
        assert tuple(made) == ("user", "uts")


def test_each_is_another() -> None:
    """Namespaces made one after the other are different ones."""
    made = [NamespaceSet.new("user", "ipc") for _ in range(5)]
    assert len({member.id for members in made for member in members.values()}) == 10
    for members in made:
        members.close()


def test_lives_by_descriptor() -> None:
    """It lives as long as its descriptor, and no longer."""

    def make() -> list[str]:
        Path("/proc/sys/user/max_uts_namespaces").write_text("1")
        with closing(Namespace.new("uts")) as only:
            with pytest.raises(NamespaceLimitError):
                Namespace.new("uts")
            names = [only.hostname]
        # The kernel takes its time to count it no more.
        deadline = time.monotonic() + 30
        while True:
            try:
                with closing(Namespace.new("uts")) as next:
                    return [*names, next.hostname]
            except NamespaceLimitError:
                if time.monotonic() > deadline:
                    raise

    assert in_own_userns(make) == [os.uname().nodename] * 2


def test_no_process_is_inside() -> None:
    """No process stays inside, nor is one needed."""
    with closing(NamespaceSet.new("user", "ipc", "net", "uts")) as made:
        texts = {str(member.id) for member in made.values()}
        for path in Path("/proc").glob("[0-9]*/task/*/ns/*"):
            try:
                assert os.readlink(path) not in texts
            except OSError:
                continue  # It has ended, or is somebody else's.


# --- what is set up ---


@pytest.mark.parametrize("name", ["", "x", "höst", "n" * 64, "a b\n"])
def test_hostname(name: str) -> None:
    """The host name is as given, and the caller's is what it was."""
    before = os.uname()
    with closing(NamespaceSet.new("user", "uts", hostname=name)) as made:
        assert inside(made, os.uname).nodename == name
    assert os.uname() == before


@POWER
@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
def test_hostname_is_copied(run: Run) -> None:
    """Without one it is that of the calling thread's uts namespace."""

    def check() -> None:
        outside = os.uname().nodename
        with Namespace.new("uts", hostname="pyns-outer") as outer:
            with closing(Namespace.new("uts")) as inner:
                assert inner.hostname == "pyns-outer"
        with closing(Namespace.new("uts")) as other:
            assert other.hostname == outside
        outer.close()

    run(check)


@pytest.mark.parametrize("loopback", [True, False], ids=["up", "down"])
def test_loopback(loopback: bool) -> None:
    """The loopback is up, unless that is not wanted."""
    with closing(NamespaceSet.new("user", "net", loopback=loopback)) as made:
        assert loopback_is_up(member(made, NetNamespace)) is loopback


def test_loopback_by_default() -> None:
    """The loopback is up if nothing is said."""
    with closing(NamespaceSet.new("user", "net")) as made:
        assert loopback_is_up(member(made, NetNamespace))


# --- from where ---


@POWER
def test_inside_another() -> None:
    """A worker that is inside a namespace stays there, and others where they are."""

    def visit(around: Namespace) -> None:
        with around, nothing_happens():
            before = own_all()
            assert before["net"] == str(around.id)
            with closing(NamespaceSet.new("net", "uts", "user")) as made:
                check_set(made, ("net", "uts", "user"))
                assert own_all() == before

    with fresh("net") as around:
        in_worker(lambda: visit(around))


@POWER
def test_inside_pid_namespace_with_init(target: Holder) -> None:
    """Where children are born in a living pid namespace, all is as ever."""
    with closing(Namespace.from_pid(target.pid, "pid")) as around:

        def visit() -> None:
            with around:
                check_all("net", "user")
                check_one("time")

        in_worker(visit)
        in_child(visit)


def test_audit() -> None:
    """Making raises one audit event, with the names of the types."""
    types: tuple[TypeLike, ...] = ("user", "net", "uts")

    def events() -> list[tuple[str, frozenset[str]]]:
        return recorded(lambda: NamespaceSet.new(*types).close())

    assert in_child(events) == [("pynamespaces.clone3", frozenset(types))]
