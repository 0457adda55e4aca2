"""Namespaces to try things with, made in a process that ends after one try."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import socket
from typing import Final

from .. import lowlevel
from .._core import reach, settle
from .._lib import lib
from .._namespace import Namespace
from .._refusals import from_errno
from .._set import NamespaceSet
from .._types import NamespaceType
from ..errors import NamespacePermissionError, SystemCallError

_T = NamespaceType

_ROOM: Final = 1 << 16


def made(type: NamespaceType) -> list[Namespace]:
    """
    Make a namespace to try things with.

    Returns:
        It, and where the caller may make it only so, the user namespace that owns it.
    """
    if type is _T.PID:
        return _made_pid()
    try:
        return [Namespace.new(type, loopback=False)]
    except NamespacePermissionError:
        if type is _T.USER:
            raise
    fresh = NamespaceSet.new(_T.USER, type, loopback=False)
    return [fresh[type], fresh[_T.USER]]


def made_or_current(type: NamespaceType) -> Namespace:
    """Make a namespace, or if none can be made, open the caller's own."""
    try:
        return made(type)[0]
    except SystemCallError:
        return Namespace.current(type)


def _made_pid() -> list[Namespace]:
    try:
        return [_inhabited(None)]
    except NamespacePermissionError:
        user = Namespace.new(_T.USER)
        return [_inhabited(user), user]


def _inhabited(user: Namespace | None) -> Namespace:
    """Have a pid namespace with an init, for as long as this process lives."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                _inhabit(theirs, user, own)
            finally:
                os._exit(1)
        theirs.close()
        said, fds, _, _ = socket.recv_fds(ours, _ROOM, 1)
    if not fds:
        os.waitpid(pid, 0)
        if not said:  # It has been killed.
            raise from_errno(errno.ECANCELED, "unshare", (_T.PID,))
        raise pickle.loads(said)
    return Namespace._adopt(fds[0])


def _inhabit(channel: socket.socket, user: Namespace | None, parent: int) -> None:
    """Be the parent of that init."""
    # It is a copy of the caller, and whoever is root in there is to learn nothing.
    settle.hide()
    try:
        if user is not None:
            lowlevel.setns(user, lowlevel.CLONE_NEWUSER)
        unshare_children(inhabited=True)
        fd = reach.open_current(_T.PID, for_children=True)
    except SystemCallError as error:
        channel.send(pickle.dumps(error))
        return
    end_with(parent)
    socket.send_fds(channel, [b"."], [fd])
    signal.pause()


def _have_init() -> None:
    """Have a child that waits for the end: in a fresh pid namespace, the init."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            # Its parent is in another pid namespace.
            end_with(0)
            os.write(writer, b".")
            signal.pause()
        finally:
            os._exit(1)
    # Not before that could it be left to itself.
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)


def unshare_children(*, inhabited: bool) -> None:
    """Let children of this process be born in a fresh pid namespace."""
    lowlevel.unshare(lowlevel.CLONE_NEWPID)
    if inhabited:
        _have_init()


def end_with(parent: int) -> None:
    """Be killed when the thread ends that this process was forked by."""
    lib.pyns_prctl(lib.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
