"""
A terminal of its own for a program, which is all that it can reach of the caller's.

Bytes are carried to and fro, and the size of the caller's terminal is copied.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from signal import Signals
from typing import Final

from . import failures

_PASSED_ON: Final = frozenset(
    {
        *(Signals.SIGHUP, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTERM),
        *(Signals.SIGUSR1, Signals.SIGUSR2, Signals.SIGALRM),
    }
)
_OURS: Final = (Signals.SIGCHLD, Signals.SIGCONT, Signals.SIGTSTP, Signals.SIGWINCH)
_SIZE: Final = 65536
_WINSIZE: Final = bytes(8)
_LINGER: Final = 0.1
"""How long the last output may take, in seconds, where somebody goes on writing."""


def finish(work: Callable[[], int]) -> int:
    """
    Do a command's work in a child that has a new terminal; return its exit status.

    The child leads a session of its own. Of its standard streams those that are the
    caller's terminal become the new one.

    Raises:
        Failure: There is no terminal that it could stand for.
    """
    with ExitStack() as stack:
        try:
            outer = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            message = f"there is no terminal for --pty: {error.strerror}"
            raise failures.Failure(message, "leave it out") from None
        stack.callback(os.close, outer)
        inner, theirs = os.openpty()
        stack.callback(os.close, inner)
        # As long as this is open, the new terminal does not hang up.
        ours = stack.enter_context(os.fdopen(theirs, "rb", buffering=0))
        termios.tcsetattr(theirs, termios.TCSANOW, termios.tcgetattr(outer))
        _copy_size(outer, inner)
        shared = [fd for fd in range(3) if _is_of_session(fd)]
        told = stack.enter_context(_signals_told())
        child = os.fork()
        if child == 0:
            # Nothing of it may hold the caller's terminal, nor this end of the new one.
            os.close(outer)
            os.close(inner)
            os._exit(failures.told(lambda: _within(theirs, shared, work)))
        relay = _Relay(child, outer, inner, told, is_typed_at=0 in shared)
        try:
            status = relay.carry_until_ended()
            ours.close()
            relay.carry_rest()
        finally:
            relay.set_cooked()
        return status if status >= 0 else 128 - status


def _within(theirs: int, shared: list[int], work: Callable[[], int]) -> int:
    """Do the work on the new terminal."""
    for signo in (*_PASSED_ON, *_OURS):
        if signal.getsignal(signo) is not signal.SIG_IGN:
            signal.signal(signo, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    os.setsid()
    fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    for fd in shared:
        os.dup2(theirs, fd)
    return work()


class _Relay:
    """What carries bytes between two terminals, until a child has ended."""

    def __init__(
        self, child: int, outer: int, inner: int, told: int, *, is_typed_at: bool
    ) -> None:
        self._child = child
        self._outer = outer
        self._inner = inner
        self._told = told
        self._is_typed_at = is_typed_at
        self._typed = b""
        """What the program has not been able to take yet."""

        self._is_raw = is_typed_at
        self._modes = termios.tcgetattr(outer)
        os.set_blocking(inner, False)

    def carry_until_ended(self) -> int:
        """Carry until the child has ended, and return its exit status."""
        self._set_raw()
        while True:
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            self._carry(None)

    def carry_rest(self) -> None:
        """Carry what was written last, which may come a moment later."""
        self._typed, self._is_typed_at = b"", False
        while self._carry(_LINGER):
            pass

    def set_cooked(self) -> None:
        """Set the modes of the caller's terminal as they were."""
        if self._is_raw:
            with suppress(termios.error):
                termios.tcsetattr(self._outer, termios.TCSADRAIN, self._modes)

    def _set_raw(self) -> None:
        if self._is_raw:
            # Where this is not the job in front, it waits here until it is.
            with suppress(termios.error):
                tty.setraw(self._outer, termios.TCSADRAIN)

    def _carry(self, patience: float | None) -> bool:
        """Carry what there is; return whether the program may say more."""
        sources = [self._told, self._inner]
        if self._is_typed_at and not self._typed:
            sources.append(self._outer)
        sinks = [self._inner] if self._typed else []
        readable, writable, _ = select.select(sources, sinks, [], patience)
        if self._told in readable:
            for signo in os.read(self._told, _SIZE):
                self._heed(Signals(signo))
        if self._outer in readable:
            self._typed = _read(self._outer)
            self._is_typed_at = bool(self._typed)
        if writable:
            with suppress(BlockingIOError):
                self._typed = self._typed[os.write(self._inner, self._typed) :]
        if self._inner not in readable:
            return self._told in readable
        said = _read(self._inner)
        self._say(said)
        return bool(said)

    def _say(self, said: bytes) -> None:
        with suppress(OSError):  # It may have hung up.
            while said:
                said = said[os.write(self._outer, said) :]

    def _heed(self, signo: Signals) -> None:
        if signo in _PASSED_ON:
            with suppress(ProcessLookupError):
                os.kill(self._child, signo)
        elif signo is Signals.SIGTSTP:
            self.set_cooked()
            os.kill(os.getpid(), Signals.SIGSTOP)
        elif signo is Signals.SIGCONT:
            self._set_raw()
            _copy_size(self._outer, self._inner)
        elif signo is Signals.SIGWINCH:
            _copy_size(self._outer, self._inner)


def _read(fd: int) -> bytes:
    """Return what there is to read, and nothing where all is said."""
    try:
        return os.read(fd, _SIZE)
    except OSError:  # EIO: the other end is closed.
        return b""


def _copy_size(source: int, sink: int) -> None:
    with suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, _WINSIZE)
        fcntl.ioctl(sink, termios.TIOCSWINSZ, size)


def _is_of_session(fd: int) -> bool:
    """Return whether a descriptor is of the controlling terminal."""
    try:
        # Of others, the kernel does not tell.
        return os.tcgetpgrp(fd) >= 0
    except OSError:
        return False


@contextmanager
def _signals_told() -> Iterator[int]:
    """Have signals written to a pipe, and give the end to read from."""

    def note(signo: int, frame: object) -> None:
        del signo, frame

    told, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    heeded = [
        signo
        for signo in (*_PASSED_ON, *_OURS)
        if signal.getsignal(signo) is not signal.SIG_IGN
    ]
    handlers = {signo: signal.signal(signo, note) for signo in heeded}
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    try:
        yield told
    finally:
        signal.set_wakeup_fd(before)
        for signo, handler in handlers.items():
            signal.signal(signo, handler)
        os.close(told)
        os.close(tell)
