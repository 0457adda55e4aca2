"""What the tests of supervising programs share: programs that tell, and stay."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pynamespaces import NamespaceType
from pynamespaces.tracing import supervise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal, Unpack

    from pynamespaces import TypeLike
    from pynamespaces.process._options import Options
    from pynamespaces.tracing import TraceEvent

T: Final = NamespaceType

HEAD: Final = """
import os, sys, threading
from pynamespaces import lowlevel
from pynamespaces.lowlevel import *
def tell(*names):
    folder = "/proc/thread-self/ns/"
    print(*(os.readlink(folder + name) for name in names), flush=True)
def stay():
    sys.stdin.read()
def power():
    lowlevel.unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC)
"""
"""What programs begin with; `stay` lasts until all events have come."""


def python(code: str) -> list[str]:
    """Return the command that runs some code."""
    return [sys.executable, "-c", HEAD + code]


class Watched:
    """A program that was supervised: its events, what it wrote, how it ended."""

    def __init__(self) -> None:
        self.events: list[TraceEvent] = []
        self.text = ""
        self.status: int | None = None

    def lines(self) -> list[list[str]]:
        """Return the words of the lines that it wrote."""
        return [line.split() for line in self.text.splitlines()]


def watched(
    command: list[str],
    stay_for: int = 0,
    *,
    deny: TypeLike | Iterable[TypeLike] = (),
    clone3: Literal["notify", "enosys"] | None = None,
    **options: Unpack[Options],
) -> Watched:
    """Supervise a program, whose input ends when there were so many events."""
    done = Watched()
    reader, writer = os.pipe()
    ends = [writer]

    def note(event: TraceEvent) -> None:
        done.events.append(event)
        if len(done.events) >= stay_for:
            let_go()

    def let_go() -> None:
        while ends:
            os.close(ends.pop())

    output, out = os.pipe()
    try:
        if not stay_for:
            let_go()
        options.setdefault("stdin", reader)
        options.setdefault("stdout", out)
        done.status = supervise(
            command, on_event=note, deny=deny, clone3=clone3, **options
        )
    finally:
        let_go()
        os.close(reader)
        os.close(out)
        with open(output, encoding="utf-8") as file:
            done.text = file.read()
    return done


def is_running(pid: int) -> bool:
    """Return whether there is a process that has not ended."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text()
        return text.rpartition(")")[2].split()[0] != "Z"
    return False


def compiled(source: str, path: str) -> None:
    """Make a program out of C."""
    subprocess.run(
        ["cc", "-o", path, "-x", "c", "-"], input=source, text=True, check=True
    )
