"""
A process in which a function is called: what goes on in there.

It is one thread, either forked by a process that was one thread, or an interpreter of
its own. It knows what it is to do before it goes anywhere; there it does it, answers,
and ends. It ends with the thread that waits for it.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import pickle
import select
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

from .. import _core
from .._lib import lib
from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import CallError
from . import answers
from .reach import Hold
from .reach import channel as open_channel
from .settle import hide, settle_process, types_of
from .threads import is_alone

if TYPE_CHECKING:
    from .settle import Function, Joined

_T = NamespaceType

BOOT: Final = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    f"from {__name__} import be_fresh; be_fresh(int(sys.argv[1]))"
)
"""With the number of a socket, and the path to look for modules in."""


Work: TypeAlias = tuple["Function", Sequence[object], Mapping[str, object]]
"""A function and its arguments."""


_FIRST: Final = 3
"""The first number that is no standard stream's."""


class Task(NamedTuple):
    """What a fresh interpreter is to do."""

    joined: Sequence[tuple[NamespaceType, int]]
    """Types, and descriptors that it has been given."""

    sys_argv: list[str]
    main_name: str | None
    """The module that ``__main__`` is, if the function is to be found in there."""

    main_path: str | None
    """Or its file."""

    parent: int
    work: bytes
    """The function and its arguments, pickled."""


def be_forked(
    fd: int,
    joined: Joined,
    work: Callable[[], object],
    parent: int,
    mask: Iterable[int],
) -> NoReturn:
    """Be the process, right after fork(2), with all signals blocked but *mask*."""
    with suppress(ValueError):  # Not the main thread of its interpreter.
        # What it is told of by signals is no business of the caller's event loop.
        signal.set_wakeup_fd(-1)
    _reset_handlers()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    # As high as that was, since what is printed must not be an answer.
    own = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST)
    _live(socket.socket(fileno=own), lambda: (joined, work), parent)


def be_fresh(fd: int) -> NoReturn:
    """Be the process, as an interpreter of its own."""
    _reset_handlers()
    channel = socket.socket(fileno=fd)
    channel.set_inheritable(False)
    with channel.makefile("rb") as file:
        size = int.from_bytes(file.read(8), "big")
        task = Task(*pickle.loads(file.read(size)))
    _live(channel, lambda: (_holds(task), _loaded(task)), task.parent)


def _reset_handlers() -> None:
    """Have signals do what they do without Python: others may send them there."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _live(
    channel: socket.socket,
    begin: Callable[[], tuple[Joined, Callable[[], object]]],
    parent: int,
) -> NoReturn:
    def is_orphan() -> bool:
        # 0: it is in a pid namespace further out.
        return os.getppid() not in (parent, 0)

    status = 1
    try:
        _depend(is_orphan)
        try:
            joined, work = begin()
            _move(channel, joined, is_orphan)
        except BaseException as error:  # noqa: BLE001 - the caller's to handle
            answer = answers.refused(error)
        else:
            own = os.getpid()
            answer = answers.outcome(work)
            if os.getpid() != own:
                os._exit(0)  # The function has forked: one answer is enough.
        with suppress(Exception):  # Whatever stands for a stream.
            flush()
        status = 1 if answer.letter in (answers.UNFIT, answers.REFUSED) else 0
        for part in (answer.head(), answer.rest):
            channel.sendall(part, socket.MSG_NOSIGNAL)
    finally:
        # Not through what the caller registered for its own end.
        os._exit(status)


# --- before it goes anywhere --------------------------------------------------------


def _holds(task: Task) -> Joined:
    found = []
    for type, fd in task.joined:
        hold = Hold()
        hold.duplicate(fd)
        os.close(fd)
        found.append((type, hold))
    return found


def _loaded(task: Task) -> Callable[[], object]:
    """Import what the function needs, and return it with its arguments."""
    from multiprocessing import process, spawn

    sys.argv[:] = task.sys_argv
    # A main module without a guard would call again, and that without end.
    process.current_process()._inheriting = True  # type: ignore[attr-defined]
    try:
        # As multiprocessing does it: under another name, so that its guard holds.
        data = {
            "init_main_from_name": task.main_name,
            "init_main_from_path": task.main_path,
        }
        spawn.prepare({name: value for name, value in data.items() if value})
        function, args, kwargs = pickle.loads(task.work)
    except Exception as error:
        raise CallError(
            "the function cannot be found by a fresh interpreter, which this process "
            f"needs, having threads: {error!r}"
        ) from error
    finally:
        del process.current_process()._inheriting  # type: ignore[attr-defined]
    return functools.partial(function, *args, **kwargs)


# --- going there --------------------------------------------------------------------


def _move(
    channel: socket.socket, joined: Joined, is_orphan: Callable[[], bool]
) -> None:
    types = types_of(joined)
    if _T.MNT in types:
        _core.load_all()
    # Not before all is loaded: its own files in /proc are root's from now on.
    hide()
    if {_T.USER, _T.TIME}.intersection(types) and not is_alone():
        is_orphan = _give_way(channel, types)
    settle_process(joined)
    for _, hold in joined:
        hold.close()
    # Once more: what this was has gone with the ids.
    hide()
    _depend(is_orphan)
    if _T.PID in types:
        _give_way(channel, types)


def _depend(is_orphan: Callable[[], bool]) -> None:
    """End when the thread does that this process was forked by, which waits."""
    lib.pyns_prctl(lib.PR_SET_PDEATHSIG, signal.SIGKILL)
    if is_orphan():
        os._exit(1)


def _give_way(
    channel: socket.socket, types: tuple[NamespaceType, ...]
) -> Callable[[], bool]:
    """
    Go on as a child of this process, which stays to end as the child does.

    The child is where only children can be, and has no threads, not even of libraries.
    It is told whether its parent is still there.
    """
    if threading.active_count() > 1:
        raise CallError(
            "a module that the function needs starts threads when it is imported, and "
            "a process with threads cannot be moved"
        )
    handler = signal.getsignal(signal.SIGCHLD)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # Else its status might be lost.
    sign, other_end = open_channel()
    with warnings.catch_warnings():
        # Threads of libraries: there is no lock of Python's that they could hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            pid = os.fork()
        except OSError as error:
            number = error.errno or errno.EIO
            raise from_errno(number, "fork", types) from None
    if pid != 0:
        sign.close()
        channel.close()
        _end_as(pid)
    signal.signal(signal.SIGCHLD, handler)
    other_end.close()

    def is_orphan() -> bool:
        return bool(select.select([sign.fileno()], [], [], 0)[0])

    _depend(is_orphan)
    pidfd = os.pidfd_open(os.getpid())
    handle = answers.Answer(answers.HANDLE, b"")
    socket.send_fds(channel, [handle.head()], [pidfd], socket.MSG_NOSIGNAL)
    os.close(pidfd)
    return is_orphan


def _end_as(pid: int) -> NoReturn:
    # Signals that a terminal sends to all are the child's to act upon.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with suppress(OSError):  # SIGKILL has no handler.
            signal.signal(-code, signal.SIG_DFL)
        # A dump of memory there is of the child's, if any.
        lib.pyns_prctl(lib.PR_SET_DUMPABLE, 0)
        os.kill(os.getpid(), -code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
    os._exit(code)


def flush() -> None:
    """Write out what was printed, as far as that is possible."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except TimeoutError:
            raise  # No stream's, but a handler's.
        except (AttributeError, OSError, ValueError):
            pass  # None, closed, full, broken, or something else altogether.
