"""The terminal of ``exec`` and ``run``: handed over, shared, and given back."""

import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from starting import LIMIT, children_of, eventually, makable, state_of
from support import program
from terminals import (
    COMMAND,
    CTRL_BACKSLASH,
    CTRL_C,
    CTRL_Z,
    PROMPT,
    Screen,
    screen,
    shell,
)

DIRECT: Final = ["run", "--new", ",".join(makable("uts"))]
INIT: Final = ["run", "--new", ",".join(makable("pid"))]
PTY: Final = [*INIT, "--pty"]

STOPPED: Final = r"Stopped[^\n]*\n"

both = pytest.mark.parametrize("run", [DIRECT, INIT], ids=["direct", "init"])
"""Whether the program is our child, or has an init above it."""

all_ways = pytest.mark.parametrize(
    "run", [DIRECT, INIT, PTY], ids=["direct", "init", "pty"]
)

COUNTING = """
import os, signal
seen = []
def note(signo, frame):
    seen.append(signo)
    os.write(1, b"caught")
signal.signal(signal.SIGINT, note)
print("ready", flush=True)
input()
print("count", len(seen))
"""

SIZES = """
import os, signal
def tell(signo, frame):
    os.write(1, b"%d x %d " % os.get_terminal_size())
signal.signal(signal.SIGWINCH, tell)
print("ready", flush=True)
input()
"""

LEADING = """
import os, signal
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.setpgid(0, 0)
os.tcsetpgrp(0, os.getpid())
os.kill(os.getpid(), signal.SIGSTOP)
print("had", input())
"""

PUSHING = """
import fcntl, termios
for byte in b"echo pushed\\n":
    fcntl.ioctl(0, termios.TIOCSTI, bytes([byte]))
"""


def _sh(run: Sequence[str], script: str) -> list[str]:
    return [*COMMAND, *run, "--", "sh", "-c", script]


def _python(run: Sequence[str], code: str) -> list[str]:
    return [*COMMAND, *run, "--", sys.executable, "-I", "-S", "-c", code]


def _line(run: Sequence[str], *words: str) -> str:
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


def _named(made: Screen, name: str) -> int:
    """Wait for a program of a name under the shell; return its id."""
    found: list[int] = []

    def appears() -> bool:
        below = _descendants(made.process.pid)
        found.extend(pid for pid in below if _name(pid) == name)
        return bool(found)

    eventually(appears)
    return found[0]


# --- what the terminal sends ---


@all_ways
def test_interrupt_reaches_it_once(run: list[str]) -> None:
    """Ctrl-C is one SIGINT for the program, and none for what waits for it."""
    with screen(*_python(run, COUNTING)) as made:
        made.expect("ready")
        made.type(CTRL_C)
        made.expect("caught")
        made.type("\n")
        made.expect("count 1")
        assert made.process.wait(timeout=LIMIT) == 0


@all_ways
@pytest.mark.parametrize(
    ("key", "signo"),
    [(CTRL_C, signal.SIGINT), (CTRL_BACKSLASH, signal.SIGQUIT)],
)
def test_status_of_the_killed(run: list[str], key: str, signo: signal.Signals) -> None:
    """A program that a key kills gives 128 and the number of the signal."""
    script = "ulimit -c 0; echo ready; exec sleep 1000"
    with screen(*_sh(run, script)) as made:
        made.expect("ready")
        made.type(key)
        assert made.process.wait(timeout=LIMIT) == 128 + signo


@all_ways
def test_size(run: list[str]) -> None:
    """The program learns when the size of the terminal changes, and what it is."""
    with screen(*_python(run, SIZES)) as made:
        made.expect("ready")
        made.resize(50, 160)
        made.expect("160 x 50")
        made.type("\n")
        assert made.process.wait(timeout=LIMIT) == 0


# --- the shell that it is started from ---


@both
def test_stop_and_continue(run: list[str]) -> None:
    """Ctrl-Z stops it as a job of the shell; ``fg`` goes on; then it can be killed."""
    with shell() as made:
        made.type(_line(run, "sleep", "1000") + "\n")
        pid = _named(made, "sleep")
        made.type(CTRL_Z)
        made.match(STOPPED)
        made.expect(PROMPT)
        assert state_of(pid) == "T"
        made.type("fg\n")
        eventually(lambda: state_of(pid) == "S")
        made.type(CTRL_C)
        made.expect(PROMPT)
        assert made.command("echo status $?") == "status 130\n"


@both
def test_stops_itself(run: list[str]) -> None:
    """A program that stops only itself is a stopped job as well."""
    script = '\'echo re""ady; kill -STOP $$; echo ba""ck\''
    with shell() as made:
        made.type(_line(run, "sh", "-c", script) + "\n")
        made.expect("ready")
        made.match(STOPPED)
        made.expect(PROMPT)
        assert "back" in made.command("fg")
        assert made.command("echo status $?") == "status 0\n"


@both
def test_in_the_background(run: list[str]) -> None:
    """A stopped program goes on in the background, and is killed there."""
    with shell() as made:
        made.type(_line(run, "sleep", "1000") + "\n")
        pid = _named(made, "sleep")
        made.type(CTRL_Z)
        made.match(STOPPED)
        made.expect(PROMPT)
        made.command("bg")
        eventually(lambda: state_of(pid) == "S")
        made.command("kill %1; wait %1")
        assert made.command("echo status $?") == "status 143\n"


