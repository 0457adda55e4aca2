"""Scans of sockets whose owners mean ill: to be closed, they take their time."""

import os
import signal
import socket
import struct
import time
from contextlib import suppress

import stalling
from populating import alone
from provoking import (
    _NEW_LISTENER,
    _RET_USER_NOTIF,
    _SYSCALLS,
    _install,
    _load,
    _return_where,
    replace,
)
from stalling import puppet, stopped_at_socket, without_sockets

from pynamespaces import NamespaceType, lowlevel, scan
from pynamespaces._core import create
from pynamespaces.inventory import Holder

_SIOCGSKNS = 0x894C

LINGER = 3
"""How long who closes such a socket has to wait, in seconds."""


def enter_fresh_net() -> None:
    """Move to a network namespace whose loopback is up."""
    plan = create.Plan((NamespaceType.NET,), loopback=True)
    fd = create.fresh(plan, int)[0]
    lowlevel.setns(fd, lowlevel.CLONE_NEWNET)
    os.close(fd)


def fill(sender: socket.socket) -> None:
    """Send until there is no room for what is not received."""
    sender.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            sender.send(bytes(65536))


def linger() -> None:
    """Have a socket of elsewhere, as descriptor 100, that lingers when it is closed."""
    enter_fresh_net()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        receiver, _ = listener.accept()
    if os.fork() == 0:
        # It takes nothing of what is sent, and lives on.
        sender.close()
        signal.pause()
    receiver.close()
    fill(sender)
    seconds = struct.pack("ii", 1, LINGER)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, seconds)
    os.dup2(sender.fileno(), 100)
    # It is open still: this does not wait.
    sender.close()
    lowlevel.unshare(lowlevel.CLONE_NEWNET)


def hand_over_asking(*_: str) -> int:
    """Let who asks for a socket's namespace wait, when it has that socket already."""
    answer = _return_where(_SIOCGSKNS, _RET_USER_NOTIF)
    jump = struct.pack("HBBI", 0x15, 0, 1 + len(answer) // 8, _SYSCALLS["ioctl"])
    return _install(_load(0) + jump + _load(24) + answer, _NEW_LISTENER)


def test_lingering_socket() -> None:
    """A socket that takes its time to be closed is found, and takes the scan none."""

    def look() -> float:
        without_sockets()
        # One worker, so that the socket it stops at is not that of a later process.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        replace(stalling, hand_over_calls=hand_over_asking)
        with puppet(linger) as owner:
            owner.go_on()
            place = Holder(owner.pid, 100)
            assert any(place in record.sockets for record in scan())
            begun = time.monotonic()
            # Now the scan alone has it.
            stopped_at_socket(owner.end, scan)
            return time.monotonic() - begun

    assert alone(look) < LINGER / 2
