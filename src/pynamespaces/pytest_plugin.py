"""
Fixtures for tests of programs that use networks and namespaces.

Loaded by pytest wherever the package is installed, so that it imports next to nothing
before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from pyroute2 import IPRoute

    from ._kinds import NetNamespace, UserNamespace

_INTERFACE: Final = "veth0"
_PREFIX: Final = 24
_PREFIX6: Final = 64
# Networks for documentation (RFC 5737, RFC 3849): what leaks goes nowhere.
_ADDRESSES: Final = ("192.0.2.1", "192.0.2.2")
_ADDRESSES6: Final = ("2001:db8::1", "2001:db8::2")

_IFA_F_NODAD: Final = 0x02
_UP_WITHIN: Final = 5.0


class NetnsPair(NamedTuple):
    """
    Two network namespaces with a link between them.

    The interface is called ``veth0`` in both.
    """

    left: NetNamespace
    """The one end."""

    right: NetNamespace
    """The other end."""

    left_address: str
    """The IPv4 address of the left end."""

    right_address: str
    """The IPv4 address of the right end."""

    left_address6: str
    """The IPv6 address of the left end."""

    right_address6: str
    """The IPv6 address of the right end."""


@pytest.fixture
def netns() -> Iterator[NetNamespace]:
    """
    Give a fresh network namespace, loopback up, that nobody else has.

    No thread of the process is moved: sockets in it are made by its ``socket()``,
    ``create_server()`` and ``create_connection()``. Whoever may not make one directly
    gets it in a user namespace of its own, so that no root is needed. Where that is
    forbidden, too, the error says why; the test is not skipped.
    """
    with ExitStack() as stack:
        yield _fresh(stack, 1)[0]


@pytest.fixture
def netns_pair() -> Iterator[NetnsPair]:
    """
    Give two fresh network namespaces that a veth link connects: a ``NetnsPair``.

    Both as of ``netns``; ends and addresses are up. ``left`` reaches ``right`` at
    ``right_address``, and the other way round; ``right_address6`` is for IPv6. Needs
    pyroute2: ``pip install pynamespaces[pytest]``.
    """
    from importlib.util import find_spec

    if find_spec("pyroute2") is None:
        pytest.fail(
            "netns_pair needs pyroute2: pip install pynamespaces[pytest]",
            pytrace=False,
        )
    with ExitStack() as stack:
        left, right = _fresh(stack, 2)
        _connect(left, right)
        yield NetnsPair(left, right, *_ADDRESSES, *_ADDRESSES6)


@pytest.fixture
def no_namespace_leaks() -> Iterator[None]:
    """
    Fail the test if it leaves namespaces behind, and name each leak.

    Leaks are: descriptors of namespaces; threads that are not in the namespaces where
    they were, or where the test began if they are new; living children in other
    namespaces; mounts of namespaces. What a fixture of the test has that was set up
    before this one, or is closed before it is torn down, is none.
    """
    from . import _leaks
    from ._namespace import Namespace

    # From its first use on the library holds the process's own net namespace.
    Namespace.current("net").close()
    before = _leaks.look()
    yield
    found = _leaks.left_since(before)
    if found:
        pytest.fail("\n".join(["namespaces left behind:", *found]), pytrace=False)


def _fresh(stack: ExitStack, count: int) -> list[NetNamespace]:
    """Make network namespaces of one owner, which the stack closes."""
    from ._namespace import Namespace
    from .errors import NamespacePermissionError

    def make(owner: UserNamespace | None) -> NetNamespace:
        made = Namespace.new("net", owner=owner)
        stack.callback(made.close)
        return made

    owner = None
    try:
        first = make(None)
    except NamespacePermissionError:
        owner = Namespace.new("user")
        stack.callback(owner.close)
        first = make(owner)
    return [first, *(make(owner) for _ in range(count - 1))]


def _connect(left: NetNamespace, right: NetNamespace) -> None:
    """Link two namespaces, in a thread: pyroute2 runs an event loop of its own."""
    # The caller's thread may have one that is running.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        executor.submit(_link, left, right).result()


def _link(left: NetNamespace, right: NetNamespace) -> None:
    with ExitStack() as stack:
        ends = [stack.enter_context(_netlink(end)) for end in (left, right)]
        peer = {"ifname": _INTERFACE, "net_ns_fd": right.fileno()}
        ends[0].link("add", ifname=_INTERFACE, kind="veth", peer=peer)
        for end, *addresses in zip(ends, _ADDRESSES, _ADDRESSES6, strict=True):
            _set_up(end, *addresses)
        for end in ends:
            _wait_until_up(end)


def _netlink(namespace: NetNamespace) -> IPRoute:
    """Return pyroute2's client of a namespace where no thread of ours is."""
    import socket

    from pyroute2 import IPRoute

    # asyncio, which pyroute2 is built on, takes no other type.
    sock = namespace.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)
    return IPRoute(fileno=sock.detach())


def _set_up(end: IPRoute, address: str, address6: str) -> None:
    import errno

    from pyroute2.netlink.exceptions import NetlinkError

    [index] = end.link_lookup(ifname=_INTERFACE)
    end.addr("add", index=index, address=address, prefixlen=_PREFIX)
    try:
        # Nobody else can have the address, and to ask whether takes a second.
        end.addr(
            "add",
            index=index,
            address=address6,
            prefixlen=_PREFIX6,
            flags=_IFA_F_NODAD,
        )
    except NetlinkError as error:
        # A kernel without IPv6; who uses the address there will be told.
        if error.code != errno.EOPNOTSUPP:
            raise
    end.link("set", index=index, state="up")


def _wait_until_up(end: IPRoute) -> None:
    """Wait until the kernel has noticed the carrier: it drops packets before."""
    import time

    deadline = time.monotonic() + _UP_WITHIN
    while True:
        [facts] = end.link("get", ifname=_INTERFACE)
        if facts.get_attr("IFLA_OPERSTATE") == "UP":
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{_INTERFACE} is not up after {_UP_WITHIN} s")
        time.sleep(0.001)
