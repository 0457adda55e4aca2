"""Client and server in two namespaces, both made from a third place."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from reaching import PATIENCE, is_of, nobody_leaves
from support import own, own_all
from targets import POWER
from veth import FAMILIES, Pair, address, cable, net, pair

from pynamespaces import NetNamespace

__all__ = ["cable", "net", "pair"]

families = pytest.mark.parametrize("family", FAMILIES, ids=["IPv4", "IPv6"])

MESSAGE = b"is anybody there?\n" * 1000
ROUNDS = 20


def echo(server: socket.socket) -> None:
    """Send back what one client says, until it has no more."""
    conversation, _ = server.accept()
    conversation.settimeout(PATIENCE)
    with conversation:
        while data := conversation.recv(65536):
            conversation.sendall(data)


@contextmanager
def echoing(server: socket.socket, times: int) -> Iterator[None]:
    """Echo to so many clients, one after the other, in a thread."""
    server.settimeout(PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        answered = [pool.submit(echo, server) for _ in range(times)]
        yield
        for one in answered:
            one.result()


def hear(client: socket.socket) -> bytes:
    """Say the message, and return what comes back."""
    client.sendall(MESSAGE)
    client.shutdown(socket.SHUT_WR)
    with client.makefile("rb") as file:
        return file.read()


@families
def test_echo(cable: Pair, family: int) -> None:
    """What is said in one namespace comes back from another, and nobody moves."""
    home = own_all()
    heard = []
    with nobody_leaves():
        server = cable.far.create_server((address(family, 2), 0), family=family)
        target = server.getsockname()[:2]
        with server, echoing(server, ROUNDS):
            for _ in range(ROUNDS):
                with cable.near.create_connection(target, timeout=PATIENCE) as client:
                    assert client.getpeername()[:2] == target
                    heard.append(hear(client))
    assert heard == [MESSAGE] * ROUNDS
    assert own_all() == home


@families
def test_whose_sockets_they_are(cable: Pair, family: int) -> None:
    """Each end belongs to its own namespace, the accepted one to the server's."""
    with cable.far.create_server((address(family, 2), 0), family=family) as server:
        target = server.getsockname()[:2]
        with cable.near.create_connection(target, timeout=PATIENCE) as client:
            accepted, peer = server.accept()
            with accepted:
                assert peer[0] == address(family, 1)
                assert is_of(client, cable.near)
                assert is_of(server, cable.far)
                assert is_of(accepted, cable.far)
                assert not is_of(client, cable.far)
    here = own("net")
    assert here not in {(ns.id.dev, ns.id.ino) for ns in cable}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what one client says."""
    writer.write(await reader.read())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def hear_by_streams(client: socket.socket) -> bytes:
    """Say the message, and return what comes back."""
    reader, writer = await asyncio.open_connection(sock=client)
    writer.write(MESSAGE)
    writer.write_eof()
    heard = await reader.read()
    writer.close()
    await writer.wait_closed()
    return heard


async def dial(net: NetNamespace, family: int, target: tuple[str, int]) -> bytes:
    """Connect as event loops do, without waiting, and converse."""
    client = net.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    await asyncio.get_running_loop().sock_connect(client, target)
    return await hear_by_streams(client)


@families
def test_echo_by_streams(cable: Pair, family: int) -> None:
    """Asyncio serves and connects with such sockets, many at once; nobody moves."""
    home = own_all()

    async def converse() -> list[bytes]:
        listener = cable.far.create_server((address(family, 2), 0), family=family)
        target = listener.getsockname()[:2]
        async with await asyncio.start_server(answer, sock=listener):
            dialled = [dial(cable.near, family, target) for _ in range(ROUNDS)]
            return await asyncio.gather(*dialled)

    with nobody_leaves():
        heard = asyncio.run(asyncio.wait_for(converse(), PATIENCE))
    assert heard == [MESSAGE] * ROUNDS
    assert own_all() == home


def test_streams_over_a_connection(cable: Pair) -> None:
    """What create_connection returns is taken by an event loop as well."""

    async def converse() -> bytes:
        listener = cable.far.create_server((address(socket.AF_INET, 2), 0))
        target = listener.getsockname()
        async with await asyncio.start_server(answer, sock=listener):
            connect = cable.near.create_connection
            client = await asyncio.to_thread(connect, target, PATIENCE)
            return await hear_by_streams(client)

    with nobody_leaves():
        assert asyncio.run(asyncio.wait_for(converse(), PATIENCE)) == MESSAGE


def visit(net: NetNamespace, then: Callable[[], object]) -> None:
    """Enter a namespace, and come back."""
    with net:
        then()


@POWER
def test_watcher_sees_who_leaves(pair: Pair) -> None:
    """The watcher of these tests does see a thread that enters."""
    entered = f"net:[{pair.near.id.ino}]"
    with pytest.raises(AssertionError), nobody_leaves() as watcher:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(visit, pair.near, watcher.see).result()
    assert watcher.strangers == {entered}
