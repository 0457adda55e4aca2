"""`NetNamespace.create_connection` and `create_server`, as those of `socket`."""

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from reaching import is_of
from veth import FAMILIES, NOBODY_HERE, Pair, address, cable, net, pair

from pynamespaces import NetNamespace

__all__ = ["cable", "net", "pair"]

Resolved = list[tuple[int, int, int, str, tuple[str, int]]]
Resolver = Callable[[str | None, int | str, int, int], Resolved]
Listener = tuple[str, int]

SOON = 0.2
"""A timeout that is over soon, in seconds."""
LATE = 2.0
"""When it must have been noticed, on a busy machine; the kernel itself takes 3 s."""

families = pytest.mark.parametrize("family", FAMILIES, ids=["IPv4", "IPv6"])
LOOPBACK: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def resolving(*targets: tuple[str, int]) -> Resolver:
    """Return a resolver that knows one name, of these addresses."""

    def getaddrinfo(host: object, port: object, family: int, type: int) -> Resolved:
        assert (host, port, family, type) == ("server.test", 80, 0, socket.SOCK_STREAM)
        return [
            (socket.AF_INET6 if ":" in host else socket.AF_INET, type, 6, "", target)
            for target in targets
            for host in target[:1]
        ]

    return getaddrinfo


NAME = ("server.test", 80)


@contextmanager
def listening(net: NetNamespace, family: int = socket.AF_INET) -> Iterator[Listener]:
    """Have a server at the loopback address of a network, that nobody serves."""
    with net.create_server((LOOPBACK[family], 0), family=family) as server:
        yield server.getsockname()[:2]


@contextmanager
def nobody(net: NetNamespace) -> Iterator[Listener]:
    """Have a port where nobody listens, and nobody else will."""
    with net.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


@families
def test_connection(pair: Pair, family: int) -> None:
    """It connects within the namespace, and returns an ordinary socket."""
    with listening(pair.near, family) as target:
        with pair.near.create_connection(target) as client:
            assert type(client) is socket.socket
            assert client.getpeername()[:2] == target
            assert client.family == family
            assert client.gettimeout() is None
            assert not client.get_inheritable()
            assert is_of(client, pair.near)
        with pytest.raises(ConnectionRefusedError):
            pair.far.create_connection(target)


@families
def test_name(net: NetNamespace, family: int) -> None:
    """A name is looked up as asked, and the addresses are tried in turn."""
    with listening(net, family) as target, nobody(net) as refusing:
        lookup = resolving(refusing, target)
        with net.create_connection(NAME, getaddrinfo=lookup) as client:
            assert client.getpeername()[:2] == target


def test_name_of_the_caller(net: NetNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not asked otherwise, socket.getaddrinfo is used, whatever that is by then."""
    with listening(net) as target:
        monkeypatch.setattr(socket, "getaddrinfo", resolving(target))
        with net.create_connection(NAME) as client:
            assert client.getpeername() == target


def test_address_of_the_caller(net: NetNamespace) -> None:
    """An address is taken as it is, and a port by its name."""
    with net.create_server(("127.0.0.1", 80)) as server:
        with net.create_connection(("127.0.0.1", "http")) as client:
            assert client.getpeername() == server.getsockname()


def test_name_that_is_not_known(net: NetNamespace) -> None:
    """What the resolver raises is raised."""

    def fail(*_: object) -> Resolved:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.raises(socket.gaierror):
        net.create_connection(NAME, getaddrinfo=fail)


@pytest.mark.parametrize("all_errors", [True, False])
def test_name_without_addresses(net: NetNamespace, all_errors: bool) -> None:
    """A name that has no address cannot be connected to."""
    with pytest.raises(OSError, match="no address"):
        net.create_connection(NAME, getaddrinfo=resolving(), all_errors=all_errors)


def test_refused(net: NetNamespace) -> None:
    """Where nobody listens, the error is that of the kernel."""
    with nobody(net) as target:
        with pytest.raises(ConnectionRefusedError) as caught:
            net.create_connection(target)
    assert caught.value.errno == errno.ECONNREFUSED


def test_last_error(net: NetNamespace) -> None:
    """Of many errors, the last is raised."""
    with nobody(net) as target:
        lookup = resolving(target, (NOBODY_HERE, 80))
        with pytest.raises(OSError) as caught:
            net.create_connection(NAME, getaddrinfo=lookup)
    assert caught.value.errno == errno.ENETUNREACH


def test_all_errors(net: NetNamespace) -> None:
    """All errors are raised together if that is asked for."""
    with nobody(net) as target:
        lookup = resolving((NOBODY_HERE, 80), target)
        with pytest.raises(ExceptionGroup) as caught:
            net.create_connection(NAME, getaddrinfo=lookup, all_errors=True)
    numbers = [
        error.errno for error in caught.value.exceptions if isinstance(error, OSError)
    ]
    assert numbers == [errno.ENETUNREACH, errno.ECONNREFUSED]


@contextmanager
def soon() -> Iterator[None]:
    """Check that the body times out, neither at once nor late."""
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        yield
    assert SOON <= time.monotonic() - before < LATE


def test_timeout(cable: Pair) -> None:
    """Where nobody answers, it gives up when the time is over."""
    with soon():
        cable.near.create_connection((NOBODY_HERE, 80), timeout=SOON)


def test_timeout_for_each_address(cable: Pair) -> None:
    """An address that does not answer does not take the time of the next."""
    target = (address(socket.AF_INET, 2), 0)
    with cable.far.create_server(target) as server:
        lookup = resolving((NOBODY_HERE, 80), server.getsockname())
        with cable.near.create_connection(NAME, SOON, getaddrinfo=lookup) as client:
            assert client.getpeername() == server.getsockname()
            assert client.gettimeout() == SOON


def test_default_timeout(cable: Pair) -> None:
    """Without a timeout, that of all new sockets holds; None is no timeout."""
    socket.setdefaulttimeout(SOON)
    try:
        with soon():
            cable.near.create_connection((NOBODY_HERE, 80))
        with listening(cable.near) as target:
            with cable.near.create_connection(target) as client:
                assert client.gettimeout() == SOON
            with cable.near.create_connection(target, None) as client:
                assert client.gettimeout() is None
                assert os.get_blocking(client.fileno())
    finally:
        socket.setdefaulttimeout(None)


def test_source_address(net: NetNamespace) -> None:
    """It connects from the address that it is told to."""
    with listening(net) as target, nobody(net) as (_, port):
        source = ("127.0.0.9", port)
        with net.create_connection(target, source_address=source) as client:
            assert client.getsockname() == source


def test_source_address_that_is_not_there(net: NetNamespace) -> None:
    """An address that the namespace does not have is no source."""
    with listening(net) as target, pytest.raises(OSError) as caught:
        net.create_connection(target, source_address=("192.0.2.1", 0))
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_failed_connections_leave_nothing(net: NetNamespace) -> None:
    """The sockets of failed attempts are closed."""
    before = os.listdir("/proc/self/fd")
    with nobody(net) as target:
        lookup = resolving(target, (NOBODY_HERE, 80), target)
        for all_errors in (True, False):
            with pytest.raises((OSError, ExceptionGroup)):
                net.create_connection(NAME, getaddrinfo=lookup, all_errors=all_errors)
        with pytest.raises(TypeError):
            net.create_connection(target, timeout="soon")  # type: ignore[arg-type]
    assert os.listdir("/proc/self/fd") == before
