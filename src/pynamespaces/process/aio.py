"""Programs in namespaces for asyncio: on pidfds, without watchers or threads."""

from __future__ import annotations

import asyncio
from asyncio import base_subprocess
from asyncio.subprocess import Process, SubprocessStreamProtocol
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING, Final, Protocol, cast

from typing_extensions import Unpack

from .._types import override
from ._popen import Popen

if TYPE_CHECKING:
    from _typeshed import StrOrBytesPath

    from ._options import File, Surroundings

_LIMIT = 2**16

_NOT_STREAMED: Final = (
    *("shell", "bufsize", "text", "universal_newlines", "encoding", "errors"),
)


class _Transport(base_subprocess.BaseSubprocessTransport):
    """One program, watched by its pidfd in the event loop."""

    _loop: asyncio.AbstractEventLoop

    @override
    def _start(
        self,
        args: object,
        shell: object,
        stdin: object,
        stdout: object,
        stderr: object,
        bufsize: object,
        **options: object,
    ) -> None:
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        process = cast("_NewPopen", Popen)(
            args, shell=shell, bufsize=bufsize, **streams, **options
        )
        self._proc = process
        try:
            self._loop.add_reader(process.pidfd, self._reap, process)
        except BaseException:
            process.kill()
            process.wait()
            raise

    @override
    def send_signal(self, signal: int) -> None:
        # To the program itself, which since Python 3.13 the base does not.
        if self._proc is None:
            raise ProcessLookupError
        self._proc.send_signal(signal)

    @override
    def terminate(self) -> None:
        self.send_signal(SIGTERM)

    @override
    def kill(self) -> None:
        self.send_signal(SIGKILL)

    def _reap(self, process: Popen[bytes]) -> None:
        self._loop.remove_reader(process.pidfd)
        # A zombie by now, or reaped by somebody else.
        self._process_exited(process.wait())


class _NewPopen(Protocol):
    def __call__(self, *args: object, **options: object) -> Popen[bytes]: ...


class _NewTransport(Protocol):
    def __call__(self, *args: object, **options: object) -> _Transport: ...


async def create_subprocess_exec(
    program: StrOrBytesPath,
    *args: StrOrBytesPath,
    stdin: File = None,
    stdout: File = None,
    stderr: File = None,
    limit: int = _LIMIT,
    **options: Unpack[Surroundings],
) -> Process:
    """
    Start a program in namespaces, as `asyncio.create_subprocess_exec`.

    It takes the arguments of `Popen`, but for those about text. The event loop learns
    by a pidfd that it has ended: no child watcher, no thread. If the task is cancelled
    meanwhile, the program is killed and reaped. See :manpage:`clone(2)` and
    :manpage:`setns(2)`.

    Args:
        program: The program.

        args: Its arguments.

        stdin: As of `Popen`; ``asyncio.subprocess.PIPE`` makes a stream.

        stdout: As *stdin*.

        stderr: As *stdin*.

        limit: The size of the buffers of the streams, in bytes.

        options: As of `Popen`.

    Returns:
        An ``asyncio.subprocess.Process``.

    Raises:
        SpawnError: As `Popen`.
    """
    given = cast("dict[str, object]", options)
    for name in _NOT_STREAMED:
        if given.pop(name, None):
            raise ValueError(f"{name} is not for streams of asyncio: they are bytes")
    loop = asyncio.get_running_loop()
    protocol = SubprocessStreamProtocol(limit=limit, loop=loop)
    started = loop.create_future()
    words, shell, bufsize = [program, *args], False, 0
    transport = cast("_NewTransport", _Transport)(
        loop, protocol, words, shell, stdin, stdout, stderr, bufsize,
        waiter=started, **options,
    )  # fmt: skip
    try:
        await started
    except BaseException:
        transport.close()
        await transport._wait()
        raise
    return Process(transport, protocol, loop)
