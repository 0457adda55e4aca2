"""
Workers that are killed by SIGKILL, at each of their system calls or at any moment.

A worker is a child of an arena: a process with mounts of its own, to which all orphans
come, so that what a killed worker leaves running is seen.
"""

import ctypes
import fcntl
import os
import random
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from pinning import in_own_mounts
from provoking import check, libc
from starting import PR_SET_CHILD_SUBREAPER
from support import TIER, in_child

from pynamespaces import _core, lowlevel

T = TypeVar("T")
Act = Callable[[], object]

LIMIT: Final = 20.0
"""After how many seconds what a killed worker has left running is a failure."""

_CHANNEL: Final = 200
"""The descriptor to which a watched worker can write nevertheless."""

_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_NEW_LISTENER, _SET_MODE_FILTER = 8, 1
_NO_NEW_PRIVS = 38
_IS_X86: Final = os.uname().machine == "x86_64"
_WRITE: Final = 1 if _IS_X86 else 64
_SECCOMP: Final = 317 if _IS_X86 else 277
_PIDFD_GETFD: Final = 438
_WALL: Final = 0x40000000
# Reading, memory and the like: who is killed before them leaves what is left by who is
# killed after them. Interpreters make thousands.
_CHANGING_NOTHING: Final = (
    (0, 5, 8, 9, 10, 11, 12, 13, 14, 17, 28, 89, 217, 262, 332)
    if _IS_X86
    else (61, 62, 63, 67, 78, 79, 80, 134, 135, 214, 215, 222, 226, 233, 291)
)
_COUNTED: Final = [*enumerate(_CHANGING_NOTHING)][::-1]
_LOAD, _IF, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _WAIT = 0x7FFF0000, 0x7FC00000
_FILTER: Final = (
    (_LOAD, 0, 0, 0),  # The number of the call.
    *((_IF, 3 + left, 0, number) for left, number in _COUNTED),
    (_IF, 0, 3, _WRITE),
    (_LOAD, 0, 0, 16),  # The first argument.
    (_IF, 0, 1, _CHANNEL),
    (_RETURN, 0, 0, _ALLOW),
    (_RETURN, 0, 0, _WAIT),
)


def in_arena(function: Callable[[], T]) -> T:
    """Run in a child that adopts orphans, with a ``/run`` of its own if it may."""

    def inside() -> T:
        check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        # These mounts are where modules come from, whatever was entered before.
        _core._is_sealed = False
        # Interpreters that workers start would import it: all of pytest.
        main = vars(sys.modules["__main__"])
        main["__spec__"] = main["__file__"] = None
        return function()

    return in_child(inside) if TIER == "plain" else in_own_mounts("/run", inside)


def load_for(act: Act) -> None:
    """Import what an act imports, by doing it in a child."""

    def loaded() -> list[str]:
        act()
        return [name for name in sys.modules if name not in known]

    known = set(sys.modules)
    for name in in_child(loaded):
        import_module(name)
    reap_all()


def calls_of(act: Act) -> int:
    """Return how many system calls a worker makes, with all that it starts."""
    count, status = _watched(act, sys.maxsize)
    assert status == 0, f"the worker has failed: {status}"
    return count


def kill_at(act: Act, moment: int) -> bool:
    """
    Kill a worker instead of the moment-th call that it or one of its children makes.

    Returns:
        Whether it had not ended before.
    """
    _, status = _watched(act, moment)
    assert status in (0, -signal.SIGKILL), f"the worker has failed: {status}"
    return status != 0


