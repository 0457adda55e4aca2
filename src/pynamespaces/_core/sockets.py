"""Connections and servers over sockets that are made elsewhere."""

import os
import socket
from collections.abc import Callable, Iterable
from types import EllipsisType
from typing import Final, TypeAlias

from .._types import shown
from ..errors import SystemCallError
from . import elsewhere

Address: TypeAlias = tuple[str | None, int | str]
SocketAddress: TypeAlias = (
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
)
Resolved: TypeAlias = Iterable[tuple[int, int, int, str, SocketAddress]]
Resolver: TypeAlias = Callable[[str | None, int | str, int, int], Resolved]
"""As `socket.getaddrinfo`, of host, port, family and type."""


AF_INET: Final = socket.AF_INET
SOCK_STREAM: Final = socket.SOCK_STREAM


def make(netns: int, family: int, type: int, proto: int) -> socket.socket:
    """Make an ordinary socket object in a network namespace."""

    def wrap(fd: int) -> socket.socket:
        # In two steps, so that it is known whether it owns the descriptor.
        sock = socket.socket.__new__(socket.socket)
        try:
            socket.socket.__init__(sock, family, type, proto, fileno=fd)
        except BaseException:
            if sock.fileno() == fd:
                # The part in C, which is all that there surely is of it yet.
                socket.SocketType.close(sock)
            else:
                os.close(fd)
            raise
        return sock

    return elsewhere.open_socket(netns, family, type, proto, wrap)


def connect(
    netns: int,
    address: Address,
    timeout: float | EllipsisType | None,
    source_address: Address | None,
    resolver: Resolver | None,
    *,
    all_errors: bool,
) -> socket.socket:
    """Connect to the first of the addresses of a name that answers."""
    if resolver is not None and not callable(resolver):
        raise TypeError(f"getaddrinfo is a function, not {shown(resolver)}")
    host, port = address
    errors: list[OSError] = []
    look_up = resolver or socket.getaddrinfo
    for family, type, proto, _, target in look_up(host, port, 0, socket.SOCK_STREAM):
        try:
            sock = make(netns, family, type, proto)
            _connect(sock, target, timeout, source_address)
        except OSError as error:
            if isinstance(error, SystemCallError) and error.syscall != "socket":
                raise  # The namespace is not to be had, whatever the address.
            errors.append(error)
        else:
            return sock
    try:
        if all_errors and errors:
            raise ExceptionGroup(f"could not connect to {address!r}", errors)
        if errors:
            raise errors[-1]
        raise OSError(f"{address!r} has no address to connect to")
    finally:
        # Each error has its frame, and the frame has the errors.
        errors.clear()


def _connect(
    sock: socket.socket,
    target: SocketAddress,
    timeout: float | EllipsisType | None,
    source_address: Address | None,
) -> None:
    """Connect a socket, which is closed if that fails."""
    try:
        if timeout is not ...:
            sock.settimeout(timeout)
        if source_address:
            sock.bind(source_address)
        sock.connect(target)
    except BaseException:
        sock.close()
        raise


def serve(
    netns: int,
    address: SocketAddress | Address,
    *,
    family: int,
    backlog: int | None,
    reuse_port: bool,
    dualstack_ipv6: bool,
) -> socket.socket:
    """Listen at an address of a network namespace."""
    if dualstack_ipv6 and family != socket.AF_INET6:
        raise ValueError("dualstack_ipv6 needs family=socket.AF_INET6")
    sock = make(netns, family, socket.SOCK_STREAM, 0)
    try:
        # So that an address can be used again at once, as socket.create_server does.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            only = 0 if dualstack_ipv6 else 1
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        sock.bind(address)
        if backlog is None:
            sock.listen()
        else:
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock
