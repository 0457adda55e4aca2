"""Starting programs: the child, and the engine in C that carries the plan out."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from .._lib import Buffer, lib, new_spawn
from .._refusals import spawn_error
from ..lowlevel._arguments import check
from . import record, steps
from .plan import Program, Where

_NOTHING: Final = -1


class Child:
    """
    A child that is to become a program, and what is open of it.

    Dropping it closes that. It also ends the program, unless that has been adopted:
    then it is somebody else's to reap.
    """

    __slots__ = ("_spawn",)

    def __init__(self) -> None:
        # All stands in the record from the moment that it is so, and the record closes
        # it when it goes: a signal handler that raises, wherever, loses nothing.
        self._spawn = new_spawn()

    def adopt(self) -> None:
        """Leave the program alone when this object is dropped."""
        self._spawn.adopted = True

    def start(self, where: Where, program: Program, stack: ExitStack) -> None:
        """
        Start the program; the calling thread stays where it is.

        Args:
            where: Where.

            program: What.

            stack: Closes what is needed only to start it.

        Raises:
            SpawnError: It has not begun, and nothing of it is left.
        """
        _refuse_closed(program.pass_fds)
        kept = record.write_program(self._spawn, program)
        record.write_where(self._spawn, where, stack, kept)
        if where.join:
            sys.audit("pynamespaces.setns", tuple(type for type, _ in where.join))
        if where.new:
            sys.audit("pynamespaces.clone3", where.new)
        try:
            self._carry_out(where, program)
        except BaseException:
            self.abandon()
            raise
        finally:
            kept.clear()

    def _carry_out(self, where: Where, program: Program) -> None:
        spawn = self._spawn
        result = lib.pyns_spawn(spawn)
        while result == 1:
            # Python handles signals in between, and a handler may raise.
            result = lib.pyns_spawn_wait(spawn)
        if result < 0:
            raise steps.refusal(spawn, -result, where, program)

    def hold_fork(self, pid: int) -> None:
        """
        Hold a child that was just forked, with all signals blocked.

        Raises:
            SystemCallError: It cannot be held, and is abandoned.
        """
        self._spawn.pid = pid
        pidfd = lib.pyns_pidfd_open(pid, 0)
        if pidfd == -errno.ESRCH:
            # It has ended, and with SIGCHLD ignored nothing is left of it.
            self._spawn.pid = 0
        elif pidfd < 0:
            self.abandon()
            check(pidfd, "pidfd_open")
        self._spawn.pidfd = max(pidfd, _NOTHING)

    def listen(self, channel: int, text: Buffer, size: int) -> int:
        """Read what it says, and hold what it has moved on as; return how much."""
        result = lib.pyns_spawn_listen(self._spawn, channel, text, size)
        if result == -errno.ECONNRESET:
            return 0
        return check(result, "recvmsg")

    def abandon(self) -> None:
        """Kill it and reap it, wherever it is; close what is open. Twice is allowed."""
        lib.pyns_spawn_abandon(self._spawn)

    @property
    def pid(self) -> int:
        """The process to wait for: the program, or its init."""
        return self._spawn.pid

    @property
    def pidfd(self) -> int:
        """Of the process to wait for; it stays this object's."""
        return self._spawn.pidfd

    @property
    def has_init(self) -> bool:
        return self._spawn.program_pidfd != _NOTHING

    @property
    def has_moved_on(self) -> bool:
        """Whether another process, its child, is what it was to be."""
        return self.has_init

    @property
    def program_pidfd(self) -> int:
        """Of the program itself, which with an init is another."""
        spawn = self._spawn
        return spawn.program_pidfd if self.has_init else spawn.pidfd

    @property
    def listener(self) -> int:
        """Of the filter of its calls; it stays this object's. -1: there is none."""
        return self._spawn.listener

    def end_listening(self) -> None:
        """Close the listener: calls that it was to answer fail from now on."""
        lib.pyns_end_listening(self._spawn)

    def status(self, status: int) -> int:
        """
        Return how the program ended, once it is reaped, and end its guard.

        Args:
            status: What :manpage:`wait(2)` said. An init cannot end by a signal, and
                says by another way how the program ended.
        """
        spawn = self._spawn
        if spawn.guard_pidfd != _NOTHING:
            lib.pyns_end_guard(spawn)
        # In a fork, what it says is not for the child: it is said once.
        if spawn.channel == _NOTHING or spawn.owner != lib.pyns_process():
            return status
        said = lib.pyns_read_status(spawn.channel)
        return status if said < 0 else said


def _refuse_closed(fds: Sequence[int]) -> None:
    """Refuse what is not open, before one of ours gets its number and is passed on."""
    for fd in fds:
        try:
            os.fstat(fd)
        except OSError as error:
            number = error.errno or errno.EBADF
            raise spawn_error(number, "execve", "fcntl") from None
