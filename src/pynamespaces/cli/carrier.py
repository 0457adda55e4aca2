"""
What is carried between two terminals while a program runs: bytes, sizes, signals.

Nothing is waited for but all at once, so that signals are heeded whoever is slow.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
import time
import tty
from contextlib import suppress
from signal import Signals
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .terminal import Modes

_ENDING: Final = frozenset(
    {Signals.SIGHUP, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTERM}
)
PASSED_ON: Final = _ENDING | {Signals.SIGUSR1, Signals.SIGUSR2, Signals.SIGALRM}
"""Which signals are for the program."""

OURS: Final = (Signals.SIGCHLD, Signals.SIGCONT, Signals.SIGTSTP, Signals.SIGWINCH)
"""Which others are to be heeded."""

_SIZE: Final = 65536
_WINSIZE: Final = bytes(8)
_LINGER: Final = 0.1
"""How long the last output may take, in seconds, where somebody goes on writing."""

_HELD: Final = 1 << 20
"""More bytes than the kernel holds of what has been written to a terminal."""

_SLOW: Final = 0.25
"""How often a job in the background looks if it is in front, in seconds."""


class Carrier:
    """What carries bytes between two terminals, until a child has ended."""

    def __init__(
        self, child: int, outer: int, inner: int, told: int, *, is_typed_at: bool
    ) -> None:
        self._child = child
        self._has_ended = False
        """Whether it is reaped: the number may be a stranger's then."""

        self._outer = outer
        self._inner = inner
        self._told = told
        self._is_typed_at = is_typed_at
        self._typed = b""
        """What the program has not been able to take yet."""

        self._said = bytearray()
        """What the caller's terminal has not been able to take yet."""

        self._most_said = _SIZE
        """How much of that there may be until the program has to wait."""

        self._heard = 0
        self._is_silent = False
        """Whether nobody has the new terminal any more."""

        self._wants_raw = is_typed_at
        self._is_raw = False
        self._is_stopped = False
        self._is_to_end = False
        """Whether a signal has come that ends programs."""

        self._modes = termios.tcgetattr(outer)
        os.set_blocking(inner, False)

    def carry_until_ended(self) -> int:
        """Carry until the child has ended, and return its exit status."""
        while (status := self._poll()) is None:
            self._set_raw()
            is_waiting = self._wants_raw and not self._is_raw
            self._carry(_SLOW if is_waiting else None)
        return status

    def carry_rest(self) -> None:
        """Carry what was written last; a signal ends this, and so does its time."""
        self._typed, self._is_typed_at = b"", False
        was_to_end, self._is_to_end = self._is_to_end, False
        self._carry_for_a_moment()
        self._is_silent = True
        if self._said:
            self._set_interruptible()
        while self._said and not self._gives_up():
            before = len(self._said)
            self._carry(_LINGER if was_to_end else None)
            # A terminal that takes nothing is not waited for by who is to end.
            if was_to_end and len(self._said) == before:
                break

    def set_cooked(self) -> None:
        """Set the modes of the caller's terminal as they were."""
        if self._is_raw and self._is_in_front():
            self._set_modes(self._modes)
        self._is_raw = False

    def _set_raw(self) -> None:
        """Have all that is typed come as it is, if this is the job in front."""
        if self._wants_raw and not self._is_raw and self._is_in_front():
            with suppress(termios.error):
                tty.setraw(self._outer, termios.TCSANOW)
            self._is_raw = True
            copy_size(self._outer, self._inner)

    def _set_interruptible(self) -> None:
        """Have Ctrl-C be for this process, as the program has ended."""
        if self._is_raw and self._is_in_front():
            with suppress(termios.error):
                modes = termios.tcgetattr(self._outer)
                modes[3] |= termios.ISIG
                self._set_modes(modes)

    def _set_modes(self, modes: Modes) -> None:
        # Not once all is written: it may be that nobody reads.
        with suppress(termios.error):
            termios.tcsetattr(self._outer, termios.TCSANOW, modes)

    def _is_in_front(self) -> bool:
        try:
            return os.tcgetpgrp(self._outer) == os.getpgrp()
        except OSError:  # It has hung up.
            return False

    def _poll(self) -> int | None:
        """Return the child's exit status if it has ended; stop if it has stopped."""
        pid, status = os.waitpid(self._child, os.WNOHANG | os.WUNTRACED)
        if not pid:
            return None
        if os.WIFSTOPPED(status):
            self._stop_with_it()
            return None
        self._has_ended = True
        return os.waitstatus_to_exitcode(status)

    def _stop_with_it(self) -> None:
        """Stop until somebody continues this process; or else a key does."""
        if self._is_stopped or self._has_ended:
            return
        self._is_stopped = True
        self._carry_for_a_moment()
        if not self._is_stopped:
            return
        self.set_cooked()
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        # Not SIGSTOP: where no shell could continue it, the kernel ignores this one.
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)

    def _go_on(self) -> None:
        """Continue the child, if it has stopped."""
        if self._is_stopped and not self._has_ended:
            os.kill(self._child, signal.SIGCONT)
        self._is_stopped = False

    def _carry_for_a_moment(self) -> None:
        """Carry what has been written, which may come a moment later."""
        deadline = time.monotonic() + _LINGER
        is_typed_at, self._is_typed_at = self._is_typed_at, False
        most, self._most_said = self._heard + _HELD, 2 * _HELD
        while not (self._is_silent or self._heard >= most or self._gives_up()):
            left, before = deadline - time.monotonic(), self._heard
            self._carry(max(left, 0))
            if left <= 0 and self._heard == before:
                break
        self._is_typed_at, self._most_said = is_typed_at, _SIZE

    def _gives_up(self) -> bool:
        """Return whether a signal has come that nobody else is there for."""
        return self._has_ended and self._is_to_end

    def _carry(self, patience: float | None) -> None:
        """Carry what there is, and heed signals."""
        sources = [self._told]
        if len(self._said) < self._most_said and not self._is_silent:
            sources.append(self._inner)
        if self._is_typed_at and self._is_raw and not self._typed:
            sources.append(self._outer)
        sinks = [self._inner] if self._typed else []
        if self._said:
            sinks.append(self._outer)
        readable, writable, _ = select.select(sources, sinks, [], patience)
        if self._told in readable:
            for signo in os.read(self._told, _SIZE):
                self._heed(Signals(signo))
        if self._inner in readable:
            self._hear()
        if self._outer in writable:
            self._say()
        if self._outer in readable and self._is_raw:
            self._take_typed()
        if self._inner in writable:
            with suppress(BlockingIOError):
                self._typed = self._typed[os.write(self._inner, self._typed) :]

    def _hear(self) -> None:
        heard = _read(self._inner)
        if heard is not None:
            self._said += heard
            self._heard += len(heard)
            self._is_silent = not heard

    def _say(self) -> None:
        try:
            del self._said[: os.write(self._outer, self._said)]
        except BlockingIOError:
            pass
        except OSError:  # It has hung up.
            self._said.clear()

    def _take_typed(self) -> None:
        typed = _read(self._outer)
        if typed is not None:
            self._typed = typed
            self._is_typed_at = bool(typed)
            self._go_on()

    def _heed(self, signo: Signals) -> None:
        if signo in PASSED_ON:
            self._is_to_end |= signo in _ENDING
            if not self._has_ended:
                os.kill(self._child, signo)
                if signo in _ENDING:
                    self._go_on()
        elif signo is Signals.SIGSTOP:
            # It is the child that tells so, of its program.
            self._stop_with_it()
        elif signo is Signals.SIGTSTP:
            self.set_cooked()
            os.kill(os.getpid(), Signals.SIGSTOP)
        elif signo is Signals.SIGCONT:
            self._go_on()
        elif signo is Signals.SIGWINCH:
            copy_size(self._outer, self._inner)


def _read(fd: int) -> bytes | None:
    """Return what there is to read; empty where all is said, None if not yet."""
    try:
        return os.read(fd, _SIZE)
    except BlockingIOError:
        return None
    except OSError:  # EIO: the other end is closed.
        return b""


def copy_size(source: int, sink: int) -> None:
    """Copy the size of a terminal to another."""
    with suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, _WINSIZE)
        fcntl.ioctl(sink, termios.TIOCSWINSZ, size)