@both
def test_reader_in_the_background(run: list[str]) -> None:
    """One that reads in the background stops, and reads when it is in front."""
    with shell() as made:
        made.type(_line(run, "head", "-n1") + " &\n")
        made.expect(PROMPT)
        (job,) = children_of(made.process.pid)
        eventually(lambda: state_of(job) == "T")
        made.type("\n")
        made.match(STOPPED)
        made.type("fg\n")
        eventually(lambda: state_of(_named(made, "head")) == "S")
        made.type("some words\n")
        made.expect("some words")
        made.expect("some words")
        made.expect(PROMPT)


@all_ways
def test_shell_inside(run: list[str]) -> None:
    """A shell in there has its own jobs, and gives the terminal back."""
    bash = [program("bash"), "--norc", "--noprofile", "-i"]
    with shell() as made:
        made.type(_line(run, *bash).replace("$ns", "PS1='inner: ' $ns") + "\n")
        made.expect("inner: ")
        made.type("sleep 1000\n")
        pid = _named(made, "sleep")
        made.type(CTRL_Z)
        made.match(STOPPED)
        assert state_of(pid) == "T"
        made.type("fg\n")
        eventually(lambda: state_of(pid) == "S")
        made.type(CTRL_C)
        made.expect("inner: ")
        made.type("exit 7\n")
        made.expect(PROMPT)
        assert made.command("echo status $?") == "status 7\n"


@both
@pytest.mark.parametrize("line", ["suspend", "kill -STOP $$"])
def test_stopped_shell_inside(run: list[str], line: str) -> None:
    """A shell in there that stops has the terminal again after ``fg``."""
    bash = [program("bash"), "--norc", "--noprofile", "-i"]
    with shell() as made:
        made.type(_line(run, *bash).replace("$ns", "PS1='inner: ' $ns") + "\n")
        made.expect("inner: ")
        made.type(line + "\n")
        made.match(STOPPED)
        made.expect(PROMPT)
        made.type("fg\n")
        made.type('echo ali""ve\n')
        made.expect("alive")
        made.type("exit 7\n")
        made.expect(PROMPT)
        assert made.command("echo status $?") == "status 7\n"


@both
def test_own_group(run: list[str]) -> None:
    """A program that had a group of its own in front has it there after ``fg``."""
    with shell(code=LEADING) as made:
        made.type(_line(run, f'{sys.executable} -I -S -c "$code"') + "\n")
        made.match(STOPPED)
        made.expect(PROMPT)
        made.type("fg\n")
        made.expect("$ns")
        made.type("some words\n")
        made.expect("had some words")
        made.expect(PROMPT)


# --- what it leaves behind ---


@all_ways
def test_modes_of_the_killed(run: list[str]) -> None:
    """The modes are as before if the program is killed while they are raw."""
    with screen(*_sh(run, "stty raw -echo; echo ready; read x; kill -9 $$")) as made:
        before = made.modes()
        made.expect("ready")
        made.type("\r\n")
        assert made.process.wait(timeout=LIMIT) == 128 + signal.SIGKILL
        assert made.modes() == before


@both
def test_modes_that_were_wanted(run: list[str]) -> None:
    """What a program that ends well has set stays."""
    with shell() as made:
        made.command(_line(run, "stty", "-opost"))
        assert "-opost" in made.command(_line(run, "stty", "-a"))


@both
def test_terminal_of_the_killed(run: list[str]) -> None:
    """A shell in there that is killed does not keep the terminal from a script."""
    inside = " ".join([*COMMAND, *run, "--", program("bash"), "--norc", "-i"])
    script = f"{inside}; echo status $?; read line; echo got $line"
    with screen("sh", "-c", script, PS1="inner: ") as made:
        made.expect("inner: ")
        made.type("kill -9 $$\n")
        made.expect("status 137")
        made.type("some words\n")
        made.expect("got some words")


# --- a terminal of its own ---


@pytest.mark.parametrize(
    ("run", "is_shared"), [(DIRECT, True), (INIT, True), (PTY, False)]
)
def test_whose_terminal(run: list[str], *, is_shared: bool) -> None:
    """With ``--pty`` the program is on another terminal, which is its session's."""
    with screen(*_sh(run, "tty; : > /dev/tty && echo has one")) as made:
        found = made.expect("has one").split()[-1]
        assert (found == made.name) is is_shared
        assert made.process.wait(timeout=LIMIT) == 0


def test_nothing_is_pushed() -> None:
    """With ``--pty`` a program cannot put input where the caller's shell reads."""
    with shell(code=PUSHING) as made:
        line = f'{sys.executable} -I -S -c "$code"'
        allowed = Path("/proc/sys/dev/tty/legacy_tiocsti")
        if not allowed.exists() or allowed.read_text() == "1\n":
            # As it is without: what is to be kept away is there.
            made.type(_line(DIRECT, line) + "\n")
            made.expect("\npushed\r\n")
            made.expect(PROMPT)
        made.type(_line([*DIRECT, "--pty"], line) + '; echo do""ne\n')
        made.expect("done")
        made.expect(PROMPT)
        assert made.command("echo on''ly this") == "only this\n"


def test_pipes_are_kept() -> None:
    """With ``--pty`` standard streams that are no terminal stay what they are."""
    with shell() as made:
        line = f"seq 30000 | {_line(PTY, 'cat')} | tail -n1"
        assert "30000\n" in made.command(line)


def test_no_terminal_for_pty() -> None:
    """Without a terminal, ``--pty`` is refused in one line."""
    with shell() as made:
        said = made.command("setsid -w " + _line(PTY, "true") + "; echo status $?")
    lines = said.splitlines()
    assert lines[0].startswith("pynamespaces: there is no terminal for --pty")
    assert lines[-1] == "status 1"
