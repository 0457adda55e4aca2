"""
Type a page of the documentation in, as its reader would, and compare what is shown.

``python3 tests/typist.py docs/tutorial/first-steps.md`` types each ``sh`` line into a
shell, and each ``>>>`` line into the Python that one of these starts, on a terminal, in
a folder that is removed afterwards. It takes nothing but Python itself.

A comment before a block says for whom it is (``<!-- as root -->`` or ``<!-- as an
ordinary user -->``), or where (``<!-- in another terminal -->``). A ``text`` block is
what the line before it shows, but for numbers and for how deep a branch of a tree is.
"""

import argparse
import doctest
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

LIMIT: Final = 600.0
"""For how many seconds a line may take, at most: pip may compile."""

_PROMPT: Final = "typed$ "
_PROMPTS: Final = re.compile(r"(?:^|\n)(?:\(.*\) )?(?:typed\$|(>>>)|(\.\.\.)) \Z")
_FENCE: Final = re.compile(
    r"^(?:<!-- ([a-z ]+) -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_INSTALLING: Final = ("python3 -m venv ", ". .venv/", "pip install ")
_FLAGS: Final = doctest.ELLIPSIS | doctest.REPORT_UDIFF
_READERS: Final = ("as an ordinary user", "as root")
_TRACEBACK: Final = "Traceback (most recent call last):\n"
_ELSEWHERE: Final = "in another terminal"

# The leader of a session has no terminal by itself.
_LEADER: Final = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("sh", ["sh", "-i"])
"""


class Terminal:
    """A shell on a terminal of its own, and what that starts."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.in_python = False
        self.goes_on = False
        """Whether what was typed last is not the whole of it."""

    def type(self, line: str) -> str:
        """Type a line; return what is shown until it asks for the next one."""
        os.write(self._master, line.encode() + b"\n")
        return self.read().partition("\n")[2]

    def read(self) -> str:
        """Return all that is shown until something is asked for."""
        shown, deadline = "", time.monotonic() + LIMIT
        while (found := _PROMPTS.search(shown)) is None:
            left = max(deadline - time.monotonic(), 0)
            ready = select.select([self._master], [], [], left)[0]
            more = self._read() if ready else b""
            if not more:
                raise EOFError(f"no prompt after: {shown!r}")
            shown += more.decode(errors="replace").replace("\r", "")
        self.in_python, self.goes_on = bool(found[1] or found[2]), bool(found[2])
        shown = shown[: found.start()]
        return shown and shown + "\n"

    def _read(self) -> bytes:
        try:
            return os.read(self._master, 65536)
        except OSError:  # EIO: nobody has it any more.
            return b""


@contextmanager
def terminal(folder: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Open a terminal with a shell in a folder."""
    master, slave = os.openpty()
    # Wide enough for each line; no colours, and nothing that moves the cursor.
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 250, 0, 0))
    own = {"TERM": "dumb", "PS1": _PROMPT, "HOME": str(folder), "HISTFILE": ""}
    with open(slave, "rb", buffering=0) as file:
        shell = subprocess.Popen(
            [sys.executable, "-I", "-c", _LEADER],
            stdin=file,
            stdout=file,
            stderr=file,
            cwd=folder,
            env={**environment, **own},
            start_new_session=True,
        )
    try:
        made = Terminal(master)
        made.read()
        yield made
        for line in ("exit()", "exit") if made.in_python else ("exit",):
            os.write(master, line.encode() + b"\n")
            with suppress(EOFError):
                made.read()
    finally:
        # A hangup ends what is left.
        os.close(master)
        with suppress(subprocess.TimeoutExpired):
            shell.wait(timeout=10)
        shell.kill()
        shell.wait()


class Step(NamedTuple):
    """A line for the shell, or an example for Python."""

    example: doctest.Example
    for_python: bool
    terminal: int = 0


def steps(page: str, reader: str) -> Iterator[Step]:
    """Give what a page has its reader type, in order."""
    parser = doctest.DocTestParser()
    for found in _FENCE.finditer(page):
        comment, language, body = found.groups()
        if comment in _READERS and comment != reader:
            continue
        number = page.count("\n", 0, found.start(3))
        if language == "python":
            for example in parser.get_examples(body):
                example.lineno += number
                yield Step(example, for_python=True)
        elif language == "sh":
            yield from _shell_steps(page, found, number, int(comment == _ELSEWHERE))


def _shell_steps(
    page: str, block: re.Match[str], number: int, at: int
) -> Iterator[Step]:
    """Give the lines of a block; the last shows the text block before the next one."""
    following = _FENCE.search(page, block.end())
    shown = following[3] if following and following[2] == "text" else ""
    lines = block[3].splitlines()
    for count, line in enumerate(lines):
        want = shown if count + 1 == len(lines) else ""
        example = doctest.Example(line, want, lineno=number + count)
        yield Step(example, for_python=False, terminal=at)


def differences(
    steps: Iterable[Step], folder: Path, environment: Mapping[str, str]
) -> Iterator[str]:
    """Type steps in; give what was shown where it is not what was said."""
    with ExitStack() as stack:
        terminals: list[Terminal] = []
        for step in steps:
            while len(terminals) <= step.terminal:
                opened = stack.enter_context(terminal(folder, environment))
                terminals.append(opened)
            at = terminals[step.terminal]
            typing = _in_python if step.for_python else _in_shell
            complaint = typing(at, step.example)
            if complaint is not None:
                source = step.example.source.rstrip("\n")
                yield f"line {step.example.lineno + 1}: {source}\n{complaint}"
                # Without it, nothing that follows can be as it should.
                if not step.for_python:
                    return


def _in_shell(at: Terminal, example: doctest.Example) -> str | None:
    got = at.type(example.source.rstrip("\n"))
    status = "0" if at.in_python else at.type("echo $?").strip()
    if status != "0":
        return f"{got}the status is {status}"
    if not example.want:
        return None
    # A line of dots may stand for nothing, where nothing follows.
    ending = "\n" if example.want.endswith("\n...\n") else ""
    wanted = doctest.Example(example.source, _plain(example.want))
    return _compared(wanted, _plain(got) + ending)


def _plain(text: str) -> str:
    return re.sub(r"\d+", "0", re.sub("[│├└─ ]+", " ", text))


def _in_python(at: Terminal, example: doctest.Example) -> str | None:
    got = ""
    for line in example.source.splitlines():
        got += at.type(line)
    # An empty line ends a block.
    if at.goes_on:
        got += at.type("")
    if not at.in_python:
        return f"{got}this is no Python"
    _, raised, after = got.rpartition(_TRACEBACK)
    if example.exc_msg is None or not raised:
        return _compared(example, got)
    # Where it was raised is indented; which, and what it says, follows.
    said = re.search(r"^\S.*\Z", after, re.MULTILINE | re.DOTALL)
    wanted = doctest.Example(example.source, example.exc_msg)
    return _compared(wanted, said[0] if said else after)


def _compared(example: doctest.Example, got: str) -> str | None:
    checker = doctest.OutputChecker()
    if checker.check_output(example.want, got, _FLAGS):
        return None
    return checker.output_difference(example, got, _FLAGS)


def check(
    page: Path,
    environment: Mapping[str, str],
    wheel: Path | None = None,
    *,
    installed: bool = False,
) -> list[str]:
    """
    Type a page in, in a fresh folder, and return what is not as it says.

    Args:
        page: The page.

        environment: That of the shells.

        wheel: What is installed in place of what the page installs.

        installed: Whether nothing is installed, since it is there already.
    """
    chosen: list[Step] = []
    for step in steps(page.read_text(), _READERS[os.geteuid() == 0]):
        line = step.example.source
        if not step.for_python and line.startswith(_INSTALLING):
            if installed:
                continue
            if wheel is not None and line.startswith("pip "):
                line = line.replace("pynamespaces", str(wheel.resolve()), 1)
                step.example.source = line
        chosen.append(step)
    if not chosen:
        return [f"{page} has nothing to type in"]
    with tempfile.TemporaryDirectory(prefix="typed-") as name:
        return list(differences(chosen, Path(name), environment))


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--wheel", type=Path, help="what pip is to install")
    parser.add_argument("--installed", action="store_true", help="install nothing")
    chosen = parser.parse_args(words)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment.pop("VIRTUAL_ENV", None)
    told = check(chosen.page, environment, chosen.wheel, installed=chosen.installed)
    print(*told or ["all is as the page says"], sep="\n\n")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
