"""
A copy of this process in which things are tried.

It is had by few system calls, none of which asks about namespaces, so that where a
filter refuses those or kills who makes them, that is found out by the copy.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .. import _proc
from .._core import answers, inside
from .._core.answers import Answer
from .._core.reach import Hold, channel
from .._core.threads import wait_until_alone
from .._lib import lib
from .._refusals import from_errno
from ..errors import CallError

_PR_GET_SECCOMP: Final = 21  # of linux/prctl.h

_PATIENCE: Final = 0.1
"""For how long threads that are ending are waited for, as by `wait_until_alone`."""
_PAUSE: Final = 0.0005


def is_alone() -> bool:
    """Return whether this process is one thread, by no call that a filter kills for."""
    if lib.pyns_prctl(_PR_GET_SECCOMP, 0) == 0:
        return wait_until_alone()
    deadline = time.monotonic() + _PATIENCE
    while (count := _proc.status_field("Threads")) != "1":
        if count is None or time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def call(work: Callable[[], object]) -> object:
    """
    Call a function in a copy of this process, which is one thread; return its value.

    Raises:
        SystemCallError: No child could be started.

        CallError: The child has ended without an answer.
    """
    inside.flush()  # Else both would write what is in the buffers.
    born: list[int] = []
    ours, theirs = channel()
    with ours, theirs:
        try:
            _fork(born, ours, theirs, work)
            theirs.close()
            answer = _listen(ours.fileno())
            exitcode = _reap(born[0])
        except BaseException:
            for pid in born:
                _kill(pid)
            raise
    if answer is None:
        raise CallError("the process that tries things ended", exitcode)
    return answers.value_of(answer, exitcode)


def _fork(
    born: list[int], ours: Hold, theirs: Hold, work: Callable[[], object]
) -> None:
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        # A handler that raises would lose the child before it is on record.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = _forked()
        if pid == 0:
            try:
                ours.close()
                inside.be_forked(theirs.fileno(), (), work, parent, mask)
            finally:
                os._exit(1)
        born.append(pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _forked() -> int:
    try:
        return os.fork()
    except OSError as error:
        raise from_errno(error.errno or errno.EIO, "fork") from None


def _listen(fd: int) -> Answer | None:
    """Return what the child says; None if it ends before it is through."""
    with suppress(ConnectionResetError), open(fd, "rb", closefd=False) as file:
        head = file.read(answers.HEAD)
        size = int.from_bytes(head[1:], "big")
        rest = file.read(size)
        if len(head) == answers.HEAD and len(rest) == size:
            return Answer(head[:1], rest)
    return None


def _reap(pid: int) -> int | None:
    """Wait for the end of the child; return its exit status, if that is to be had."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:  # Somebody else was quicker, or SIGCHLD is ignored.
        return None
    return os.waitstatus_to_exitcode(status)


def _kill(pid: int) -> None:
    with suppress(ChildProcessError):
        # If it has been reaped, the id may be another's.
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
