"""The GIL is released while the kernel works on a call."""

import errno
import fcntl
import signal
import struct
import threading
from collections.abc import Callable

import pytest
from provoking import hand_over_calls
from support import in_child

from pynamespaces import SystemCallError, lowlevel

L = lowlevel


_RECEIVE, _SEND = 0xC0502100, 0xC0182101


def _blocked(name: str, call: Callable[[], object]) -> tuple[int, bool]:
    """
    Make a call that the kernel answers only when another thread has told it to.

    A thread that kept the GIL meanwhile would keep the other from ever answering.
    """
    signal.alarm(20)
    listener: list[int] = []
    refused: list[int | None] = []
    ready = threading.Event()

    def make_call() -> None:
        listener.append(hand_over_calls(name))
        ready.set()
        try:
            call()
        except SystemCallError as error:
            refused.append(error.errno)

    thread = threading.Thread(target=make_call)
    thread.start()
    ready.wait()
    notice = bytearray(80)
    fcntl.ioctl(listener[0], _RECEIVE, notice)
    was_waiting = thread.is_alive() and not refused
    (number,) = struct.unpack_from("Q", notice)
    answer = struct.pack("QqiI", number, 0, -errno.ENOLCK, 0)
    fcntl.ioctl(listener[0], _SEND, answer)
    thread.join()
    return refused[0] or 0, was_waiting


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("setns", lambda: L.setns(0, L.CLONE_NEWNET)),
        ("unshare", lambda: L.unshare(L.CLONE_NEWNET)),
        ("pidfd_open", lambda: L.pidfd_open(1)),
        ("pidfd_send_signal", lambda: L.pidfd_send_signal(0, 0)),
        ("pidfd_getfd", lambda: L.pidfd_getfd(0, 0)),
        ("ioctl", lambda: L.ns_get_nstype(0)),
        ("ioctl", lambda: L.ns_get_id(0)),
        ("ioctl", lambda: L.ns_get_owner_uid(0)),
        ("ioctl", lambda: L.ns_mnt_get_info(0)),
        ("name_to_handle_at", lambda: L.name_to_handle_at(0)),
        ("open_by_handle_at", lambda: L.open_by_handle_at(bytes(16))),
    ],
)
def test_gil_is_released(name: str, call: Callable[[], object]) -> None:
    """While the kernel works on a call, another thread runs, and ends the wait."""
    assert in_child(lambda: _blocked(name, call)) == (errno.ENOLCK, True)
