"""Scans that are stopped in the middle, while the machine goes on."""

import fcntl
import os
import select
import signal
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from populating import T
from provoking import hand_over_calls

_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1


def with_socket() -> None:
    """Be somebody at whom a scan in `stopped_at_socket` stops."""
    socket.socket().detach()


def without_sockets() -> None:
    """Close what a scan would stop at before."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.close(int(name))


def stopped_at_socket(meanwhile: Callable[[], object], scanning: Callable[[], T]) -> T:
    """
    Scan, and do something when it looks at the first socket, for which it waits.

    The calling thread's system calls are watched for good, so it is a child's.
    """
    over, end = os.pipe()
    started, start = os.pipe()

    def answer() -> None:
        listener = int.from_bytes(os.read(started, 4), "little")
        failures: list[BaseException] = []
        is_first = True
        while over not in select.select([listener, over], [], [])[0]:
            notice = bytearray(80)
            fcntl.ioctl(listener, _RECEIVE, notice)
            if is_first:
                try:
                    meanwhile()
                except BaseException as error:
                    # The scan waits all the same.
                    failures.append(error)
            is_first = False
            (call,) = struct.unpack_from("Q", notice)
            with suppress(FileNotFoundError):  # Who made it may have ended.
                go_on = struct.pack("QqiI", call, 0, 0, _CONTINUE)
                fcntl.ioctl(listener, _SEND, go_on)
        for failure in failures:
            raise failure
        assert not is_first, "the scan was not stopped"

    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answer)
        listener = hand_over_calls("pidfd_getfd")
        os.write(start, listener.to_bytes(4, "little"))
        try:
            return scanning()
        finally:
            os.close(end)
            answered.result()
            for fd in (over, started, start, listener):
                os.close(fd)


class Puppet:
    """A child that does one thing after the other, each when it is told to."""

    def __init__(self, pid: int, orders: int, answers: int) -> None:
        self.pid = pid
        self._orders = orders
        self._answers = answers

    def go_on(self) -> None:
        """Have it do the next thing, and wait until it has."""
        os.write(self._orders, b".")
        assert os.read(self._answers, 1) == b".", "the child could not do it"

    def end(self) -> None:
        """End it, and wait until it is gone; twice is allowed."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@contextmanager
def puppet(*steps: Callable[[], object]) -> Iterator[Puppet]:
    """Have such a child."""
    heard, orders = os.pipe()
    answers, say = os.pipe()

    pid = os.fork()
    if pid == 0:
        try:
            os.close(orders)
            os.close(answers)
            for step in steps:
                os.read(heard, 1)
                step()
                os.write(say, b".")
            os.read(heard, 1)
        finally:
            os._exit(0)
    os.close(heard)
    os.close(say)
    child = Puppet(pid, orders, answers)
    try:
        yield child
    finally:
        os.close(orders)
        os.close(answers)
        child.end()
