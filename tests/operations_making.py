"""Making namespaces, and keeping them."""

import os
from contextlib import closing, suppress
from pathlib import Path

from operations import POWER, Attempt, Body, makable, operation
from provoking import mount, own_mounts
from support import identity, own, own_all

from pynamespaces import (
    IdMap,
    Namespace,
    NamespaceRef,
    NamespaceSet,
    NetNamespace,
    TypeLike,
    unpin,
)


def _making(type: TypeLike) -> Body:
    def body(attempt: Attempt) -> None:
        home = own_all()
        with attempt.failing() as stack:
            found = stack.enter_context(closing(Namespace.new(type)))
        if attempt.worked:
            assert found.type == type
            assert identity(found.fileno()) != own(type)
        assert own_all() == home

    return body


for _type in ("net", "mnt", "time"):
    operation(f"Namespace.new {_type}", *POWER)(_making(_type))
operation("Namespace.new user")(_making("user"))


@operation("NamespaceSet.new")
def several(attempt: Attempt) -> None:
    """Make several that belong together, and set them up."""
    with attempt.failing() as stack:
        found = stack.enter_context(
            closing(
                NamespaceSet.new(
                    *("user", "net", "uts", "mnt", "time"),
                    hostname="within",
                    time_offsets={"boottime": 5},
                    uid_map=IdMap.root(),
                    gid_map=IdMap.root(),
                )
            )
        )
    if attempt.worked:
        assert {str(name) for name in found} == {*("user", "net", "uts", "mnt", "time")}
        with closing(found["net"].owner()) as owner:
            assert owner == found["user"]


def _private(folder: str | Path) -> None:
    """Give this process mounts of its own, and an empty folder to mount on."""
    # Mount namespaces made on one processor are younger than those before them.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    own_mounts()
    mount("none", str(folder), "tmpfs")


def _pinning(type: TypeLike) -> Body:
    def body(attempt: Attempt) -> None:
        _private(attempt.place)
        path = attempt.place / "pin"
        with closing(Namespace.new(type)) as namespace:
            with attempt.failing():
                namespace.pin(path)
            if attempt.worked:
                assert identity(str(path)) == identity(namespace.fileno())
                unpin(path)
        attempt.is_elsewhere = True

    return body


operation("pin net", *POWER)(_pinning("net"))
operation("pin mnt", *POWER)(_pinning("mnt"))


@operation("unpin", *POWER)
def unpinning(attempt: Attempt) -> None:
    """Let a namespace go; where that fails, it is still there and can be let go."""
    _private(attempt.place)
    path = attempt.place / "pin"
    with closing(Namespace.new("uts")) as namespace:
        namespace.pin(path)
        with attempt.failing():
            unpin(path)
        if not attempt.worked:
            unpin(path, missing_ok=True)
        assert not path.exists()
    attempt.is_elsewhere = True


@operation("NetNamespace.create", *POWER)
def naming(attempt: Attempt) -> None:
    """Make one with a name."""
    _private("/run")
    # The folder, and that it passes mounts on, is for those after it as well.
    NetNamespace.create("first").close()
    with attempt.failing() as stack:
        found = stack.enter_context(closing(NetNamespace.create("blue")))
    if attempt.worked:
        assert identity("/run/netns/blue") == identity(found.fileno())
        NetNamespace.delete("blue")
    # After a failure, too.
    NetNamespace.create("blue").close()
    attempt.is_elsewhere = True


@operation("NetNamespace.create, the first", *POWER)
def naming_first(attempt: Attempt) -> None:
    """Make one with a name where there was none before."""
    _private("/run")
    with attempt.failing(apart_from=("mounts", "names")) as stack:
        found = stack.enter_context(closing(NetNamespace.create("blue")))
    if attempt.worked:
        assert identity("/run/netns/blue") == identity(found.fileno())
        NetNamespace.delete("blue")
    assert NetNamespace.names() == []
    NetNamespace.create("blue").close()
    attempt.is_elsewhere = True


@operation("NetNamespace.delete", *POWER)
def deleting(attempt: Attempt) -> None:
    """Take a name away; where that fails, it can be taken away afterwards."""
    _private("/run")
    NetNamespace.create("blue").close()
    with attempt.failing():
        NetNamespace.delete("blue")
    if not attempt.worked:
        with suppress(FileNotFoundError):
            NetNamespace.delete("blue")
    assert NetNamespace.names() == []
    attempt.is_elsewhere = True


@operation("NetNamespace.from_name, names", *POWER)
def by_name(attempt: Attempt) -> None:
    """Open one by its name."""
    _private("/run")
    NetNamespace.create("blue").close()
    with attempt.failing() as stack:
        names = NetNamespace.names()
        found = stack.enter_context(closing(NetNamespace.from_name("blue")))
    if attempt.worked:
        # Where there is no such directory, there are none.
        assert names in (["blue"], [])
        assert identity("/run/netns/blue") == identity(found.fileno())
    attempt.is_elsewhere = True


@operation("ref")
def referring(attempt: Attempt) -> None:
    """Make a reference to one."""
    with closing(Namespace.current("net")) as namespace:
        data = b""
        with attempt.failing():
            data = bytes(namespace.ref())
        if attempt.worked:
            assert str(NamespaceRef.from_bytes(data).id) == str(namespace.id)


@operation("resolve")
def resolving(attempt: Attempt) -> None:
    """Find it again."""
    with closing(Namespace.new(makable("net")[0])) as namespace:
        data = bytes(namespace.ref())
        with attempt.failing() as stack:
            found = NamespaceRef.from_bytes(data).resolve()
            stack.enter_context(closing(found))
        if attempt.worked:
            assert found == namespace
