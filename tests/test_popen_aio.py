"""Programs in namespaces for asyncio: their streams, their ends, their signals."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable
from pathlib import Path

import pytest
from looping import ECHO, MUCH, ran, ready
from starting import (
    INIT,
    OURS,
    WAYS,
    Options,
    children_of,
    eventually,
    makable,
    new_of,
    state_of,
)
from support import own_all

from pynamespaces import create_subprocess_exec

UTS = Options(new=makable("uts"))


# --- streams and returns ---


@WAYS
def test_communicate(ours: Options) -> None:
    """All that goes in comes out, and beside it what went wrong."""

    async def main() -> None:
        script = "cat; echo wrong >&2; exit 3"
        process = await create_subprocess_exec(
            "sh", "-c", script, stdin=PIPE, stdout=PIPE, stderr=PIPE, **ours
        )
        assert await process.communicate(MUCH) == (MUCH, b"wrong\n")
        assert (process.returncode, await process.wait()) == (3, 3)

    ran(main())


@WAYS
def test_stdin_streaming(ours: Options) -> None:
    """Lines are answered one by one, until there are no more."""

    async def main() -> None:
        process = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, **ours)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is None
        for number in range(20):
            line = b"%d\n" % number
            process.stdin.write(line)
            await process.stdin.drain()
            assert await process.stdout.readline() == line
        assert process.returncode is None
        process.stdin.close()
        assert await process.stdout.read() == b""
        assert await process.wait() == 0

    ran(main())


def test_streams_merged() -> None:
    """With STDOUT, the errors are where the output is, and in order."""

    async def main() -> None:
        script = "echo 1; echo 2 >&2; echo 3"
        process = await create_subprocess_exec(
            "sh", "-c", script, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, **UTS
        )
        assert process.stderr is None
        assert (await process.communicate())[0] == b"1\n2\n3\n"

    ran(main())


def test_streams_limit() -> None:
    """A line that is longer than the limit is not read."""

    async def main() -> None:
        process = await create_subprocess_exec(
            "echo", "x" * 100, stdout=PIPE, limit=10, **UTS
        )
        assert process.stdout is not None
        with pytest.raises(ValueError, match="limit"):
            await process.stdout.readline()
        assert await process.wait() == 0

    ran(main())


def test_input_unread() -> None:
    """A program that ends before it has read its input is no error."""

    async def main() -> None:
        process = await create_subprocess_exec("true", stdin=PIPE, stdout=PIPE, **INIT)
        assert (await process.communicate(MUCH))[0] == b""
        assert process.returncode == 0

    ran(main())


@WAYS
def test_wait(ours: Options) -> None:
    """Several may wait for one program, which has no return code before."""

    async def main() -> None:
        process = await create_subprocess_exec(*ECHO, stdin=PIPE, stdout=PIPE, **ours)
        await ready(process)
        waiting = [asyncio.create_task(process.wait()) for _ in range(3)]
        await asyncio.wait(waiting, timeout=0.01)
        assert process.returncode is None
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.gather(*waiting) == [0, 0, 0]
        assert await process.wait() == process.returncode == 0

    ran(main())


@OURS
def test_place(ours: Options, tmp_path: Path) -> None:
    """The program is in fresh namespaces, and with what else it was to have."""

    async def main() -> tuple[bytes, bytes]:
        types = new_of(ours)
        script = 'readlink "$@"; pwd; echo $WORD'
        process = await create_subprocess_exec(
            *("sh", "-c", script, "sh", *(f"/proc/self/ns/{type}" for type in types)),
            **Options(**ours, cwd=tmp_path, env={**os.environ, "WORD": "said"}),
            stdout=PIPE,
        )
        return await process.communicate()

    before = own_all()
    *found, cwd, word = ran(main())[0].decode().split()
    assert len(found) == len(new_of(ours))
    assert not set(found) & set(before.values())
    assert (cwd, word) == (str(tmp_path), "said")
    assert own_all() == before


# --- signals ---

SENT: dict[str, tuple[Callable[[Process], None], int]] = {
    "kill": (Process.kill, signal.SIGKILL),
    "terminate": (Process.terminate, signal.SIGTERM),
    "send": (lambda process: process.send_signal(signal.SIGUSR1), signal.SIGUSR1),
}


@WAYS
@pytest.mark.parametrize("way", SENT)
def test_signals(ours: Options, way: str) -> None:
    """A program that dies by a signal has a negative return code, under an init too."""
    send, number = SENT[way]

    async def main() -> None:
        process = await create_subprocess_exec(*ECHO, stdin=PIPE, stdout=PIPE, **ours)
        await ready(process)
        send(process)
        assert await process.wait() == -number
        # Nobody is there any more, and nobody else is meant.
        with pytest.raises(ProcessLookupError):
            send(process)

    ran(main())


def test_signals_to_program() -> None:
    """Below an init the program is stopped, and not the init."""

    async def main() -> None:
        process = await create_subprocess_exec(*ECHO, stdin=PIPE, stdout=PIPE, **INIT)
        await ready(process)
        (program,) = children_of(process.pid)
        process.send_signal(signal.SIGSTOP)
        eventually(lambda: "T" in state_of(program) + state_of(process.pid))
        stopped = state_of(program) == "T", state_of(process.pid) == "T"
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        assert stopped == (True, False)

    ran(main())


def test_exit_below_init() -> None:
    """What the program leaves behind ends with its init, which says how it ended."""

    async def main() -> None:
        script = "cat & exec sh -c 'exit 7'"
        process = await create_subprocess_exec(
            "sh", "-c", script, stdin=PIPE, stdout=PIPE, **INIT
        )
        assert (await process.communicate())[0] == b""
        assert process.returncode == 7

    ran(main())
