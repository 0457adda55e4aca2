"""Programs for asyncio leave nothing: no readers, processes, threads or warnings."""

import asyncio
import errno
import gc
import os
import signal
import subprocess
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable

import pytest
from creating import nothing_happens
from looping import ECHO, MUCH, ran, ready, tasks, watched
from starting import (
    INIT,
    LIMIT,
    OURS,
    WAYS,
    Options,
    has_ended,
    makable,
    new_of,
)
from support import in_child

from pynamespaces import SpawnError, create_subprocess_exec

UTS = Options(new=makable("uts"))


async def leaving_nothing(main: Callable[[], Awaitable[None]]) -> None:
    """Check that a coroutine leaves its loop and this process as they were."""
    before = watched()
    with nothing_happens():
        await main()
        # What the loop is to call has been called, and has let go of the program.
        await asyncio.sleep(0)
        gc.collect()
        assert watched() == before


# --- many, and where ---


@WAYS
def test_many(ours: Options) -> None:
    """50 at once keep apart what they say, with no thread for any of them."""

    async def one(number: int) -> tuple[int | None, bytes]:
        process = await create_subprocess_exec(
            *("sh", "-c", f"cat; exit {number}"), stdin=PIPE, stdout=PIPE, **ours
        )
        assert tasks() == before
        written, _ = await process.communicate(b"%d" % number)
        return process.returncode, written

    async def main() -> None:
        found = await asyncio.gather(*map(one, range(50)))
        assert found == [(number, b"%d" % number) for number in range(50)]

    before = tasks()
    ran(main())


@WAYS
def test_no_watcher(ours: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no child watcher, no handler of SIGCHLD and no thread."""
    used: list[object] = []
    for name in dir(asyncio.unix_events):
        kind = getattr(asyncio.unix_events, name)
        if isinstance(kind, type) and hasattr(kind, "add_child_handler"):
            monkeypatch.setattr(kind, "add_child_handler", used.append)
    for place in (asyncio.events, asyncio):
        monkeypatch.setattr(place, "get_child_watcher", used.append, raising=False)

    async def main() -> None:
        process = await create_subprocess_exec(*ECHO, stdin=PIPE, stdout=PIPE, **ours)
        await ready(process)
        assert (tasks(), threading.enumerate()) == before
        assert signal.getsignal(signal.SIGCHLD) == handler
        await process.communicate(b"")

    before, handler = (tasks(), threading.enumerate()), signal.getsignal(signal.SIGCHLD)
    ran(main())
    assert used == []


def test_thread() -> None:
    """A loop of another thread does as well; the main thread has none."""
    found: list[bytes] = []

    async def main() -> None:
        process = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, **INIT)
        found.append((await process.communicate(MUCH))[0])
        assert process.returncode == 0

    thread = threading.Thread(target=lambda: ran(main()))
    thread.start()
    thread.join()
    assert found == [MUCH]


@WAYS
def test_debug(ours: Options, caplog: pytest.LogCaptureFixture) -> None:
    """A loop in debug mode tells of the program as it does of others."""

    async def main() -> None:
        process = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, **ours)
        assert (await process.communicate(b"some"))[0] == b"some"

    with caplog.at_level("DEBUG", "asyncio"):
        ran(main(), debug=True)
    told = caplog.text
    # Its records keep the transport.
    caplog.clear()
    gc.collect()
    assert "process 'cat' created: pid" in told
    assert "exited with return code 0" in told


DEVELOPMENT = """
import asyncio, sys, pynamespaces
from asyncio.subprocess import PIPE

async def main():
    # That all is quick is not what is asked here, and is not so on a busy machine.
    asyncio.get_running_loop().slow_callback_duration = 10
    new = sys.argv[1:]
    process = await pynamespaces.create_subprocess_exec(
        "cat", stdin=PIPE, stdout=PIPE, new=new)
    assert await process.communicate(b"some") == (b"some", None)
    process = await pynamespaces.create_subprocess_exec("cat", stdin=PIPE, new=new)
    process.kill()
    assert await process.wait() == -9
    try:
        await pynamespaces.create_subprocess_exec("/missing", stdout=PIPE, new=new)
    except FileNotFoundError:
        print("done")

asyncio.run(main())
"""


@OURS
def test_development_mode(ours: Options) -> None:
    """In the interpreter's development mode there is nothing to warn of."""
    types = new_of(ours)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", DEVELOPMENT, *types],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
        stdin=subprocess.DEVNULL,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


@WAYS
def test_readers(ours: Options) -> None:
    """The loop waits for the program by its pidfd, and no more once it has ended."""

    async def main() -> None:
        process = await create_subprocess_exec(*ECHO, stdin=PIPE, stdout=PIPE, **ours)
        await ready(process)
        names = {os.readlink(f"/proc/self/fd/{fd}") for fd in watched()}
        assert "anon_inode:[pidfd]" in names
        await process.communicate(b"")

    ran(leaving_nothing(main))


# --- what fails ---


@WAYS
def test_missing_program(ours: Options) -> None:
    """A program that is missing is as with subprocess, and leaves nothing."""
    command = "/missing/program", "x"

    async def main() -> None:
        with pytest.raises(FileNotFoundError) as caught:
            await create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, **ours
            )
        assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, command[0])
        assert isinstance(caught.value, SpawnError) == bool(ours)

    ran(leaving_nothing(main))


