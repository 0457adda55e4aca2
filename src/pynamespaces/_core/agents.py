"""
Processes in which a function is called, as the one sees it that calls.

A process that is one thread forks. One with threads cannot: what their locks were
holding would be held in the child for ever. It starts an interpreter of its own, to
which the function is passed by its name.
"""

from __future__ import annotations

import array
import errno
import functools
import os
import pickle
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from .. import _core
from .._refusals import from_errno
from ..errors import CallError
from . import answers, inside, plan, spawn
from .answers import Answer
from .threads import wait_until_alone

if TYPE_CHECKING:
    from .settle import Function, Joined

_NOTHING: Final = -1
_PATIENCE: Final = 1000
"""For how many ms a process may take to end after its child has been killed."""

_ROOM: Final = socket.CMSG_SPACE(array.array("i").itemsize)


Work: TypeAlias = tuple["Function", Sequence[object], Mapping[str, object]]
"""A function and its arguments."""


class _Child(Protocol):
    """A child of this process."""

    @property
    def pid(self) -> int: ...
    @property
    def pidfd(self) -> int: ...
    def start(
        self, ours: socket.socket, theirs: socket.socket, joined: Joined, work: Work, /
    ) -> None: ...
    def forget(self) -> None: ...


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
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child: _Child = _Forked() if wait_until_alone() else _Fresh()
        line = _Line(ours, child)
        try:
            child.start(ours, theirs, joined, (function, args, kwargs))
            theirs.close()
            answer = line.listen()
            exitcode = _reap(child)
        except BaseException:
            line.end()
            raise
        finally:
            line.close()
            child.forget()
    if answer is None:
        how = "unknown" if exitcode is None else exitcode
        raise CallError(
            f"the process of the function ended without an answer: exit status {how}",
            exitcode,
        )
    return answers.value_of(answer, exitcode)


def _reap(child: _Child) -> int | None:
    try:
        _, status = os.waitpid(child.pid, 0)
    except ChildProcessError:  # Somebody else was quicker, or SIGCHLD is ignored.
        return None
    return os.waitstatus_to_exitcode(status)


class _Forked:
    """A copy of this process, which is one thread."""

    def __init__(self) -> None:
        self.pid = self.pidfd = _NOTHING

    def start(
        self, ours: socket.socket, theirs: socket.socket, joined: Joined, work: Work
    ) -> None:
        for stream in (sys.stdout, sys.stderr):
            # Else both would write what is in the buffer.
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        parent = os.getpid()
        # A handler that raises would lose the child before it is on record.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    ours.close()
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                    function, args, kwargs = work
                    done = functools.partial(function, *args, **kwargs)
                    inside.be_forked(theirs, joined, done, parent)
                finally:
                    os._exit(1)
            self._open()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _open(self) -> None:
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:  # With SIGCHLD ignored, it may be gone.
            pass
        except OSError as error:
            os.kill(self.pid, signal.SIGKILL)
            _reap(self)
            number = error.errno or errno.EIO
            raise from_errno(number, "pidfd_open") from None

    def forget(self) -> None:
        pidfd, self.pidfd = self.pidfd, _NOTHING
        if pidfd != _NOTHING:
            os.close(pidfd)


class _Fresh:
    """An interpreter of its own."""

    def __init__(self) -> None:
        self._child = spawn.Child()

    def start(
        self, ours: socket.socket, theirs: socket.socket, joined: Joined, work: Work
    ) -> None:
        _core.require_home()
        from multiprocessing import process, util
        from multiprocessing import spawn as starting

        # Before a main module that is just being imported calls itself without end.
        if getattr(process.current_process(), "_inheriting", False):
            raise CallError(
                "the main module is being imported by a process of its own call: put "
                'what is to run only once below `if __name__ == "__main__":`'
            )
        fds = [hold.fileno() for _, hold in joined]
        pickled = _pickled(work)
        main_name, main_path = _main() if b"__main__" in pickled else (None, None)
        task = inside.Task(
            joined=[(type, fd) for (type, _), fd in zip(joined, fds, strict=True)],
            sys_argv=sys.argv,
            main_name=main_name,
            main_path=main_path,
            parent=os.getpid(),
            work=pickled,
        )
        words = [
            os.fsdecode(starting.get_executable()),
            *util._args_from_interpreter_flags(),  # type: ignore[attr-defined]
            *("-c", inside.BOOT, str(theirs.fileno())),
            *sys.path,
        ]
        sys.audit("subprocess.Popen", words[0], words, None, None)
        with ExitStack() as stack:
            program = _program(words, [theirs.fileno(), *fds])
            self._child.start(plan.Where(), program, stack)
        theirs.close()
        with suppress(BrokenPipeError, ConnectionResetError):  # It has been killed.
            data = pickle.dumps(tuple(task))
            ours.sendall(len(data).to_bytes(8, "big") + data)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def pidfd(self) -> int:
        return self._child.pidfd

    def forget(self) -> None:
        self._child.abandon()


