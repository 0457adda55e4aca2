"""Children of ours: in fresh namespaces, or root in a user namespace of their own."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from support import in_child

from pynamespaces import TypeLike, unshare

T = TypeVar("T")


class Holder:
    """A process of ours in fresh namespaces, which can be told to make more."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self._control = control

    def unshare_again(self, *types: str) -> None:
        """Make the process move on into still other namespaces."""
        self._control.sendall(",".join(types).encode())
        assert self._control.recv(1) == b"."


def _hold(control: socket.socket) -> None:
    """Serve a `Holder` until its other end is closed."""
    control.sendall(b".")
    while types := control.recv(256):
        unshare(*types.decode().split(","))  # type: ignore[arg-type]
        control.sendall(b".")


def _start_holder(control: socket.socket, types: tuple[TypeLike, ...]) -> None:
    if types:
        unshare(*types)
    # Of the types pid and time, only a child is in the fresh ones.
    pid = os.fork()
    if pid == 0:
        _hold(control)
        os._exit(0)
    control.sendall(pid.to_bytes(4, "big"))
    os.waitpid(pid, 0)


@contextmanager
def holder(*types: TypeLike) -> Iterator[Holder]:
    """Start a process in fresh namespaces of these types."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            _start_holder(theirs, types)
        finally:
            os._exit(0)
    theirs.close()
    try:
        # The pid and the sign of being ready come in any order.
        answers = [ours.recv(4), ours.recv(4)]
        assert all(answers), "the holder could not be started"
        pid = next(answer for answer in answers if len(answer) == 4)
        yield Holder(int.from_bytes(pid, "big"), ours)
    finally:
        ours.close()
        os.waitpid(child, 0)


def become_root() -> None:
    """Give this process a user namespace of its own, where it is root, for good."""
    uid, gid = os.geteuid(), os.getegid()
    unshare("user")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def in_own_userns(function: Callable[[], T], *types: TypeLike) -> T:
    """Run in a child that is root in a user namespace which owns its *types*."""

    def inside() -> T:
        become_root()
        if types:
            unshare(*types)
        # Of the types pid and time, only a child is in what this one owns.
        return in_child(function) if {"pid", "time"} & {*types} else function()

    return in_child(inside)
