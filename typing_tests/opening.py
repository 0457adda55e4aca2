"""What type checkers know of opening and entering; checked, never run."""

from pathlib import Path
from typing import assert_type

from pynamespaces import (
    CgroupNamespace,
    CloneFlag,
    IpcNamespace,
    MountNamespace,
    Namespace,
    NamespaceId,
    NamespaceSet,
    NamespaceType,
    NetNamespace,
    PidNamespace,
    TimeNamespace,
    TypeLike,
    UserNamespace,
    UtsNamespace,
    setns,
    unshare,
    unshared,
)


def by_pid(type: TypeLike, member: NamespaceType) -> None:
    """A literal type gives its subclass, and any other the base."""
    assert_type(Namespace.from_pid(1, "cgroup"), CgroupNamespace)
    assert_type(Namespace.from_pid(1, "ipc"), IpcNamespace)
    assert_type(Namespace.from_pid(1, "mnt"), MountNamespace)
    assert_type(Namespace.from_pid(1, "net"), NetNamespace)
    assert_type(Namespace.from_pid(1, "pid"), PidNamespace)
    assert_type(Namespace.from_pid(1, "time"), TimeNamespace)
    assert_type(Namespace.from_pid(1, "user"), UserNamespace)
    assert_type(Namespace.from_pid(1, "uts"), UtsNamespace)
    assert_type(Namespace.from_pid(1, NamespaceType.CGROUP), CgroupNamespace)
    assert_type(Namespace.from_pid(1, NamespaceType.IPC), IpcNamespace)
    assert_type(Namespace.from_pid(1, NamespaceType.MNT), MountNamespace)
    assert_type(Namespace.from_pid(1, NamespaceType.NET), NetNamespace)
    assert_type(Namespace.from_pid(1, NamespaceType.PID), PidNamespace)
    assert_type(Namespace.from_pid(1, NamespaceType.TIME), TimeNamespace)
    assert_type(Namespace.from_pid(1, NamespaceType.USER), UserNamespace)
    assert_type(Namespace.from_pid(1, NamespaceType.UTS), UtsNamespace)
    assert_type(Namespace.from_pid(1, type), Namespace)
    assert_type(Namespace.from_pid(1, member), Namespace)
    Namespace.from_pid(1, "network")  # type: ignore[call-overload]
    Namespace.from_pid("1", "net")  # type: ignore[call-overload]
    Namespace.from_pid(1)  # type: ignore[call-overload]


def by_pidfd(type: TypeLike) -> None:
    """A pidfd, or what lends one."""
    with open("/") as file:
        assert_type(Namespace.from_pidfd(file, "net"), NetNamespace)
    assert_type(Namespace.from_pidfd(3, "cgroup"), CgroupNamespace)
    assert_type(Namespace.from_pidfd(3, "ipc"), IpcNamespace)
    assert_type(Namespace.from_pidfd(3, "mnt"), MountNamespace)
    assert_type(Namespace.from_pidfd(3, "net"), NetNamespace)
    assert_type(Namespace.from_pidfd(3, "pid"), PidNamespace)
    assert_type(Namespace.from_pidfd(3, "time"), TimeNamespace)
    assert_type(Namespace.from_pidfd(3, "user"), UserNamespace)
    assert_type(Namespace.from_pidfd(3, NamespaceType.UTS), UtsNamespace)
    assert_type(Namespace.from_pidfd(3, type), Namespace)
    Namespace.from_pidfd("3", "net")  # type: ignore[call-overload]


def by_path(type: TypeLike, maybe: TypeLike | None) -> None:
    """A path of any kind; without a type any namespace may come."""
    assert_type(Namespace.from_path("/x"), Namespace)
    assert_type(Namespace.from_path(b"/x"), Namespace)
    assert_type(Namespace.from_path(Path("/x")), Namespace)
    assert_type(Namespace.from_path("/x", None), Namespace)
    assert_type(Namespace.from_path("/x", maybe), Namespace)
    assert_type(Namespace.from_path("/x", type), Namespace)
    assert_type(Namespace.from_path("/x", type="net"), NetNamespace)
    assert_type(Namespace.from_path("/x", "cgroup"), CgroupNamespace)
    assert_type(Namespace.from_path("/x", "ipc"), IpcNamespace)
    assert_type(Namespace.from_path("/x", "mnt"), MountNamespace)
    assert_type(Namespace.from_path("/x", "pid"), PidNamespace)
    assert_type(Namespace.from_path("/x", "time"), TimeNamespace)
    assert_type(Namespace.from_path("/x", "user"), UserNamespace)
    assert_type(Namespace.from_path("/x", NamespaceType.UTS), UtsNamespace)
    Namespace.from_path(3)  # type: ignore[call-overload]


def by_fd(type: TypeLike) -> None:
    """A descriptor, or what lends one; without a type any namespace may come."""
    assert_type(Namespace.from_fd(3), Namespace)
    assert_type(Namespace.from_fd(Namespace.current("net")), Namespace)
    assert_type(Namespace.from_fd(3, type), Namespace)
    assert_type(Namespace.from_fd(3, "cgroup"), CgroupNamespace)
    assert_type(Namespace.from_fd(3, "ipc"), IpcNamespace)
    assert_type(Namespace.from_fd(3, "mnt"), MountNamespace)
    assert_type(Namespace.from_fd(3, "net"), NetNamespace)
    assert_type(Namespace.from_fd(3, "pid"), PidNamespace)
    assert_type(Namespace.from_fd(3, "time"), TimeNamespace)
    assert_type(Namespace.from_fd(3, "user"), UserNamespace)
    assert_type(Namespace.from_fd(3, NamespaceType.UTS), UtsNamespace)
    Namespace.from_fd(None)  # type: ignore[call-overload]


