"""The terminal of ``exec`` and ``run``: handed over, and shared with a shell."""

import signal
import sys
from pathlib import Path

import pytest
from starting import LIMIT, children_of, eventually, state_of
from support import program
from terminals import (
    COMMAND,
    CTRL_BACKSLASH,
    CTRL_C,
    CTRL_Z,
    DIRECT,
    PROMPT,
    STOPPED,
    all_ways,
    both,
    named,
    python,
    screen,
    sh,
    shell,
    typed,
)

COUNTING = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("ready", flush=True)
signal.sigwait({signal.SIGINT})
print("caught", flush=True)
input()
print("count", 1 + len(signal.sigpending()))
"""

LEADING = """
import os, signal
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.setpgid(0, 0)
os.tcsetpgrp(0, os.getpid())
os.kill(os.getpid(), signal.SIGSTOP)
print("had", input())
"""

SIZES = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
print("ready", flush=True)
while signal.sigwait({signal.SIGWINCH}):
    size = os.get_terminal_size()
    print("%d x %d" % size, flush=True)
    if size.lines == 50:
        break
"""


def _pending(pid: int) -> set[int]:
    (line,) = (
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("ShdPnd:")
    )
    mask = int(line.split()[1], 16)
    return {signo for signo in range(1, 65) if mask >> (signo - 1) & 1}


# --- what the terminal sends ---


@all_ways
def test_interrupt_reaches_it_once(run: list[str]) -> None:
    """Ctrl-C is one SIGINT for the program, and none for what waits for it."""
    with screen(*python(run, COUNTING)) as made:
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
    with screen(*sh(run, script)) as made:
        made.expect("ready")
        made.type(key)
        assert made.process.wait(timeout=LIMIT) == 128 + signo


def test_keys_after_the_end() -> None:
    """A key that comes when the program is dead already does not change its status."""
    with screen(*COMMAND, *DIRECT, "--", "sleep", "1000") as made:
        pid = named(made, "sleep")
        made.process.send_signal(signal.SIGSTOP)
        made.type(CTRL_C)
        eventually(lambda: state_of(pid) == "Z")
        made.type(CTRL_BACKSLASH)
        eventually(lambda: signal.SIGQUIT in _pending(made.process.pid))
        made.process.send_signal(signal.SIGCONT)
        assert made.process.wait(timeout=LIMIT) == 128 + signal.SIGINT


@all_ways
def test_size(run: list[str]) -> None:
    """The program learns when the size of the terminal changes, and what it is."""
    with screen(*python(run, SIZES)) as made:
        made.expect("ready")
        made.resize(50, 160)
        made.expect("160 x 50")
        assert made.process.wait(timeout=LIMIT) == 0


# --- the shell that it is started from ---


@both
def test_stop_and_continue(run: list[str]) -> None:
    """Ctrl-Z stops it as a job of the shell; ``fg`` goes on; then it can be killed."""
    with shell() as made:
        made.type(typed(run, "sleep", "1000") + "\n")
        pid = named(made, "sleep")
        made.type(CTRL_Z)
        made.match(STOPPED)
        made.expect(PROMPT)
        assert state_of(pid) == "T"
        made.type("fg\n")
        eventually(lambda: state_of(pid) == "S")
        made.type(CTRL_C)
        made.expect(PROMPT)
        assert made.command("echo status $?") == "status 130\n"


@all_ways
def test_stops_itself(run: list[str]) -> None:
    """A program that stops only itself is a stopped job as well."""
    script = '\'echo re""ady; kill -STOP $$; echo ba""ck\''
    with shell() as made:
        made.type(typed(run, "sh", "-c", script) + "\n")
        made.expect("ready")
        made.match(STOPPED)
        made.expect(PROMPT)
        assert "back" in made.command("fg")
        assert made.command("echo status $?") == "status 0\n"


@both
def test_in_the_background(run: list[str]) -> None:
    """A stopped program goes on in the background, and is killed there."""
    with shell() as made:
        made.type(typed(run, "sleep", "1000") + "\n")
        pid = named(made, "sleep")
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
        made.type(typed(run, "head", "-n1") + " &\n")
        made.expect(PROMPT)
        (job,) = children_of(made.process.pid)
        eventually(lambda: state_of(job) == "T")
        made.type("\n")
        made.match(STOPPED)
        made.type("fg\n")
        eventually(lambda: state_of(named(made, "head")) == "S")
        made.type("some words\n")
        made.expect("some words")
        made.expect("some words")
        made.expect(PROMPT)


@all_ways
def test_shell_inside(run: list[str]) -> None:
    """A shell in there has its own jobs, and gives the terminal back."""
    bash = [program("bash"), "--norc", "--noprofile", "-i"]
    with shell() as made:
        made.type(typed(run, *bash).replace("$ns", "PS1='inner: ' $ns") + "\n")
        made.expect("inner: ")
        made.type("sleep 1000\n")
        pid = named(made, "sleep")
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


@all_ways
@pytest.mark.parametrize("line", ["suspend", "kill -STOP $$"])
def test_stopped_shell_inside(run: list[str], line: str) -> None:
    """A shell in there that stops has the terminal again after ``fg``."""
    bash = [program("bash"), "--norc", "--noprofile", "-i"]
    with shell() as made:
        made.type(typed(run, *bash).replace("$ns", "PS1='inner: ' $ns") + "\n")
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
        made.type(typed(run, f'{sys.executable} -I -S -c "$code"') + "\n")
        made.match(STOPPED)
        made.expect(PROMPT)
        made.type("fg\n")
        made.expect("$ns")
        made.type("some words\n")
        made.expect("had some words")
        made.expect(PROMPT)
