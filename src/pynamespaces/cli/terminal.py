"""The controlling terminal, which a program has while it runs and then gives back."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    Modes: TypeAlias = "list[int | list[bytes | int]]"


class Terminal:
    """
    The controlling terminal, as it was found.

    The program is in the process group that its starter is in, so that what the
    terminal sends reaches both: Ctrl-C, Ctrl-Z, a new size. A shell in there makes
    groups of its own, and may die without giving the terminal back.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._modes: Modes = termios.tcgetattr(fd)
        self._was_ours = self._is_ours()
        self._taken: int | None = None

    def note_stopped(self, pid: int) -> None:
        """Remember, of a program that has stopped, if its own group is in front."""
        self._taken = None
        with suppress(OSError):
            group = os.getpgid(pid)
            if group != os.getpgrp() and os.tcgetpgrp(self._fd) == group:
                self._taken = group

    def give_back(self) -> None:
        """Put the program in front again, if the shell has put us there."""
        group, self._taken = self._taken, None
        if group is not None and self._is_ours():
            self._set_group(group)

    def take_back(self, *, restore: bool) -> None:
        """
        Be in front again if we were, and who is now has gone.

        Args:
            restore: Set the modes as they were: a program that is killed has not.
        """
        if self._was_ours and not self._is_ours() and self._is_deserted():
            self._set_group(os.getpgrp())
        if restore and self._is_ours():
            with suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, self._modes)

    def _is_ours(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # The terminal has hung up.
            return False

    def _is_deserted(self) -> bool:
        try:
            os.killpg(os.tcgetpgrp(self._fd), 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def _set_group(self, group: int) -> None:
        # Who is not in front is stopped for this, unless the signal is blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            with suppress(OSError):
                os.tcsetpgrp(self._fd, group)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def controlling_terminal() -> Iterator[Terminal | None]:
    """Have the controlling terminal for the time of the body, if there is one."""
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield _opened(fd)
    finally:
        os.close(fd)


def _opened(fd: int) -> Terminal | None:
    try:
        return Terminal(fd)
    except termios.error:  # It has hung up.
        return None
