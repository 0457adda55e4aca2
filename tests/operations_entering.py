"""Opening namespaces, and entering them."""

import threading
from contextlib import closing

from holding import holder
from operations import POWER, Attempt, Body, makable, operation
from support import identity, own, own_all

from pynamespaces import (
    Namespace,
    NamespaceSet,
    TypeLike,
    UserNamespace,
    setns,
    unshare,
    unshared,
)

_SEVERAL: tuple[TypeLike, ...] = ("cgroup", "ipc", "net", "uts", "mnt")


@operation("Namespace.current")
def current(attempt: Attempt) -> None:
    """Open what the calling thread is in."""
    with attempt.failing() as stack:
        found = stack.enter_context(closing(Namespace.current("net")))
    if attempt.worked:
        assert identity(found.fileno()) == own("net")


def _check_of(namespace: Namespace, pid: int) -> None:
    path = f"/proc/{pid}/ns/{namespace.type}"
    assert identity(namespace.fileno()) == identity(path)


@operation("Namespace.from_pid")
def from_pid(attempt: Attempt) -> None:
    """Open what a process is in."""
    with holder("user", "net") as other:
        with attempt.failing() as stack:
            namespace = Namespace.from_pid(other.pid, "net")
            stack.enter_context(closing(namespace))
        if attempt.worked:
            _check_of(namespace, other.pid)


@operation("NamespaceSet.from_pid")
def set_from_pid(attempt: Attempt) -> None:
    """Open all that a process is in."""
    with holder("user", "net", "uts", "mnt") as other:
        with attempt.failing() as stack:
            found = stack.enter_context(closing(NamespaceSet.from_pid(other.pid)))
        if attempt.worked:
            assert len(found) == 8
            for namespace in found.values():
                _check_of(namespace, other.pid)


@operation("Namespace.from_path")
def from_path(attempt: Attempt) -> None:
    """Open a namespace file."""
    with attempt.failing() as stack:
        namespace = Namespace.from_path("/proc/self/ns/uts", "uts")
        stack.enter_context(closing(namespace))
    if attempt.worked:
        assert identity(namespace.fileno()) == own("uts")


@operation("owner(), id, uid_map")
def owner(attempt: Attempt) -> None:
    """Ask who owns a namespace, and what it is."""
    with closing(NamespaceSet.new("user", "net")) as both:
        user = both["user"]
        assert isinstance(user, UserNamespace)
        with attempt.failing() as stack:
            found = stack.enter_context(closing(both["net"].owner()))
            unique, uid_map = both["net"].id.unique, user.uid_map
        if attempt.worked:
            assert found == user
            assert unique != 0
            assert [count for _, _, count in uid_map] == [1]


def _entering(type: TypeLike, *, unshare_fs: bool = False) -> Body:
    def body(attempt: Attempt) -> None:
        with closing(Namespace.new(type)) as namespace:
            home, inside = own_all(), [(0, 0)]
            with attempt.failing(), namespace.enter(unshare_fs=unshare_fs):
                inside = attempt.look(type)
            if attempt.worked:
                assert inside == [identity(namespace.fileno())]
                assert own_all() == home

    return body


for _type in _SEVERAL:
    operation(f"with {_type}", *POWER)(_entering(_type))
# The clocks of a user namespace are those of the one above: there is no way back.
operation("with time", "root")(_entering("time"))


@operation("with mnt, beside threads", *POWER)
def entering_threaded(attempt: Attempt) -> None:
    """Enter mounts from a process with threads."""
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        _entering("mnt", unshare_fs=True)(attempt)
    finally:
        over.set()
        other.join()


@operation("with pid", *POWER)
def entering_pid(attempt: Attempt) -> None:
    """Enter where children are born."""
    with holder("pid") as other, closing(Namespace.from_pid(other.pid, "pid")) as pid:
        home, inside = own_all(), [(0, 0)]
        with attempt.failing(), pid:
            inside = attempt.look("pid_for_children")
        if attempt.worked:
            assert inside == [identity(pid.fileno())]
            assert own_all() == home


@operation("with set", *POWER)
def entering_set(attempt: Attempt) -> None:
    """Enter several, all or none."""
    with closing(NamespaceSet.new(*_SEVERAL)) as fresh:
        home, inside = own_all(), [(0, 0)]
        with attempt.failing(), fresh:
            inside = attempt.look(*_SEVERAL)
        if attempt.worked:
            wanted = {name.value: each.fileno() for name, each in fresh.items()}
            assert inside == [identity(wanted[type]) for type in _SEVERAL]
            assert own_all() == home


@operation("unshared", *POWER)
def leaving_again(attempt: Attempt) -> None:
    """Be in fresh ones, and come back."""
    home, inside = own_all(), [own("net"), own("uts")]
    with attempt.failing(), unshared("net", "uts", loopback=True):
        inside = attempt.look("net", "uts")
    if attempt.worked:
        assert own("net") not in inside
        assert own("uts") not in inside
        assert own_all() == home


@operation("unshare")
def unsharing(attempt: Attempt) -> None:
    """Move into fresh ones for good."""
    home = own_all()
    with attempt.failing():
        unshare(*makable("net", "uts"))
    if attempt.worked:
        there = own_all()
        assert {name for name in home if home[name] != there[name]} >= {"net", "uts"}
        attempt.is_elsewhere = True


@operation("setns")
def joining(attempt: Attempt) -> None:
    """Move into others for good."""
    with closing(NamespaceSet.new("user", "net", "mnt")) as fresh:
        with attempt.failing():
            setns(fresh)
        if attempt.worked:
            attempt.is_elsewhere = True
            assert [own(name) for name in fresh] == [
                identity(each.fileno()) for each in fresh.values()
            ]
