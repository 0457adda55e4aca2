"""
System calls that fail: a process whose calls this one answers.

What ``strace -e inject=`` does, by a seccomp filter: that is as quick as the calls are,
and counts those of all threads and children in one.
"""

import ctypes
import fcntl
import mmap
import os
import pickle
import select
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from errnos import NAMES, NUMBERS, errnos
from provoking import check, libc

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP: Final = 317
_PIDFD_GETFD: Final = 438
_NOTIF_RECV, _NOTIF_SEND = 0xC0502100, 0xC0182101
_RET_NOTIFY, _RET_ALLOW = 0x7FC00000, 0x7FFF0000
_CONTINUE: Final = 1
_EMPTY_PATH: Final = 0x1000

LIMIT: Final = 20.0
"""After how many seconds a process that has not ended hangs."""


class Fault(NamedTuple):
    """The system call that fails: which, the how many-th (from 0), and by what."""

    call: str
    place: int
    errno: int


class Run(NamedTuple):
    """What came of a process."""

    calls: Counter[str]
    """How many there were of each."""

    answer: object
    """What the function returned, or its exception; ``None`` if it gave nothing."""

    status: int | None
    """How the process ended; ``None`` if it had to be killed."""

    left: bool
    """Whether a process was left at the end."""

    was_hit: bool
    """Whether the call that was to fail was made."""


class Shared:
    """What both processes see: no system call is needed to tell it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def set(self, place: int, value: int) -> None:
        """Store a number."""
        struct.pack_into("i", self._memory, 4 * place, value)

    def get(self, place: int) -> int:
        """Return a number."""
        (value,) = struct.unpack_from("i", self._memory, 4 * place)
        return int(value)

    def close(self) -> None:
        """Let the memory go."""
        self._memory.close()


_LISTENER, _GO, _ARMED = 0, 1, 2


def _filter(names: list[str]) -> bytes:
    """Ask about these calls, and let all others be."""
    statement = struct.Struct("HBBI").pack
    code = statement(0x20, 0, 0, 0)
    for name in names:
        code += statement(0x15, 0, 1, NUMBERS[name]) + statement(6, 0, 0, _RET_NOTIFY)
    return code + statement(6, 0, 0, _RET_ALLOW)


def _listen(names: list[str]) -> int:
    """Set the filter; return the descriptor by which it asks."""
    code = _filter(names)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    with suppress(OSError):
        return check(libc.syscall(_SECCOMP, 1, 8, program))
    check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    return check(libc.syscall(_SECCOMP, 1, 8, program))


class Switch:
    """In the process: from when to when calls are counted, and fail."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    @contextmanager
    def on(self) -> Iterator[None]:
        """Have them fail in the body."""
        with self._set(1):
            yield

    @contextmanager
    def off(self) -> Iterator[None]:
        """Let them be in the body."""
        with self._set(0):
            yield

    @contextmanager
    def _set(self, value: int) -> Iterator[None]:
        before = self._shared.get(_ARMED)
        self._shared.set(_ARMED, value)
        try:
            yield
        finally:
            self._shared.set(_ARMED, before)