def _pickled(work: object) -> bytes:
    """Return a function and its arguments as bytes."""
    why: Exception
    try:
        pickled = pickle.dumps(work)
    except Exception as error:  # noqa: BLE001 - whatever its methods raise
        why = error
    else:
        if b"__main__" not in pickled or any(_main()):
            return pickled
        why = CallError("it is in a main module that has no file")
    try:
        others = import_module("cloudpickle")
    except ImportError:
        raise CallError(
            "a process with threads passes a function to a fresh interpreter, and this "
            f"one cannot be passed: {why!r}; use a function of a module, by its name, "
            "with arguments that can be pickled, or install cloudpickle, which passes "
            "others too"
        ) from why
    return bytes(others.dumps(work))


def _main() -> tuple[str | None, str | None]:
    """Return the name or the file of the main module."""
    from multiprocessing import process

    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return name, None
    path = getattr(main, "__file__", None)
    if path is None:
        return None, None
    folder = process.ORIGINAL_DIR or ""  # type: ignore[attr-defined]
    return None, os.path.normpath(os.path.join(folder, path))


def _program(words: list[str], fds: Sequence[int]) -> plan.Program:
    return plan.Program(
        args=plan.Texts.of(words),
        files=plan.Texts.of(words[:1]),
        env=plan.Texts.of_environment(),
        cwd=None,
        stdio=(_NOTHING,) * 6,
        close_fds=True,
        pass_fds=fds,
        uid=None,
        gid=None,
        groups=None,
        umask=_NOTHING,
        restore_signals=True,
        new_session=False,
        process_group=_NOTHING,
        name=words[0],
        directory=None,
    )


class _Line:
    """Listening to a child, and to what that has moved on as."""

    def __init__(self, channel: socket.socket, child: _Child) -> None:
        self._channel = channel
        self._child = child
        self._runner = _NOTHING
        self._has_ended = False
        self._poll = select.poll()

    def listen(self) -> Answer | None:
        """Return the answer; None if the child ended before it was through."""
        self._poll.register(self._channel, select.POLLIN)
        if self._child.pidfd != _NOTHING:
            self._poll.register(self._child.pidfd, select.POLLIN)
        while (head := self._head()) is not None:
            letter = bytes(head[:1])
            rest = self._rest(int.from_bytes(head[1:], "big"))
            if rest is None:
                break
            if letter != answers.HANDLE:
                return Answer(letter, rest)
        return None

    def _head(self) -> bytearray | None:
        head = bytearray()
        while len(head) < answers.HEAD:
            if not self._wait():
                return None
            flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            missing = answers.HEAD - len(head)
            data, extra, _, _ = self._channel.recvmsg(missing, _ROOM, flags)
            for _, _, fds in extra:
                self._take(array.array("i", fds)[0])
            if not data:
                return None
            head += data
        return head

    def _take(self, pidfd: int) -> None:
        self.close()
        self._runner = pidfd

    def _rest(self, size: int) -> bytearray | None:
        rest = bytearray(size)
        view = memoryview(rest)
        while view:
            if not self._wait():
                return None
            count = self._channel.recv_into(view, 0, socket.MSG_DONTWAIT)
            if count == 0:
                return None
            view = view[count:]
        return rest

    def _wait(self) -> bool:
        """Wait until there is something to read, or nothing to come."""
        ready = {fd for fd, _ in self._poll.poll(0 if self._has_ended else None)}
        while self._channel.fileno() not in ready:
            if self._has_ended:
                return False
            # What it has said before it ended is there by now.
            self._has_ended = True
            ready = {fd for fd, _ in self._poll.poll(0)}
        return True

    def end(self) -> None:
        """
        Kill the child, and reap it.

        First what it has moved on as, in which it follows: so it is reaped by its
        parent, and not left to whoever is the init there.
        """
        if self._child.pidfd == _NOTHING:
            return
        if self._runner != _NOTHING:
            with suppress(OSError):
                signal.pidfd_send_signal(self._runner, signal.SIGKILL)
                watch = select.poll()
                watch.register(self._child.pidfd, select.POLLIN)
                watch.poll(_PATIENCE)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._child.pidfd, signal.SIGKILL)
        _reap(self._child)

    def close(self) -> None:
        """Let go of what it has moved on as."""
        runner, self._runner = self._runner, _NOTHING
        if runner != _NOTHING:
            os.close(runner)
