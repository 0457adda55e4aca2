"""Terminals for tests: a program on one of its own, typed at and read from."""

import codecs
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from starting import LIMIT, children_of, eventually, makable
from support import program

COMMAND: Final = (sys.executable, "-m", "pynamespaces")

PROMPT: Final = "outer$ "

CTRL_C, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x1a", "\x1c"

_SIZE: Final = 65536

DIRECT: Final = ["run", "--new", ",".join(makable("uts"))]
INIT: Final = ["run", "--new", ",".join(makable("pid"))]
PTY: Final = [*INIT, "--pty"]

STOPPED: Final = r"Stopped[^\n]*\n"

both = pytest.mark.parametrize("run", [DIRECT, INIT], ids=["direct", "init"])
"""Whether the program is our child, or has an init above it."""

all_ways = pytest.mark.parametrize(
    "run", [DIRECT, INIT, PTY], ids=["direct", "init", "pty"]
)
"""The same, and on a terminal of its own."""

on_its_own = pytest.mark.parametrize(
    "run", [[*DIRECT, "--pty"], PTY], ids=["direct", "init"]
)
"""All of which are on a terminal of their own."""


class Screen:
    """What is on the other side of a terminal."""

    def __init__(
        self, master: int, name: str, process: subprocess.Popen[bytes]
    ) -> None:
        self.master = master
        self.name = name
        self.process = process
        self._unread = ""
        # A character may come in two parts.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def type(self, text: str) -> None:
        """Type; a line ends with a line feed."""
        os.write(self.master, text.encode())

    def expect(self, text: str) -> str:
        """Wait for a text, and return all that is before it, since the last one."""
        found = self.match(re.escape(text))
        return found.string[: found.start()]

    def match(self, pattern: str) -> re.Match[str]:
        """Wait for a pattern, and go on behind it."""
        deadline = time.monotonic() + LIMIT
        while (found := re.search(pattern, self._unread)) is None:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self.master], [], [], left)[0]
            said = self._read() if ready else b""
            assert said, f"{pattern!r} does not come: {self._unread!r}"
            self._unread += self._decoder.decode(said)
        self._unread = self._unread[found.end() :]
        return found

    def command(self, line: str) -> str:
        """Have the shell run a line; return what that prints until the next prompt."""
        self.type(line + "\n")
        self.expect("\n")
        return self.expect(PROMPT).replace("\r\n", "\n")

    def discard(self) -> int:
        """Read what there is; return how many bytes that was."""
        ready = select.select([self.master], [], [], 0)[0]
        return len(self._read()) if ready else 0

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the terminal."""
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def modes(self) -> list[int]:
        """Return the modes: input, output, control, local."""
        return [x for x in termios.tcgetattr(self.master)[:4] if isinstance(x, int)]

    def _read(self) -> bytes:
        try:
            return os.read(self.master, _SIZE)
        except OSError:  # EIO: nobody has it any more.
            return b""


@contextmanager
def screen(*command: str, **environment: str) -> Iterator[Screen]:
    """Run a command as the leader of a session on a terminal of its own."""
    master, slave = os.openpty()
    name = os.ttyname(slave)
    fixed = {"TERM": "dumb", "PS1": PROMPT, "HISTFILE": "", "PYTHONUNBUFFERED": "1"}
    try:
        process = subprocess.Popen(
            [program("setsid"), "--ctty", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, **fixed, **environment},
        )
    finally:
        os.close(slave)
    try:
        made = Screen(master, name, process)
        made.resize(24, 80)
        yield made
    finally:
        # A hangup ends what is left.
        os.close(master)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=LIMIT)
        process.kill()
        process.wait()


@contextmanager
def shell(**environment: str) -> Iterator[Screen]:
    """Run an interactive shell, with job control, that knows our command as ``$ns``."""
    bash = [program("bash"), "--norc", "--noprofile", "-i"]
    with screen(*bash, ns=" ".join(COMMAND), **environment) as made:
        made.expect(PROMPT)
        yield made
        made.type("exit\n")


def told(*line: str) -> subprocess.CompletedProcess[str]:
    """Run our command without a terminal or input; return what it says."""
    return subprocess.run(
        [*COMMAND, *line],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
        stdin=subprocess.DEVNULL,
    )


def sh(run: Sequence[str], script: str) -> list[str]:
    """Return the command that runs a script in there."""
    return [*COMMAND, *run, "--", "sh", "-c", script]


def python(run: Sequence[str], code: str) -> list[str]:
    """Return the command that runs Python code in there."""
    return [*COMMAND, *run, "--", sys.executable, "-I", "-S", "-c", code]


def typed(run: Sequence[str], *words: str) -> str:
    """Return a line for the shell that runs a program in there."""
    return " ".join(["$ns", *run, "--", *words])


def _descendants(pid: int) -> list[int]:
    found = [pid]
    with suppress(FileNotFoundError, ProcessLookupError):  # It has just ended.
        for child in children_of(pid):
            found += _descendants(child)
    return found


def _name(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def named(made: Screen, name: str) -> int:
    """Wait for a program of a name under the shell; return its id."""
    found: list[int] = []

    def appears() -> bool:
        below = _descendants(made.process.pid)
        found.extend(pid for pid in below if _name(pid) == name)
        return bool(found)

    eventually(appears)
    return found[0]