def _serve(
    function: Callable[[Switch], object], shared: Shared, names: list[str], writer: int
) -> None:
    """Run the function in this process, which is a fresh child, and tell."""
    answer: object
    try:
        check(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        listener = _listen(names)
        shared.set(_LISTENER, listener + 1)
        while not shared.get(_GO):
            time.sleep(0.0005)
        os.close(listener)
        answer = function(Switch(shared))
    except BaseException as error:
        error.add_note(traceback.format_exc())
        answer = error
    with open(writer, "wb") as file:
        try:
            file.write(pickle.dumps(answer))
        except Exception:
            file.write(pickle.dumps(AssertionError(f"cannot be sent: {answer!r}")))


def _is_stream(pid: int, fd: int) -> bool:
    """Return whether a descriptor of a process is a pipe or a socket."""
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/fd/{fd}").startswith(("pipe:", "socket:"))
    return False


class _Answerer:
    """Answers for the calls of one process and its children."""

    def __init__(self, shared: Shared, listener: int, fault: Fault | None) -> None:
        self.calls: Counter[str] = Counter()
        self.was_hit = False
        self.listener, self._shared, self._fault = listener, shared, fault
        self._own = Path("/proc/self/cmdline").read_bytes()

    def _is_ours(self, pid: int) -> bool:
        """Return whether it runs this program, and not one that it has executed."""
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes() == self._own
        return False

    def _errno(self, pid: int, number: int, first: int, flags: int) -> int:
        """Say by what a call is to fail, or 0; and count it."""
        if not self._shared.get(_ARMED) or not self._is_ours(pid):
            return 0
        name = NAMES[number]
        if name == "newfstatat" and flags & _EMPTY_PATH:
            name = "fstat"
        if name == "read" and _is_stream(pid, first):
            name = "read from a stream"
        index = self.calls[name]
        self.calls[name] += 1
        if self._fault is None or self._fault[:2] != (name, index):
            return 0
        self.was_hit = True
        return self._fault.errno

    def answer(self) -> None:
        """Answer for one call."""
        question = bytearray(80)
        try:
            fcntl.ioctl(self.listener, _NOTIF_RECV, question)
        except OSError:
            return  # Who asked has been killed.
        id, pid, _, number, *arguments = struct.unpack_from("QIIi4xQ6Q", question)
        errno = self._errno(pid, number, arguments[1], arguments[4])
        flags = 0 if errno else _CONTINUE
        with suppress(OSError):
            fcntl.ioctl(
                self.listener, _NOTIF_SEND, struct.pack("QqiI", id, 0, -errno, flags)
            )


def run_failing(
    function: Callable[[Switch], object],
    fault: Fault | None = None,
) -> Run:
    """Run in a child, of whose calls one fails; or none, to count these."""
    names = list(NUMBERS)
    if fault is not None:
        call = fault.call.split(" ")[0]
        names = ["fstat", "newfstatat"] if "fstat" in call else [call]
    with closing(Shared()) as shared:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            try:
                _serve(function, shared, names, writer)
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, "rb", buffering=0) as answers:
            return _follow(pid, shared, answers.fileno(), fault)


def _follow(pid: int, shared: Shared, reader: int, fault: Fault | None) -> Run:
    pidfd = os.pidfd_open(pid)
    try:
        while not shared.get(_LISTENER):
            if select.select([pidfd], [], [], 0.0005)[0]:
                break
        number = shared.get(_LISTENER) - 1
        listener = check(libc.syscall(_PIDFD_GETFD, pidfd, number, 0))
        try:
            shared.set(_GO, 1)
            return _follow_calls(pid, pidfd, _Answerer(shared, listener, fault), reader)
        finally:
            os.close(listener)
    finally:
        os.close(pidfd)


def _follow_calls(pid: int, pidfd: int, answerer: _Answerer, reader: int) -> Run:
    """Answer until the process and all of its children are gone."""
    listener, poll = answerer.listener, select.poll()
    waiting = {listener, pidfd, reader}
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    data, status = bytearray(), None
    deadline = time.monotonic() + LIMIT
    while waiting and (rest := deadline - time.monotonic()) > 0:
        for fd, events in poll.poll(rest * 1000):
            if fd == listener and events & select.POLLIN:
                answerer.answer()
                continue
            if fd == reader and (part := os.read(reader, 65536)):
                data += part
                continue
            if fd == pidfd:
                _, status = os.waitpid(pid, 0)
                # What it leaves has not long.
                deadline = min(deadline, time.monotonic() + 2)
            poll.unregister(fd)
            waiting.discard(fd)
    if status is None:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    answer = pickle.loads(bytes(data)) if data else None
    return Run(answerer.calls, answer, status, listener in waiting, answerer.was_hit)


def faults_of(calls: Counter[str], most: int) -> list[Fault]:
    """Make the list of all that can fail, with so many of a kind of call at most."""
    found = []
    for name, count in sorted(calls.items()):
        indices = range(count)
        if count > most:
            # The first ones, and others evenly from the rest.
            step = (count - most // 2) / (most - most // 2)
            late = [most // 2 + int(i * step) for i in range(most - most // 2)]
            indices = [*range(most // 2), *late]  # type: ignore[assignment]
        found += [Fault(name, i, number) for i in indices for number in errnos(name)]
    return found


if __name__ == "__main__":
    sys.exit("this is no program")