def by_container(type: TypeLike) -> None:
    """The id or the name of a container."""
    assert_type(Namespace.from_container("x", "cgroup"), CgroupNamespace)
    assert_type(Namespace.from_container("x", "ipc"), IpcNamespace)
    assert_type(Namespace.from_container("x", "mnt"), MountNamespace)
    assert_type(Namespace.from_container("x", "net"), NetNamespace)
    assert_type(Namespace.from_container("x", "pid"), PidNamespace)
    assert_type(Namespace.from_container("x", "time"), TimeNamespace)
    assert_type(Namespace.from_container("x", "user"), UserNamespace)
    assert_type(Namespace.from_container("x", "uts"), UtsNamespace)
    assert_type(Namespace.from_container("x", NamespaceType.CGROUP), CgroupNamespace)
    assert_type(Namespace.from_container("x", NamespaceType.IPC), IpcNamespace)
    assert_type(Namespace.from_container("x", NamespaceType.MNT), MountNamespace)
    assert_type(Namespace.from_container("x", NamespaceType.NET), NetNamespace)
    assert_type(Namespace.from_container("x", NamespaceType.PID), PidNamespace)
    assert_type(Namespace.from_container("x", NamespaceType.TIME), TimeNamespace)
    assert_type(Namespace.from_container("x", NamespaceType.USER), UserNamespace)
    assert_type(Namespace.from_container("x", NamespaceType.UTS), UtsNamespace)
    assert_type(Namespace.from_container("x", type), Namespace)
    assert_type(NamespaceSet.from_container("x"), NamespaceSet)
    assert_type(NamespaceSet.from_container("x", "net", type), NamespaceSet)
    Namespace.from_container(b"x", "net")  # type: ignore[call-overload]
    Namespace.from_container("x")  # type: ignore[call-overload]
    Namespace.from_container("x", "network")  # type: ignore[call-overload]


def current(type: TypeLike) -> None:
    """The calling thread's own."""
    assert_type(Namespace.current("cgroup"), CgroupNamespace)
    assert_type(Namespace.current("ipc"), IpcNamespace)
    assert_type(Namespace.current("mnt"), MountNamespace)
    assert_type(Namespace.current("net"), NetNamespace)
    assert_type(Namespace.current("pid"), PidNamespace)
    assert_type(Namespace.current("time"), TimeNamespace)
    assert_type(Namespace.current("user"), UserNamespace)
    assert_type(Namespace.current(NamespaceType.UTS), UtsNamespace)
    assert_type(Namespace.current(type), Namespace)
    Namespace.current(None)  # type: ignore[call-overload]


def what_it_tells(namespace: Namespace, user: UserNamespace, pid: PidNamespace) -> None:
    """Attributes and methods."""
    assert_type(namespace.type, NamespaceType)
    assert_type(namespace.type.flag, CloneFlag)
    assert_type(namespace.id, NamespaceId)
    assert_type(namespace.id.type, NamespaceType)
    assert_type(namespace.id.ino, int)
    assert_type(namespace.id.unique, int | None)
    assert_type(namespace.fileno(), int)
    assert_type(namespace.closed, bool)
    assert_type(namespace.owner(), UserNamespace)
    assert_type(namespace.is_current(), bool)
    assert_type(user.owner_uid, int)
    assert_type(user.parent(), UserNamespace)
    assert_type(pid.parent(), PidNamespace)
    namespace.parent()  # type: ignore[attr-defined]
    namespace.closed = True  # type: ignore[misc]
    Namespace(3)  # type: ignore[call-arg]


def entering(net: NetNamespace, many: NamespaceSet) -> None:
    """What ``with`` gives."""
    with net as inside:
        assert_type(inside, NetNamespace)
    with net.enter() as inside:
        assert_type(inside, NetNamespace)
    with net.enter(unshare_fs=True) as inside:
        assert_type(inside, NetNamespace)
    with many as all_inside:
        assert_type(all_inside, NamespaceSet)
    with many.enter(unshare_fs=True) as all_inside:
        assert_type(all_inside, NamespaceSet)
    with unshared("net", NamespaceType.UTS, loopback=True) as fresh:
        assert_type(fresh, NamespaceSet)
    net.enter(True)  # type: ignore[call-arg]  # noqa: FBT003
    unshared("network")  # type: ignore[arg-type]


def after_entering(net: NetNamespace) -> int:
    """``with`` swallows no exception, so what comes after is reached or raised."""
    with net:
        return 1


def sets(net: NetNamespace, uts: UtsNamespace) -> None:
    """A set is a mapping by type, or by its name."""
    many = NamespaceSet([net, uts])
    assert_type(many, NamespaceSet)
    assert_type(many["net"], Namespace)
    assert_type(many[NamespaceType.NET], Namespace)
    assert_type(many.flags, CloneFlag)
    assert_type(many.differing(many), NamespaceSet)
    assert_type(list(many), list[NamespaceType])
    assert_type(NamespaceSet.from_pid(1), NamespaceSet)
    assert_type(NamespaceSet.from_pid(1, "net", NamespaceType.UTS), NamespaceSet)
    assert_type(NamespaceSet.from_pidfd(3, "net"), NamespaceSet)
    assert_type(NamespaceSet.current("net"), NamespaceSet)
    NamespaceSet([3])  # type: ignore[list-item]


def for_good(net: NetNamespace) -> None:
    """The thin ones give nothing."""
    unshare("net", NamespaceType.UTS)
    setns(net)
    unshare("network")  # type: ignore[arg-type]
    setns(3)  # type: ignore[arg-type]
