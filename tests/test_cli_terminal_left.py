"""The terminal of ``exec`` and ``run``: given back, or never handed over."""

import os
import signal
import sys
from pathlib import Path

import pytest
from starting import LIMIT, eventually, has_ended, orphans_reaped, state_of
from support import program
from terminals import (
    COMMAND,
    DIRECT,
    INIT,
    PROMPT,
    PTY,
    all_ways,
    both,
    named,
    screen,
    sh,
    shell,
    typed,
)

PUSHING = """
import fcntl, termios
for byte in b"echo pushed\\n":
    fcntl.ioctl(0, termios.TIOCSTI, bytes([byte]))
"""


# --- what it leaves behind ---


@all_ways
def test_modes_of_the_killed(run: list[str]) -> None:
    """The modes are as before if the program is killed while they are raw."""
    with screen(*sh(run, "stty raw -echo; echo ready; read x; kill -9 $$")) as made:
        before = made.modes()
        made.expect("ready")
        made.type("\r\n")
        assert made.process.wait(timeout=LIMIT) == 128 + signal.SIGKILL
        assert made.modes() == before


@both
def test_modes_that_were_wanted(run: list[str]) -> None:
    """What a program that ends well has set stays."""
    with shell() as made:
        made.command(typed(run, "stty", "-opost"))
        assert "-opost" in made.command(typed(run, "stty", "-a"))


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
    with screen(*sh(run, "tty; : > /dev/tty && echo has one")) as made:
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
            made.type(typed(DIRECT, line) + "\n")
            made.expect("\npushed\r\n")
            made.expect(PROMPT)
        made.type(typed([*DIRECT, "--pty"], line) + '; echo do""ne\n')
        made.expect("done")
        made.expect(PROMPT)
        assert made.command("echo on''ly this") == "only this\n"


def test_pipes_are_kept() -> None:
    """With ``--pty`` standard streams that are no terminal stay what they are."""
    with shell() as made:
        line = f"seq 30000 | {typed(PTY, 'cat')} | tail -n1"
        assert "30000\n" in made.command(line)


def test_no_terminal_for_pty() -> None:
    """Without a terminal, ``--pty`` is refused in one line."""
    with shell() as made:
        said = made.command("setsid -w " + typed(PTY, "true") + "; echo status $?")
    lines = said.splitlines()
    assert lines[0].startswith("pynamespaces: there is no terminal for --pty")
    assert lines[-1] == "status 1"


def test_much_is_carried() -> None:
    """All that is typed and all that is written gets through, however much it is."""
    most = 300_000
    script = f"stty raw -echo; echo ready; head -c {most} | wc -c; seq 50000; echo end"
    with screen(*sh(PTY, script)) as made:
        made.expect("ready")
        made.type("x" * most)
        made.expect(f"{most}\n")
        assert made.expect("end").split() == [str(i) for i in range(1, 50001)]
        assert made.process.wait(timeout=LIMIT) == 0


def test_last_words() -> None:
    """What the program writes last is there, though its terminal is held by others."""
    script = "sleep 1000 & echo hello; kill -KILL $$"
    with orphans_reaped(), screen(*sh([*DIRECT, "--pty"], script)) as made:
        made.expect("hello")
        assert made.process.wait(timeout=LIMIT) == 128 + signal.SIGKILL


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_across(signo: signal.Signals) -> None:
    """What is sent to the command reaches the program on the other terminal, once."""
    name = signo.name.removeprefix("SIG")
    script = f"trap 'echo had it; exit 9' {name}; echo ready; while :; do read x; done"
    with screen(*sh(PTY, script)) as made:
        made.expect("ready")
        made.process.send_signal(signo)
        made.expect("had it")
        assert made.process.wait(timeout=LIMIT) == 9


def test_stopped_from_outside() -> None:
    """While the command is stopped the terminal is as before; then raw again."""
    with screen(*sh(PTY, "echo ready; read x; exit 3")) as made:
        before = made.modes()
        made.expect("ready")
        eventually(lambda: made.modes() != before)
        made.process.send_signal(signal.SIGTSTP)
        eventually(lambda: state_of(made.process.pid) == "T")
        assert made.modes() == before
        made.process.send_signal(signal.SIGCONT)
        eventually(lambda: made.modes() != before)
        made.type("\r")
        assert made.process.wait(timeout=LIMIT) == 3
        assert made.modes() == before


def test_killed_across() -> None:
    """When the command is killed, the other terminal hangs up."""
    line = sh([*DIRECT, "--pty"], "exec sleep 1000")
    with orphans_reaped(), screen(*line) as made:
        pidfd = os.pidfd_open(named(made, "sleep"))
        made.process.kill()
        is_over = has_ended(pidfd)
        os.close(pidfd)
    assert is_over


@all_ways
def test_hangup(run: list[str]) -> None:
    """When the terminal hangs up, so it does for the program."""
    with orphans_reaped():
        with screen(*sh(run, "exec sleep 1000")) as made:
            pidfd = os.pidfd_open(named(made, "sleep"))
        is_over = has_ended(pidfd)
        os.close(pidfd)
    assert is_over
    assert made.process.returncode == 128 + signal.SIGHUP
