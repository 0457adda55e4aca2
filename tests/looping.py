"""What the tests of asyncio share: a loop that has nothing to complain of."""

import asyncio
import gc
import os
from asyncio.subprocess import Process
from collections.abc import Coroutine
from pathlib import Path
from typing import Final, TypeVar

from creating import descriptors
from starting import LIMIT

T = TypeVar("T")

ECHO: Final = ("sh", "-c", "echo ready; exec cat")
MUCH: Final = b"0123456789abcdef" * 2**16
"""More than pipes and buffers take."""


def ran(main: Coroutine[object, object, T], *, debug: bool = False) -> T:
    """Return what a coroutine does in a loop that has nothing to complain of."""
    complaints: list[object] = []

    def complain(_: object, context: dict[str, object]) -> None:
        # Older ones complain so of each program that leaves input unread.
        if not isinstance(context.get("exception"), BrokenPipeError):
            complaints.append(context)

    with asyncio.Runner(debug=debug) as runner:
        runner.get_loop().set_exception_handler(complain)
        result = runner.run(asyncio.wait_for(main, LIMIT))
        gc.collect()
    assert complaints == [], complaints
    return result


async def ready(process: Process) -> None:
    """Wait until a program has said that it is."""
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"


def watched() -> set[int]:
    """Return the descriptors that the running loop waits for."""
    found = set()
    for fd, name in descriptors().items():
        if "eventpoll" in name:
            lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
            found |= {int(line.split()[1]) for line in lines if line.startswith("tfd")}
    return found


def tasks() -> set[str]:
    """Return the threads of this process, as the kernel knows them."""
    return set(os.listdir("/proc/self/task"))
