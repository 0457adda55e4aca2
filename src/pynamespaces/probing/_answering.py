"""The process that tries, as a child of the caller: each task in one of its own."""

from __future__ import annotations

import errno
import json
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn

from .. import _core, _proc, lowlevel
from .._lib import lib
from .._refusals import from_errno
from ..errors import NamespaceError, SystemCallError
from ..lowlevel._arguments import check
from . import _grounds
from ._operations import TRIES
from ._tasks import Situation, Subject, Task
from .records import Outcome

BOOT: Final = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    f"from {__name__} import be_fresh; be_fresh()"
)
"""With the path to look for modules in."""

PATIENCE: Final = 5.0
"""For how many seconds one try may take."""

TOTAL: Final = 40.0
"""And all of them."""

_DYING: Final = 1.0
_PAUSE: Final = 0.001


def be_fresh() -> NoReturn:
    """Be that process, as an interpreter of its own."""
    with suppress(BrokenPipeError):
        lib.pyns_prctl(lib.PR_SET_PDEATHSIG, signal.SIGKILL)
        situation, tasks = pickle.load(sys.stdin.buffer)
        outcomes = try_all(Situation(*situation), [Task(*task) for task in tasks])
        # On a line of its own, whatever else was printed.
        print("\n" + json.dumps(outcomes), flush=True)
    os._exit(0)


def try_all(situation: Situation, tasks: Sequence[Task]) -> list[Outcome]:
    """Try all, one after the other, and say how each went."""
    # What a terminal sends to all is for the caller to handle, which ends this process.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Once, and not by each that enters a mount namespace.
    _core.load_all()
    # Whatever a try leaves is this process's to reap.
    lib.pyns_prctl(lib.PR_SET_CHILD_SUBREAPER, 1)
    if situation.capabilities is not None:
        # Those that the caller has, and no others.
        check(lib.pyns_capset(*situation.capabilities), "capset")
    lib.pyns_prctl(lib.PR_SET_DUMPABLE, situation.dumpable)
    end = time.monotonic() + TOTAL
    return [_tried(situation, task, end) for task in tasks]


def _tried(situation: Situation, task: Task, end: float) -> Outcome:
    """Try one thing in a child, which is not waited for without end."""
    deadline = min(end, time.monotonic() + PATIENCE)
    if time.monotonic() > end:
        return _unanswered("it was not tried, since other tries took too long")
    try:
        text, status = _hear(situation, task, deadline)
    except OSError as error:
        return outcome_of(from_errno(error.errno or errno.EIO, "fork"))
    if text:
        return Outcome(*json.loads(text))
    if status is None or time.monotonic() > deadline:
        return _unanswered("the kernel did not answer in time")
    if os.WIFSIGNALED(status):
        return _killed(os.WTERMSIG(status))
    return _unanswered("who tried it ended without an answer")


def _hear(
    situation: Situation, task: Task, deadline: float
) -> tuple[bytes, int | None]:
    """Return what a child says that tries it, and its status when it was ended."""
    pid, reader = _child(situation, task)
    try:
        text = _read_line(reader, deadline)
    finally:
        os.close(reader)
        status = _end(pid)
    return text, status


def _child(situation: Situation, task: Task) -> tuple[int, int]:
    """Have a child that tries it; return its id, and where it says how it went."""
    reader, writer = os.pipe()
    own = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        try:
            os.close(reader)
            _grounds.end_with(own)
            _answer(writer, situation, task)
        finally:
            os._exit(0)
    os.close(writer)
    return pid, reader


def _killed(number: int) -> Outcome:
    name = signal.Signals(number).name
    if number == signal.SIGSYS:
        return _unanswered(f"a seccomp filter kills who tries it ({name})")
    return _unanswered(f"who tried it was killed ({name})")


def _unanswered(reason: str) -> Outcome:
    return Outcome(works=False, reason=reason)


def _read_line(reader: int, deadline: float) -> bytes:
    """Return what was said; nothing if it did not come to its end."""
    text = b""
    ready = select.poll()
    ready.register(reader, select.POLLIN)
    while not text.endswith(b"\n"):
        if not ready.poll(max(0, deadline - time.monotonic()) * 1000):
            return b""
        part = os.read(reader, 1 << 16)
        if not part:
            return b""
        text += part
    return text


def _end(pid: int) -> int | None:
    """End a child, and what it leaves; return the child's status."""
    found = None
    _kill([pid])
    deadline = time.monotonic() + _DYING
    # One that hangs in the kernel is left to it.
    while time.monotonic() < deadline:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if ended == pid:
            found = status
        if ended == 0:
            # What it has started are children of this process by now.
            _kill(_children())
            time.sleep(_PAUSE)
    return found


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _children() -> list[int]:
    """Return the children of this process, by the ids that they have for it."""
    # In the /proc of a pid namespace further out they have others.
    return _proc.child_ids() if _proc.nspids("self") == [os.getpid()] else []


def _answer(writer: int, situation: Situation, task: Task) -> None:
    """Try it, and say how it went."""

    def be_like_caller() -> None:
        if task.is_threaded:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        if task.has_own_fs:
            lowlevel.unshare(lowlevel.CLONE_FS)
        if situation.pending is not None:
            _grounds.unshare_children(inhabited=situation.pending == "inhabited")

    outcome = Outcome(works=True)
    try:
        TRIES[task.name](Subject(task, be_like_caller))
    except Exception as error:  # noqa: BLE001 - it is what is asked for
        outcome = outcome_of(error)
    os.write(writer, json.dumps(outcome).encode() + b"\n")


def outcome_of(error: Exception) -> Outcome:
    """Say why something does not work."""
    number = error.errno if isinstance(error, OSError) else None
    reason, hint = str(error) or type(error).__name__, None
    if isinstance(error, SystemCallError):
        reason, hint = error.reason or f"{error.strerror} [{error.syscall}]", error.hint
        if error.filename:
            reason += f" ({os.fsdecode(error.filename)})"
    elif isinstance(error, NamespaceError):
        # What to do instead is the second half of the sentence.
        reason, _, rest = reason.partition("; ")
        hint = rest or None
    return Outcome(works=False, reason=reason, hint=hint, errno=number)
