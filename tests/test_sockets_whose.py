"""Whose network a socket is of: `NetNamespace.from_socket` and `cookie`."""

import socket
from collections.abc import Callable
from contextlib import closing

import pytest
from newer import need
from provoking import closed_fd, drop_capabilities, is_cloexec
from support import in_child, own
from veth import Pair, net, pair

from pynamespaces import Namespace, NetNamespace, SystemCallError

__all__ = ["net", "pair"]

SO_NETNS_COOKIE = 71


@pytest.mark.parametrize(
    "family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK]
)
@pytest.mark.parametrize("lend", [lambda sock: sock, lambda sock: sock.fileno()])
def test_from_socket(
    pair: Pair,
    family: int,
    lend: Callable[[socket.socket], socket.socket | int],
) -> None:
    """A socket of any family, or its descriptor, tells its namespace."""
    for ns in pair:
        with ns.socket(family, socket.SOCK_DGRAM) as sock:
            with closing(NetNamespace.from_socket(lend(sock))) as found:
                assert type(found) is NetNamespace
                assert found == ns
                assert is_cloexec(found.fileno())
                assert found.fileno() != sock.fileno()
            assert sock.family == family  # It is open still.


def test_namespace_outlives_the_socket(pair: Pair) -> None:
    """What from_socket opened stays when the socket is closed."""
    with pair.near.socket() as sock:
        found = NetNamespace.from_socket(sock)
    with closing(found), found.socket() as another:
        assert found == pair.near
        assert another.getsockname() == ("0.0.0.0", 0)


@pytest.mark.parametrize("powerful", [True, False])
def test_from_socket_of_here(powerful: bool) -> None:
    """A socket of the caller's own namespace tells it to an ordinary user as well."""
    if not powerful:
        need("netns-cookies")

    def ask() -> bool:
        if not powerful:
            drop_capabilities()
        with socket.socketpair()[0] as sock:
            with closing(NetNamespace.from_socket(sock)) as found:
                return (found.id.dev, found.id.ino) == own("net")

    assert in_child(ask)


def test_from_closed_socket() -> None:
    """A socket that has been closed is told as a wrong argument."""
    sock = socket.socket()
    sock.close()
    with pytest.raises(ValueError, match="-1"):
        NetNamespace.from_socket(sock)


def test_from_descriptor_that_is_not_open() -> None:
    """A number that is no descriptor is not open."""
    with pytest.raises(SystemCallError, match="not open"):
        in_child(lambda: NetNamespace.from_socket(closed_fd()))


def test_from_what_has_no_descriptor() -> None:
    """What has no descriptor is a TypeError."""
    with pytest.raises(TypeError, match="descriptor"):
        NetNamespace.from_socket("eth0")  # type: ignore[arg-type]


def test_cookie(pair: Pair) -> None:
    """Each namespace has its own cookie, the one that its sockets have."""
    need("netns-cookies")
    with closing(Namespace.current("net")) as home:
        cookies = [ns.cookie for ns in (home, *pair)]
        again = [ns.cookie for ns in (home, *pair)]
    assert cookies == again
    assert len({*cookies}) == 3
    for ns, cookie in zip(pair, cookies[1:], strict=True):
        with ns.socket() as sock:
            raw = sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        assert int.from_bytes(raw, "little") == cookie


def test_cookie_is_the_unique_id(net: NetNamespace) -> None:
    """Where the kernel gives ids that are never given again, the cookie is that."""
    if net.id.unique is None:
        pytest.skip("needs Linux 6.18")
    assert net.cookie == net.id.unique
