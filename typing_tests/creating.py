"""What type checkers know of creating and reaching; checked, never run."""

import socket
from typing import assert_type

from pynamespaces import (
    IdMap,
    IpcNamespace,
    Mount,
    MountNamespace,
    Namespace,
    NamespaceSet,
    NetNamespace,
    TimeNamespace,
    TypeLike,
    UserNamespace,
    UtsNamespace,
    unpin,
)


def new(type: TypeLike, user: UserNamespace) -> None:
    """A literal type gives its subclass, and takes what is for it."""
    assert_type(Namespace.new("net"), NetNamespace)
    assert_type(Namespace.new("net", loopback=False, owner=user), NetNamespace)
    assert_type(Namespace.new("uts", hostname="blue"), UtsNamespace)
    assert_type(Namespace.new("time", time_offsets={"boottime": 1.5}), TimeNamespace)
    assert_type(Namespace.new("user", uid_map=IdMap.root()), UserNamespace)
    assert_type(Namespace.new("mnt"), MountNamespace)
    assert_type(Namespace.new("ipc", owner=user), IpcNamespace)
    assert_type(Namespace.new(type), Namespace)
    Namespace.new("net", uid_map=[(0, 0, 1)])  # type: ignore[call-overload]
    Namespace.new("user", owner=3)  # type: ignore[call-overload]


def new_set() -> None:
    """A set takes what is for any of its members."""
    made = NamespaceSet.new("user", "net", uid_map=IdMap([(0, 1000, 1)]))
    assert_type(made, NamespaceSet)
    NamespaceSet.new("network")  # type: ignore[arg-type]


def reach(net: NetNamespace, mnt: MountNamespace, user: UserNamespace) -> None:
    """What comes from elsewhere is of the standard library's types."""
    assert_type(net.socket(), socket.socket)
    assert_type(net.socket(socket.AF_INET6, socket.SOCK_DGRAM), socket.socket)
    assert_type(net.create_connection(("::1", 80), timeout=None), socket.socket)
    assert_type(net.create_connection(("::1", 80), 1.5), socket.socket)
    net.create_connection(("::1", 80), getaddrinfo=socket.getaddrinfo)
    assert_type(net.create_server(("", 0), family=socket.AF_INET6), socket.socket)
    assert_type(net.cookie, int)
    assert_type(NetNamespace.from_socket(net.socket()), NetNamespace)
    assert_type(mnt.open("/etc/hostname"), int)
    assert_type(mnt.mounts(), list[Mount])
    assert_type(user.uid_map, IdMap)
    assert_type(list(user.gid_map), list[tuple[int, int, int]])


def keep(net: NetNamespace) -> None:
    """Names and pins are paths and strings."""
    assert_type(NetNamespace.create("blue"), NetNamespace)
    assert_type(NetNamespace.from_name("blue"), NetNamespace)
    assert_type(NetNamespace.names(), list[str])
    NetNamespace.delete("blue")
    net.pin("/run/blue")
    unpin("/run/blue", missing_ok=True)
