"""
Processes in which a function is called, as the one sees it that calls.

A process that is one thread forks. One with threads cannot: what their locks were
holding would be held in the child for ever. Nor can one with subinterpreters. It
starts an interpreter of its own, to which the function is passed by its name.
"""

from __future__ import annotations

import errno
import functools
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .._forking import can_fork
from .._lib import new_buffer, read_buffer
from .._refusals import from_errno
from ..errors import CallError
from . import answers, inside, interpreters
from .answers import Answer
from .reach import Hold, channel
from .spawn import Child
from .threads import wait_until_alone

if TYPE_CHECKING:
    from .inside import Work
    from .settle import Function, Joined

_PATIENCE: Final = 1000
"""For how many ms a process may take to end after its child has been killed."""


def call(
    joined: Joined,
    function: Function,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> object:
    """
    Call a function in a process that joins some namespaces, and return its value.

    Raises:
        CallError: It has no value.

        SystemCallError: The kernel refused.
    """
    _refuse_while_importing()
    work = (function, args, kwargs)
    child = Child()
    ours, theirs = channel()
    with ours, theirs:
        try:
            if can_fork() and wait_until_alone():
                _fork(child, ours, theirs, joined, work)
            else:
                interpreters.start(child, ours, theirs, joined, work)
            theirs.close()
            answer = _Line(ours, child).listen()
            exitcode = _reap(child)
        except BaseException:
            _end(child)
            raise
        finally:
            child.abandon()  # It has been reaped, and only descriptors are left.
    if answer is None:
        how = "unknown" if exitcode is None else exitcode
        raise CallError(
            f"the process of the function ended without an answer: exit status {how}",
            exitcode,
        )
    return answers.value_of(answer, exitcode)


def _refuse_while_importing() -> None:
    """Refuse to call from a main module that a child of a call is importing."""
    process = sys.modules.get("multiprocessing.process")
    if process and getattr(process.current_process(), "_inheriting", False):
        raise CallError(
            "the main module is being imported by a process of its own call: put "
            'what is to run only once below `if __name__ == "__main__":`'
        )


def _fork(
    child: Child,
    ours: Hold,
    theirs: Hold,
    joined: Joined,
    work: Work,
) -> None:
    """Fork, where there are no other threads."""
    inside.flush()  # Else both would write what is in the buffers.
    parent = os.getpid()
    # A handler that raises would lose the child before it is on record. To block them
    # may itself run one, so the mask is known before.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = _forked()
        if pid == 0:
            try:
                ours.close()
                function, args, kwargs = work
                called = functools.partial(function, *args, **kwargs)
                inside.be_forked(theirs.fileno(), joined, called, parent, mask)
            finally:
                os._exit(1)
        child.hold_fork(pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _forked() -> int:
    try:
        return os.fork()
    except OSError as error:
        raise from_errno(error.errno or errno.EIO, "fork") from None


def _reap(child: Child) -> int | None:
    """Wait for the end of a child; return its exit status, if that is to be had."""
    if not child.pid:
        return None
    try:
        _, status = os.waitpid(child.pid, 0)
    except ChildProcessError:  # Somebody else was quicker, or SIGCHLD is ignored.
        return None
    return os.waitstatus_to_exitcode(status)


def _end(child: Child) -> None:
    """
    Kill a child, and reap it.

    First what it has moved on as, in which it follows: so that is reaped by its parent,
    and not left to whoever is the init there.
    """
    if child.has_moved_on and child.pid:
        with suppress(PermissionError, ProcessLookupError):
            signal.pidfd_send_signal(child.program_pidfd, signal.SIGKILL)
            watch = select.poll()
            watch.register(child.pidfd, select.POLLIN)
            watch.poll(_PATIENCE)
    child.abandon()


class _Line:
    """Listening to a child."""

    def __init__(self, channel: Hold, child: Child) -> None:
        self._channel = channel.fileno()
        self._child = child
        self._has_ended = False
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)
        if child.pid:
            self._poll.register(child.pidfd, select.POLLIN)

    def listen(self) -> Answer | None:
        """Return the answer; None if the child ended before it was through."""
        while (head := self._head()) is not None:
            letter = head[:1]
            rest = self._rest(int.from_bytes(head[1:], "big"))
            if rest is None:
                break
            if letter != answers.HANDLE:
                return Answer(letter, rest)
        return None

    def _head(self) -> bytes | None:
        head = b""
        while len(head) < answers.HEAD:
            if not self._wait():
                return None
            text = new_buffer(answers.HEAD)
            missing = answers.HEAD - len(head)
            length = self._child.listen(self._channel, text, missing)
            if length == 0:
                return None
            head += read_buffer(text, length)
        return head

    def _rest(self, size: int) -> bytearray | None:
        rest = bytearray(size)
        view = memoryview(rest)
        while view:
            if not self._wait():
                return None
            try:
                count = os.readv(self._channel, [view])
            except ConnectionResetError:
                return None
            if count == 0:
                return None
            view = view[count:]
        return rest

    def _wait(self) -> bool:
        """Wait until there is something to read; false if nothing is to come."""
        ready = {fd for fd, _ in self._poll.poll(0 if self._has_ended else None)}
        while self._channel not in ready:
            if self._has_ended:
                return False
            # What it has said before it ended is there by now.
            self._has_ended = True
            ready = {fd for fd, _ in self._poll.poll(0)}
        return True
