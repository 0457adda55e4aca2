"""Running a program in place of the command: its signals, its stops, its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from signal import Signals
from typing import Final, TypeAlias

from .. import _proc
from ..process import Popen
from .terminal import Terminal, controlling_terminal

_Program: TypeAlias = Popen[bytes]

_FOR_THE_PROGRAM: Final = frozenset(
    {
        *(Signals.SIGHUP, Signals.SIGINT, Signals.SIGQUIT, Signals.SIGTERM),
        *(Signals.SIGUSR1, Signals.SIGUSR2, Signals.SIGALRM),
        *(Signals.SIGTSTP, Signals.SIGTTIN, Signals.SIGTTOU),
    }
)
_OURS: Final = frozenset({Signals.SIGCHLD, Signals.SIGCONT})
_STOPS: Final = frozenset({Signals.SIGTSTP, Signals.SIGTTIN, Signals.SIGTTOU})

_SLOW: Final = 0.25
_FAST: Final = 0.01
_SOON: Final = 1.0


def stop() -> None:
    """Stop this process, until somebody continues it."""
    # Not SIGSTOP: where no shell could continue it, the kernel ignores this one.
    os.kill(os.getpid(), Signals.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {Signals.SIGTSTP})
    signal.pthread_sigmask(signal.SIG_BLOCK, {Signals.SIGTSTP})


def finish(start: Callable[[], _Program], stop: Callable[[], None] = stop) -> int:
    """
    Start a program, and wait for it as a shell that has nothing else to do.

    What is sent to this process is sent on; what the terminal sends to the whole
    process group reaches the program anyway. When it stops, so does this process, for
    a shell to see it; when this process is continued, so is the program. Of a terminal
    that it leaves behind unusable, modes and process group are as before.

    Args:
        start: What starts the program.

        stop: What is done when it has stopped.

    Returns:
        Its exit status, or 128 and the number of the signal that killed it.

    Raises:
        SpawnError: It has not begun.
    """
    with controlling_terminal() as terminal, _signals_held() as held:
        program = start()
        status = _Wait(program, terminal, stop).finish(held())
        if terminal is not None:
            terminal.take_back(restore=status < 0)
    return status if status >= 0 else 128 - status


class _Wait:
    """The wait for one program."""

    def __init__(
        self, program: _Program, terminal: Terminal | None, stop: Callable[[], None]
    ) -> None:
        self._program = program
        self._stop = stop
        self._was_stopped = False
        self._terminal = terminal
        child = program._child
        # Of its stops only its parent learns, which an init is and we are not.
        self._hidden = child.program_pidfd if child and child.has_init else None
        self._hurry_until = 0.0

    def finish(self, early: set[Signals]) -> int:
        """Wait until it has ended; return its status as `Popen` has it."""
        for signo in early:
            self._send(signo)
        while (status := self._program.poll()) is None:
            self._stop_with_it()
            self._take_signal()
        # What has killed it by way of the terminal is not to kill this as well.
        while signal.sigtimedwait(_FOR_THE_PROGRAM, 0):
            pass
        return status

    def _take_signal(self) -> None:
        waited_for = _FOR_THE_PROGRAM | _OURS
        if self._hidden is None or self._terminal is None:
            found = signal.sigwaitinfo(waited_for)
        else:
            is_soon = time.monotonic() < self._hurry_until
            timed = signal.sigtimedwait(waited_for, _FAST if is_soon else _SLOW)
            if timed is None:
                return
            found = timed
        signo = Signals(found.si_signo)
        if signo == Signals.SIGCONT:
            if self._terminal is not None:
                self._terminal.give_back()
            self._was_stopped = False
            self._send(signo)
        elif signo in _FOR_THE_PROGRAM:
            # A terminal's keys are for the whole process group, of which the program
            # is, and its hangup for the leader of the session, which it is not.
            is_told = found.si_code > 0 and signo is not Signals.SIGHUP
            if not is_told and found.si_pid != self._pid():
                self._send(signo)
            elif signo in _STOPS:
                self._hurry_until = time.monotonic() + _SOON

    def _send(self, signo: Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            self._program.send_signal(signo)

    def _stop_with_it(self) -> None:
        """Stop if the program has, until somebody continues this process."""
        if not self._has_stopped():
            return
        if self._terminal is not None:
            self._terminal.note_stopped(self._pid() or 0)
        # Or else somebody was faster.
        if Signals.SIGCONT not in signal.sigpending():
            self._stop()

    def _has_stopped(self) -> bool:
        """Return whether it has stopped since it was last asked."""
        if self._hidden is None:
            with suppress(ChildProcessError):
                flags = os.WSTOPPED | os.WNOHANG
                return os.waitid(os.P_PID, self._program.pid, flags) is not None
            return False
        pid = self._pid()
        if self._terminal is None or pid is None:
            return False
        was_stopped = self._was_stopped
        self._was_stopped = _proc.stat_fields(pid)[:1] == [b"T"]
        return self._was_stopped and not was_stopped

    def _pid(self) -> int | None:
        """Return the program's id, unless it has ended."""
        if self._hidden is None:
            return self._program.pid
        return _proc.pidfd_pid(self._hidden)


@contextmanager
def _signals_held() -> Iterator[Callable[[], set[Signals]]]:
    """
    Have no signal end this process while there is a program to be told.

    It gives a function to be called once the program is there: from then on signals
    are blocked, to be waited for, and those that came before are its result. Until
    then they have handlers, which programs do not inherit, as they would a mask; one
    that is ignored is for the program to ignore as well.
    """
    early: set[Signals] = set()

    def note(signo: int, frame: object) -> None:
        del frame
        early.add(Signals(signo))

    heeded = {
        signo
        for signo in _FOR_THE_PROGRAM
        if signal.getsignal(signo) is not signal.SIG_IGN
    }
    handlers = {signo: signal.signal(signo, note) for signo in heeded}
    # Ignored, children would be gone with their status.
    handlers[Signals.SIGCHLD] = signal.signal(Signals.SIGCHLD, note)
    handlers.setdefault(Signals.SIGTSTP, signal.getsignal(Signals.SIGTSTP))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def held() -> set[Signals]:
        signal.pthread_sigmask(signal.SIG_BLOCK, heeded | _OURS)
        signal.signal(Signals.SIGTSTP, signal.SIG_DFL)
        return early - {Signals.SIGCHLD}

    try:
        yield held
    finally:
        for signo, handler in handlers.items():
            signal.signal(signo, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
