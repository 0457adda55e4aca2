"""`NetNamespace.create_server`, as that of `socket`."""

import errno
import os
import socket
from contextlib import closing

import pytest
from provoking import drop_capabilities
from reaching import is_of
from support import in_child
from veth import Pair, net, pair

from pynamespaces import Namespace, NetNamespace

__all__ = ["net", "pair"]


def options(server: socket.socket) -> list[int]:
    """Return what a listening socket is set to."""
    wanted = [socket.SO_ACCEPTCONN, socket.SO_REUSEADDR, socket.SO_REUSEPORT]
    found = [server.getsockopt(socket.SOL_SOCKET, option) for option in wanted]
    if server.family == socket.AF_INET6:
        level, option = socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
        found.append(server.getsockopt(level, option))
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"family": socket.AF_INET},
        {"family": socket.AF_INET6},
        {"family": socket.AF_INET6, "dualstack_ipv6": True},
        {"reuse_port": True},
        {"backlog": 5},
    ],
    ids=str,
)
def test_server(net: NetNamespace, arguments: dict[str, bool]) -> None:
    """A server is set up as by socket.create_server, in that namespace."""
    with (
        net.create_server(("", 0), **arguments) as server,
        socket.create_server(("", 0), **arguments) as known,
    ):
        assert type(server) is socket.socket
        assert (server.family, server.type) == (known.family, known.type)
        assert server.getsockname()[0] == known.getsockname()[0]
        assert options(server) == options(known)
        assert server.gettimeout() is None
        assert not server.get_inheritable()
        assert is_of(server, net)


def test_backlog(net: NetNamespace) -> None:
    """It is as long as asked for."""
    with net.create_server(("127.0.0.1", 0), backlog=0) as server:
        target = server.getsockname()
        with net.create_connection(target), net.socket() as second:
            second.setblocking(False)
            waiting = second.connect_ex(target)
            assert waiting == errno.EINPROGRESS
            # The queue is full, so the kernel does not complete another one.
            assert second.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x02"


def test_dual_stack(net: NetNamespace) -> None:
    """A server of both families is connected to by either."""
    family = socket.AF_INET6
    with net.create_server(("", 0), family=family, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        for host in ("::1", "127.0.0.1"):
            with net.create_connection((host, port)):
                pass
    with net.create_server(("", 0), family=family) as server:
        with pytest.raises(ConnectionRefusedError):
            net.create_connection(("127.0.0.1", server.getsockname()[1]))


def test_dual_stack_of_one(net: NetNamespace) -> None:
    """IPv4 alone cannot take IPv6 as well."""
    with pytest.raises(ValueError, match="AF_INET6"):
        net.create_server(("", 0), dualstack_ipv6=True)


def test_port_in_use(pair: Pair) -> None:
    """A port is taken in the namespace where it is taken, and not in another."""
    before = os.listdir("/proc/self/fd")
    with pair.near.create_server(("127.0.0.1", 0)) as server:
        target = server.getsockname()
        with pytest.raises(OSError) as caught:
            pair.near.create_server(target)
        assert caught.value.errno == errno.EADDRINUSE
        with pair.far.create_server(target) as other:
            assert other.getsockname() == target
    assert os.listdir("/proc/self/fd") == before


def test_shared_port(net: NetNamespace) -> None:
    """Servers that agree on it have one port together."""
    with net.create_server(("", 0), reuse_port=True) as server:
        with net.create_server(server.getsockname(), reuse_port=True) as other:
            assert other.getsockname() == server.getsockname()


def test_port_is_free_at_once(net: NetNamespace) -> None:
    """A port that a connection lingers on can be listened at again."""
    with net.create_server(("127.0.0.1", 0)) as server:
        target = server.getsockname()
        with net.create_connection(target) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    with net.create_server(target) as server:
        assert server.getsockname() == target


def test_privileged_port(net: NetNamespace) -> None:
    """A privileged port of its own network is the caller's, as root of that."""
    with net.create_server(("127.0.0.1", 80)) as server:
        assert server.getsockname() == ("127.0.0.1", 80)


def test_privileged_port_without_power() -> None:
    """A privileged port of the caller's namespace is as privileged as it was."""

    def ask() -> tuple[int | None, list[str]]:
        drop_capabilities()
        with closing(Namespace.current("net")) as own:
            before = os.listdir("/proc/self/fd")
            with pytest.raises(PermissionError) as caught:
                own.create_server(("127.0.0.1", 1))
            assert os.listdir("/proc/self/fd") == before
            return caught.value.errno, before

    assert in_child(ask)[0] == errno.EACCES
