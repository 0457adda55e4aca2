"""
A terminal of its own for a program, which is all that it can reach of the caller's.

Bytes are carried to and fro, and the size of the caller's terminal is copied.
"""

from __future__ import annotations

import fcntl
import os
import signal
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from signal import Signals
from typing import Final

from . import failures
from .carrier import OURS, PASSED_ON, Carrier, copy_size

_STANDARD: Final = range(3)


def finish(work: Callable[[Callable[[], None]], int]) -> int:
    """
    Do a command's work in a child that has a new terminal; return its exit status.

    The child leads a session of its own. Of its standard streams those that are the
    caller's terminal become the new one. When its program stops, so does this process,
    for a shell to see it; when this process is continued, so is the program.

    Args:
        work: What is done; it calls what it is called with when its program stops.

    Raises:
        Failure: There is no terminal that it could stand for.
    """
    # Before anything is opened, which would take the place of a closed one.
    shared = [fd for fd in _STANDARD if _is_of_session(fd)]
    with ExitStack() as stack:
        outer = _open_outer()
        stack.callback(os.close, outer)
        inner, theirs = os.openpty()
        stack.callback(os.close, inner)
        # As long as this is open, the new terminal does not hang up.
        ours = stack.enter_context(os.fdopen(theirs, "rb", buffering=0))
        termios.tcsetattr(theirs, termios.TCSANOW, termios.tcgetattr(outer))
        copy_size(outer, inner)
        told, tell, mask = stack.enter_context(_signals_told())
        inside = partial(work, partial(_tell_stopped, tell))
        child = os.fork()
        if child == 0:
            # Nothing of it may hold the caller's terminal, nor this end of the new one.
            os.close(outer)
            os.close(inner)
            os._exit(failures.told(lambda: _within(theirs, shared, mask, inside)))
        carrier = Carrier(child, outer, inner, told, is_typed_at=0 in shared)
        try:
            status = carrier.carry_until_ended()
            ours.close()
            carrier.carry_rest()
        finally:
            carrier.set_cooked()
        return status if status >= 0 else 128 - status


def _open_outer() -> int:
    """Open the caller's terminal, where no program looks for its standard streams."""
    try:
        # Not to wait for it is for this description only: others have their own.
        flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK
        found = os.open("/dev/tty", flags)
    except OSError as error:
        message = f"there is no terminal for --pty: {error.strerror}"
        raise failures.Failure(message, "leave it out") from None
    if found not in _STANDARD:
        return found
    try:
        return fcntl.fcntl(found, fcntl.F_DUPFD_CLOEXEC, len(_STANDARD))
    finally:
        os.close(found)


def _within(
    theirs: int, shared: list[int], mask: set[int], work: Callable[[], int]
) -> int:
    """Do the work on the new terminal."""
    for signo in (*PASSED_ON, *OURS):
        if signal.getsignal(signo) is not signal.SIG_IGN:
            signal.signal(signo, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.setsid()
    fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    for fd in shared:
        os.dup2(theirs, fd)
    return work()


def _tell_stopped(tell: int) -> None:
    """Tell the parent, by what would be its own signal if that could be caught."""
    with suppress(OSError):
        os.write(tell, bytes([Signals.SIGSTOP]))


def _is_of_session(fd: int) -> bool:
    """Return whether a descriptor is of the controlling terminal."""
    try:
        # Of others, the kernel does not tell.
        return os.tcgetpgrp(fd) >= 0
    except OSError:
        return False


@contextmanager
def _signals_told() -> Iterator[tuple[int, int, set[int]]]:
    """Have signals written to a pipe; give its ends, and the mask as it was."""

    def note(signo: int, frame: object) -> None:
        del signo, frame

    told, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    heeded = {
        signo
        for signo in (*PASSED_ON, *OURS)
        # Where that of children is ignored, they would be gone with their status.
        if signo is Signals.SIGCHLD or signal.getsignal(signo) is not signal.SIG_IGN
    }
    handlers = {signo: signal.signal(signo, note) for signo in heeded}
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, heeded)
    try:
        yield told, tell, mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.set_wakeup_fd(before)
        for signo, handler in handlers.items():
            signal.signal(signo, handler)
        os.close(told)
        os.close(tell)