@pytest.mark.parametrize(
    "wrong",
    [
        {"shell": True},
        {"text": True},
        {"universal_newlines": True},
        {"encoding": "utf-8"},
        {"errors": "strict"},
        {"bufsize": 1},
        {"preexec_fn": print},
        {"hostname": "name", "new": "user"},
        {"new": "nothing"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong(wrong: dict[str, object]) -> None:
    """What cannot be is refused before anything is done."""

    async def main() -> None:
        options = {**UTS, **wrong}
        with pytest.raises(ValueError):
            await create_subprocess_exec("true", **options)  # type: ignore[arg-type]

    ran(leaving_nothing(main))


# --- what is cancelled ---


@WAYS
@pytest.mark.parametrize("steps", range(8))
def test_cancelled_starting(ours: Options, steps: int) -> None:
    """Whenever the task is cancelled that starts it, no program is left."""

    async def main() -> None:
        starting = asyncio.create_task(
            create_subprocess_exec(*ECHO, stdin=PIPE, stdout=PIPE, **ours)
        )
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
        if not starting.cancelled():
            starting.result().kill()
            await starting.result().wait()

    ran(leaving_nothing(main))


@WAYS
@pytest.mark.parametrize("what", [Process.communicate, Process.wait])
def test_cancelled_waiting(
    ours: Options, what: Callable[[Process], Awaitable[object]]
) -> None:
    """Who stops waiting leaves the program alone; who closes it, leaves none."""

    async def main() -> None:
        command = ("sh", "-c", "echo ready; exec sleep 1000")
        process = await create_subprocess_exec(*command, stdout=PIPE, **ours)
        await ready(process)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(what(process), 0.01)
        with open(os.pidfd_open(process.pid), "rb", buffering=0) as pidfd:
            assert not has_ended(pidfd.fileno(), 0)
            close(process)
            assert await process.wait() == -signal.SIGKILL
            assert has_ended(pidfd.fileno(), 0)

    ran(leaving_nothing(main))


def close(process: Process) -> None:
    """Close a transport, as asyncio does where a program is given up."""
    process._transport.close()  # type: ignore[attr-defined]


# --- beside asyncio's own ---

SCRIPTS = ["cat", "cat >&2; exit 3", "kill -9 $$", "kill -TERM $$", "exec cat /missing"]


@OURS
def test_beside_asyncio(ours: Options) -> None:
    """What programs say, and how they end, is what asyncio tells of them."""

    async def told(script: str, options: Options | None) -> tuple[object, ...]:
        command = ("sh", "-c", script)
        if options is None:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE
            )
        else:
            process = await create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, **options
            )
        said = await process.communicate(b"some")
        attributes = {name for name in vars(process) if not name.startswith("_")}
        return type(process), said, process.returncode, sorted(attributes)

    async def main(options: Options | None) -> list[tuple[object, ...]]:
        return await asyncio.gather(*(told(script, options) for script in SCRIPTS))

    # Its child watcher stays, with its threads.
    theirs = in_child(lambda: asyncio.run(main(None)))
    assert ran(main(ours)) == theirs
