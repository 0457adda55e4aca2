"""Networks for the tests, and virtual cables between them, configured from outside."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

import pytest
from pyroute2 import IPRoute
from support import TIER

from pynamespaces import Namespace, NamespaceSet, NetNamespace

FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)

NOBODY_HERE: Final = "10.7.0.99"
"""An address of the cable's network that nobody has, so nobody answers."""

_IFA_F_NODAD = 0x02


class Pair(NamedTuple):
    """Two networks; the first is that of the clients."""

    near: NetNamespace
    far: NetNamespace


def address(family: int, host: int) -> str:
    """Return an address of the cable's network: 1 is near, 2 far."""
    return f"fd07::{host}" if family == socket.AF_INET6 else f"10.7.0.{host}"


@contextmanager
def fresh_pair(owned: bool) -> Iterator[Pair]:
    """Make two networks: in a user namespace of the caller's, or by its power."""
    if not owned:
        with (
            closing(Namespace.new("net")) as near,
            closing(Namespace.new("net")) as far,
        ):
            yield Pair(near, far)
        return
    with closing(NamespaceSet.new("user", "net")) as made:
        with (
            closing(Namespace.from_fd(made["user"], "user")) as owner,
            closing(Namespace.from_fd(made["net"], "net")) as near,
            closing(Namespace.new("net", owner=owner)) as far,
        ):
            yield Pair(near, far)


@contextmanager
def routing(net: NetNamespace) -> Iterator[IPRoute]:
    """Have pyroute2 configure a network that nobody enters."""
    # Asyncio, which pyroute2 reads with, takes it for a socket of packets only so.
    kind = socket.SOCK_DGRAM
    sock = net.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    with IPRoute(fileno=sock.detach()) as ipr:
        yield ipr


def connect(pair: Pair) -> None:
    """Join two networks by a pair of interfaces, with an address each."""
    with routing(pair.near) as ipr:
        peer = {"ifname": "veth0", "net_ns_fd": pair.far.fileno()}
        ipr.link("add", ifname="veth0", kind="veth", peer=peer)
    for net in pair:
        with routing(net) as ipr:
            (index,) = ipr.link_lookup(ifname="veth0")
            ipr.link("set", index=index, state="up")
    # Both ends are up, so nothing that is sent from now on is lost.
    for host, net in enumerate(pair, 1):
        with routing(net) as ipr:
            (index,) = ipr.link_lookup(ifname="veth0")
            for family, length in zip(FAMILIES, (24, 64), strict=True):
                ipr.addr(
                    "add",
                    index=index,
                    address=address(family, host),
                    prefixlen=length,
                    flags=_IFA_F_NODAD,
                )


@pytest.fixture(params=["owned", "powerful"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two networks, of an ordinary user's making and of root's."""
    if TIER == "plain" and request.param == "powerful":
        pytest.skip("takes power over the caller's own user namespace")
    with fresh_pair(request.param == "owned") as made:
        yield made


@pytest.fixture
def net(pair: Pair) -> NetNamespace:
    """One network, of an ordinary user's making and of root's."""
    return pair.near


@pytest.fixture
def cable(pair: Pair) -> Pair:
    """Two networks that are joined by a cable."""
    connect(pair)
    return pair
