"""`NetNamespace.socket`, `from_socket` and `cookie`: sockets made elsewhere."""

import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import pytest
from newer import need
from provoking import drop_capabilities, need_own_user, own_user
from reaching import is_of
from support import in_child
from targets import POWER
from veth import Pair, net, pair

from pynamespaces import (
    ClosedNamespaceError,
    Namespace,
    NamespacePermissionError,
    NetNamespace,
)

__all__ = ["net", "pair"]

OPEN = [
    (socket.AF_INET, socket.SOCK_STREAM, 0),
    (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.AF_INET6, socket.SOCK_DGRAM, 0),
    (socket.AF_UNIX, socket.SOCK_STREAM, 0),
    (socket.AF_UNIX, socket.SOCK_SEQPACKET, 0),
    (socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE),
]
"""What anybody may have."""
POWERFUL = [
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
    (socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)),
    (socket.AF_PACKET, socket.SOCK_DGRAM, 0),
]
"""What takes CAP_NET_RAW over the namespace."""


def names(kinds: Sequence[tuple[int, int, int]]) -> list[str]:
    """Name kinds of sockets in the names of tests."""
    return [f"{kind[0]!s}-{kind[1]!s}-{kind[2]}" for kind in kinds]


@pytest.mark.parametrize("kind", OPEN + POWERFUL, ids=names(OPEN + POWERFUL))
def test_socket(net: NetNamespace, kind: tuple[int, int, int]) -> None:
    """It is an ordinary socket of the kind asked for, and belongs there."""
    with net.socket(*kind) as sock, socket.socket(fileno=os.dup(sock.fileno())) as seen:
        assert type(sock) is socket.socket
        assert (sock.family, sock.type, sock.proto) == kind
        assert (seen.family, seen.type) == kind[:2]
        assert not sock.get_inheritable()
        assert sock.gettimeout() is None
        assert os.get_blocking(sock.fileno())
        assert is_of(sock, net)


def test_socket_by_default(net: NetNamespace) -> None:
    """Without arguments it is a TCP socket, as socket.socket's is."""
    with net.socket() as sock, socket.socket() as known:
        assert (sock.family, sock.type, sock.proto) == (
            known.family,
            known.type,
            known.proto,
        )


@pytest.mark.parametrize("flag", [socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC, 0])
def test_flags_in_the_type(net: NetNamespace, flag: int) -> None:
    """Flags in the type mean what they mean to socket.socket."""
    arguments = socket.AF_INET, socket.SOCK_DGRAM | flag
    with net.socket(*arguments) as sock, socket.socket(*arguments) as known:
        for one in (sock, known):
            assert one.type == socket.SOCK_DGRAM
            assert one.gettimeout() == (0.0 if flag == socket.SOCK_NONBLOCK else None)
            assert os.get_blocking(one.fileno()) is (flag != socket.SOCK_NONBLOCK)
            assert not one.get_inheritable()