def kill_after(act: Act, seconds: float, *, is_repeated: bool) -> None:
    """Kill a worker after so many seconds; until then it may do the same repeatedly."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:

        def act_for_ever() -> None:
            os.write(writer, b"!")
            act()
            while is_repeated:
                act()
            signal.pause()

        _work(act_for_ever)
    os.close(writer)
    assert os.read(reader, 1) == b"!"
    os.close(reader)
    select.select([], [], [], seconds)
    os.kill(pid, signal.SIGKILL)
    assert reap_all()[pid] == -signal.SIGKILL, "the worker has failed"


def duration_of(act: Act) -> float:
    """Return for how long a worker is at it, in seconds."""

    def timed() -> float:
        begun = time.monotonic()
        act()
        return time.monotonic() - begun

    return in_child(timed)


def do_again(act: Act) -> None:
    """Check that it works in a process that nobody kills, and leaves none behind."""

    def once() -> None:
        act()

    in_child(once)
    reap_all()


def spread(total: int, count: int, chance: random.Random) -> list[int]:
    """Return so many moments of a total, evenly spread but for chance."""
    width = total / count
    return [1 + int((index + chance.random()) * width) for index in range(count)]


# --- workers ------------------------------------------------------------------------


def _work(act: Act) -> NoReturn:
    status = 1
    try:
        act()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _hand_over_all() -> int:
    """Have all calls of this process and its children wait for who listens."""
    check(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
    words = b"".join(struct.pack("HBBI", *word) for word in _FILTER)
    room = ctypes.create_string_buffer(words)
    header = struct.pack("HP", len(_FILTER), ctypes.addressof(room))
    return check(libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, header))


def _watched(act: Act, moment: int) -> tuple[int, int]:
    """Watch a worker until all is over; return how many calls, and how it ended."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, _CHANNEL, inheritable=False)
        os.close(reader)
        os.close(writer)

        def act_watched() -> None:
            listener = _hand_over_all()
            os.write(_CHANNEL, listener.to_bytes(4, "little"))
            act()

        _work(act_watched)
    os.close(writer)
    theirs = int.from_bytes(os.read(reader, 4), "little")
    os.close(reader)
    pidfd = lowlevel.pidfd_open(pid)
    listener = check(libc.syscall(_PIDFD_GETFD, pidfd, theirs, 0))
    try:
        return _answer(listener, pid, pidfd, moment)
    finally:
        os.close(pidfd)
        os.close(listener)


def _answer(listener: int, pid: int, pidfd: int, moment: int) -> tuple[int, int]:
    count, ended, deadline = 0, dict[int, int](), time.monotonic() + LIMIT
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        ready = dict(poll.poll(2)).get(listener, 0)
        if not ready & select.POLLIN:
            if not _reap(ended):
                return count, ended[pid]
            _refuse_survivors(deadline)
            continue
        notice = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice)
        except (FileNotFoundError, InterruptedError):
            continue  # Who has made the call is gone.
        count += 1
        if count == moment:
            # Where it was its child's call, that goes on when the worker is dead.
            os.kill(pid, signal.SIGKILL)
            select.select([pidfd], [], [], LIMIT)
        (call,) = struct.unpack_from("Q", notice)
        with suppress(FileNotFoundError):
            fcntl.ioctl(listener, _SEND, struct.pack("QqiI", call, 0, 0, _CONTINUE))


# --- their end ----------------------------------------------------------------------


def _reap(ended: dict[int, int]) -> bool:
    """Reap whoever has ended; return whether there is anybody left."""
    try:
        while (found := os.waitpid(-1, os.WNOHANG | _WALL))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    except ChildProcessError:
        return False
    return True


def reap_all() -> dict[int, int]:
    """Wait until all descendants have ended; return how."""
    ended, deadline = dict[int, int](), time.monotonic() + LIMIT
    while _reap(ended):
        _refuse_survivors(deadline)
        select.select([], [], [], 0.001)
    return ended


def _refuse_survivors(deadline: float) -> None:
    """Fail if it takes too long, and end who is left."""
    if time.monotonic() < deadline:
        return
    found = []
    for word in Path("/proc/thread-self/children").read_text().split():
        with suppress(OSError):
            found.append(_told_of(Path("/proc", word)))
        os.kill(int(word), signal.SIGKILL)
        os.waitpid(int(word), _WALL)
    raise AssertionError(f"still there after {LIMIT} s: {found}")


def _told_of(process: Path) -> str:
    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    waits = (process / "wchan").read_text()
    return f"{(process / 'comm').read_text().strip()} [{command}] in {waits}"
