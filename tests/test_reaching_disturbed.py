"""Helper tasks that are killed, interrupted, or in other people's namespaces."""

import ctypes
import errno
import fcntl
import gc
import os
import select
import signal
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from provoking import CAP_SYS_CHROOT, drop_capabilities, give_up_root, hand_over_calls
from reaching import ACTS, PATIENCE, Places, count_open
from support import in_child
from targets import PR_SET_DUMPABLE

from pynamespaces import MountNamespace, Namespace, NamespaceSet, SystemCallError

PR_GET_DUMPABLE = 3
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1

libc = ctypes.CDLL(None, use_errno=True)
acts = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


def while_it_enters(disturb: Callable[[int], None], act: Callable[[], object]) -> None:
    """Act, and have another thread disturb the helper task when it is to enter."""
    signal.alarm(int(PATIENCE))
    over, end = os.pipe()
    started, start = os.pipe()

    def answer() -> None:
        listener = int.from_bytes(os.read(started, 4), "little")
        # An act may go on to enter more than once.
        while over not in select.select([listener, over], [], [])[0]:
            notice = bytearray(80)
            fcntl.ioctl(listener, _RECEIVE, notice)
            call, helper = struct.unpack_from("QI", notice)
            assert helper != os.getpid()
            disturb(helper)
            with suppress(FileNotFoundError):  # It may have been killed.
                go_on = struct.pack("QqiI", call, 0, 0, _CONTINUE)
                fcntl.ioctl(listener, _SEND, go_on)

    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answer)
        listener = hand_over_calls("setns")
        os.write(start, listener.to_bytes(4, "little"))
        try:
            act()
        finally:
            os.close(end)
            answered.result()
            for fd in (over, started, start, listener):
                os.close(fd)


def kill(helper: int) -> None:
    """Kill a helper task."""
    os.kill(helper, signal.SIGKILL)


@acts
def test_helper_is_killed(act: Callable[[Places], object]) -> None:
    """That the helper task was killed is told, and nothing is left of it."""

    def ask() -> None:
        places = Places()
        act(places)
        before = count_open()
        with pytest.raises(SystemCallError, match="has been killed") as caught:
            while_it_enters(kill, lambda: act(places))
        assert caught.value.errno == errno.ECANCELED
        assert caught.value.syscall == "setns"
        del caught
        assert count_open() == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    in_child(ask)


class CutShort(BaseException):
    """What a signal handler raises."""


@acts
def test_handler_raises(act: Callable[[Places], object]) -> None:
    """A handler that raises as soon as the helper task is done leaves no descriptor."""

    def interrupt(*_: object) -> None:
        raise CutShort

    def ask() -> None:
        places = Places()
        act(places)
        before = count_open()
        signal.signal(signal.SIGUSR1, interrupt)
        with pytest.raises(CutShort):
            while_it_enters(
                lambda _: signal.raise_signal(signal.SIGUSR1), lambda: act(places)
            )
        assert count_open() == before

    in_child(ask)


def test_constructor_is_cut_short() -> None:
    """A socket object that has the descriptor already is what closes it, and alone."""

    class Socket(socket.socket):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[arg-type]
            raise CutShort

    def ask() -> None:
        places = Places()
        before = count_open()
        socket.socket = Socket  # type: ignore[misc]
        with pytest.raises(CutShort) as caught:
            places.net.socket()
        # It takes the number that is free, if it is, which is then not to be closed.
        another = os.open("/", os.O_RDONLY)
        del caught
        gc.collect()
        os.fstat(another)
        assert count_open() == before + 1

    in_child(ask)


@pytest.mark.tier("root")
def test_dumpable_stays() -> None:
    """A helper task in another user's user namespace leaves the caller dumpable."""

    def ask() -> None:
        with closing(foreign_mounts()) as foreign:
            assert foreign.owner().owner_uid == 65534
            # Without it, the way in leads through the user namespace.
            drop_capabilities(CAP_SYS_CHROOT)
            assert libc.prctl(PR_GET_DUMPABLE) == 1
            os.close(foreign.open("/"))
            assert libc.prctl(PR_GET_DUMPABLE) == 1

    in_child(ask)


def foreign_mounts() -> MountNamespace:
    """Open a mount namespace that an ordinary user has made."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pid = os.fork()
        if pid == 0:
            try:
                give_up_root()
                libc.prctl(PR_SET_DUMPABLE, 1)
                made = NamespaceSet.new("user", "mnt")
                socket.send_fds(theirs, [b"!"], [made["mnt"].fileno()])
            finally:
                os._exit(0)
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        os.waitpid(pid, 0)
    try:
        return Namespace.from_fd(fds[0], "mnt")
    finally:
        os.close(fds[0])