@contextmanager
def default_timeout(seconds: float) -> Iterator[None]:
    """Give new sockets a timeout."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def test_default_timeout(net: NetNamespace) -> None:
    """The timeout that new sockets have is theirs too."""
    with default_timeout(7.5), net.socket() as sock:
        assert sock.gettimeout() == 7.5
        assert not os.get_blocking(sock.fileno())


def test_socket_outlives_the_handle(pair: Pair) -> None:
    """A socket keeps its namespace alive when the handle is closed."""
    sock = pair.far.socket()
    place = pair.far.id
    pair.far.close()
    with sock, closing(NetNamespace.from_socket(sock)) as found:
        sock.bind(("127.0.0.1", 0))
        assert found.id == place


def test_abstract_names_are_of_the_namespace(pair: Pair) -> None:
    """One abstract name is another server in each namespace, and reaches that."""
    unix = socket.AF_UNIX, socket.SOCK_DGRAM
    name = f"\0pynamespaces-{os.getpid()}"
    with pair.near.socket(*unix) as near, pair.far.socket(*unix) as far:
        near.bind(name)
        far.bind(name)
        for ns, server in zip(pair, (near, far), strict=True):
            with ns.socket(*unix) as client:
                client.sendto(b"hello", name)
                assert server.recv(9, socket.MSG_DONTWAIT) == b"hello"
        with socket.socket(*unix) as client, pytest.raises(ConnectionRefusedError):
            client.connect(name)


@pytest.mark.parametrize(
    "wrong",
    [
        (200, socket.SOCK_STREAM, 0),
        (socket.AF_INET, 9, 0),
        (socket.AF_INET, socket.SOCK_SEQPACKET, 0),
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP),
        (socket.AF_NETLINK, socket.SOCK_STREAM, 0),
        (socket.AF_NETLINK, socket.SOCK_RAW, 999),
        (socket.AF_UNIX, socket.SOCK_STREAM, 99),
    ],
)
def test_what_cannot_be(net: NetNamespace, wrong: tuple[int, int, int]) -> None:
    """What the kernel does not have is told as by socket.socket."""
    with pytest.raises(OSError) as known:
        socket.socket(*wrong)
    with pytest.raises(OSError) as caught:
        net.socket(*wrong)
    assert type(caught.value) is type(known.value)
    assert caught.value.errno == known.value.errno
    assert str(caught.value) == str(known.value)


@pytest.mark.parametrize("name", ["family", "type", "proto"])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [(2**31, ValueError), (-(2**31) - 1, ValueError), ("2", TypeError)],
)
def test_arguments_out_of_range(
    net: NetNamespace, name: str, wrong: object, error: type[Exception]
) -> None:
    """What is no C int is refused by name, before anything is done."""
    with pytest.raises(error, match=name):
        net.socket(**{name: wrong})  # type: ignore[arg-type]


CALLS: list[Callable[[NetNamespace], object]] = [
    lambda net: net.socket(),
    lambda net: net.cookie,
    lambda net: net.create_connection(("127.0.0.1", 1)),
    lambda net: net.create_server(("127.0.0.1", 0)),
]
"""All that needs the namespace."""
calls = pytest.mark.parametrize(
    "call", CALLS, ids=["socket", "cookie", "create_connection", "create_server"]
)


@calls
def test_closed(net: NetNamespace, call: Callable[[NetNamespace], object]) -> None:
    """A handle that has been closed reaches nothing."""
    net.close()
    with pytest.raises(ClosedNamespaceError):
        call(net)


@calls
def test_without_power(call: Callable[[NetNamespace], object]) -> None:
    """Who has no power over a namespace, and is not in it, has no socket there."""
    need_own_user()

    def ask() -> None:
        own_user()
        with closing(Namespace.new("net")) as foreign:
            drop_capabilities()
            call(foreign)

    with pytest.raises(NamespacePermissionError) as caught:
        in_child(ask)
    assert (caught.value.errno, caught.value.syscall) == (errno.EPERM, "setns")
    assert caught.value.types == ("net",)


def test_own_namespace_without_power() -> None:
    """An ordinary user has sockets, a server and the cookie of where it is."""
    need("netns-cookies")  # By which it is known that it is here.

    def ask() -> None:
        drop_capabilities()
        with closing(Namespace.current("net")) as own:
            for kind in OPEN:
                with own.socket(*kind) as sock:
                    assert is_of(sock, own)
            with own.create_server(("", 0)) as server:
                assert is_of(server, own)
            assert own.cookie == own.cookie > 0

    in_child(ask)


@pytest.mark.parametrize("kind", POWERFUL, ids=names(POWERFUL))
def test_raw_socket_without_power(kind: tuple[int, int, int]) -> None:
    """A raw socket of its own namespace is refused to an ordinary user."""

    def ask() -> None:
        drop_capabilities()
        with closing(Namespace.current("net")) as own:
            own.socket(*kind)

    with pytest.raises(NamespacePermissionError, match="CAP_NET_RAW") as caught:
        in_child(ask)
    assert (caught.value.errno, caught.value.syscall) == (errno.EPERM, "socket")


@POWER
def test_own_namespace_of_the_thread(pair: Pair) -> None:
    """Within another namespace, a socket is still of the one that was asked."""
    with closing(Namespace.current("net")) as home, pair.near:
        for ns in (home, pair.near, pair.far):
            with ns.socket() as sock:
                assert is_of(sock, ns)
        assert pair.near.is_current()
