"""``--pty``: what the program, or the terminal, might do to the relay between."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from starting import LIMIT, children_of, eventually, orphans_reaped, state_of
from terminals import (
    COMMAND,
    DIRECT,
    PROMPT,
    PTY,
    STOPPED,
    Screen,
    named,
    on_its_own,
    screen,
    sh,
    shell,
    typed,
)

BLOCKED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGWINCH}

STARTING = """
import os, signal, sys
{}
os.execv(sys.argv[1], sys.argv[1:])
"""


def _started(code: str, *command: str) -> list[str]:
    """Return the command that runs another after some code."""
    return [sys.executable, "-I", "-S", "-c", STARTING.format(code), *command]


def _most_unread() -> int:
    """Return how much can be written to a terminal that nobody reads."""
    master, slave = os.openpty()
    os.set_blocking(slave, False)
    most = 0
    with suppress(BlockingIOError):
        while True:
            most += os.write(slave, bytes(256))
    os.close(master)
    os.close(slave)
    return most


def _said_at_the_end(most: int) -> list[str]:
    """Return the command whose program writes this much and ends."""
    script = f"stty -opost; echo ready; head -c {most} /dev/zero; printf end; exit 5"
    return sh(PTY, script)


def _has_waited(made: Screen) -> bool:
    """Return whether the program has ended, and the relay has not."""
    assert made.process.poll() is None
    return not children_of(made.process.pid)


# --- the end ---


def test_writer_that_stays() -> None:
    """Who goes on writing does not keep it from ending with the program."""
    script = "(trap '' HUP; while echo y; do :; done) & exit 4"
    with orphans_reaped(), screen(*sh([*DIRECT, "--pty"], script)) as made:
        eventually(lambda: made.discard() == 0 and made.process.poll() is not None)
        assert made.process.returncode == 4


def test_slow_reader() -> None:
    """What was written last waits for who reads, however long."""
    more = _most_unread() + 20000
    with screen(*_said_at_the_end(more)) as made:
        made.expect("ready\n")
        eventually(lambda: _has_waited(made))
        assert len(made.expect("end")) == more
        assert made.process.wait(timeout=LIMIT) == 5


def test_signal_at_the_end() -> None:
    """A signal ends what only waits for somebody to read."""
    with screen(*_said_at_the_end(_most_unread() + 20000)) as made:
        before = made.modes()
        made.expect("ready\n")
        eventually(lambda: _has_waited(made))
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(timeout=LIMIT) == 5
        assert made.modes() == before


def test_terminal_that_takes_nothing() -> None:
    """Signals are heeded while nobody reads what the program writes."""
    with screen(*sh(PTY, "exec yes")) as made:
        before = made.modes()
        pid = named(made, "yes")
        eventually(lambda: all(state_of(pid) == "S" for _ in range(50)))
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(timeout=LIMIT) == 128 + signal.SIGTERM
        assert made.modes() == before


# --- what it is started with ---


def test_blocked_signals() -> None:
    """Signals that are blocked do no harm, and are blocked for the program."""
    names = ", ".join(f"signal.{each.name}" for each in BLOCKED)
    code = f"signal.pthread_sigmask(signal.SIG_BLOCK, {{{names}}})"
    # Not by a shell: some begin with none blocked.
    line = [*COMMAND, *PTY, "--", "grep", "SigBlk", "/proc/self/status"]
    with screen(*_started(code, *line)) as made:
        made.expect("SigBlk:")
        found = int(made.expect("\n"), 16)
        assert made.process.wait(timeout=LIMIT) == 0
    assert found == sum(1 << (signo - 1) for signo in BLOCKED)


def test_ignored_children() -> None:
    """Where that children end is ignored, it is not so here."""
    code = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    with screen(*_started(code, *sh(PTY, "exit 3"))) as made:
        assert made.process.wait(timeout=LIMIT) == 3


def test_closed_input() -> None:
    """Where standard input is closed, it is for the program, and nothing is typed."""
    script = "[ -e /proc/$$/fd/0 ] || echo closed; exit 3"
    with screen("sh", "-c", 'exec "$@" <&-', "sh", *sh(PTY, script)) as made:
        before = made.modes()
        made.expect("closed")
        assert made.modes() == before
        assert made.process.wait(timeout=LIMIT) == 3


# --- a program that is stopped ---


@on_its_own
def test_job(run: list[str]) -> None:
    """It goes on in the background, in front again, and is killed when stopped."""
    with shell() as made:
        made.type(typed(run, "sleep", "1000") + "\n")
        pid = named(made, "sleep")
        for line in ("bg", "fg"):
            os.kill(pid, signal.SIGSTOP)
            made.match(STOPPED)
            made.expect(PROMPT)
            made.type(line + "\n")
            eventually(lambda: state_of(pid) == "S")
            if line == "bg":
                made.expect(PROMPT)
                made.type("fg\n")
                made.expect("$ns")
        os.kill(pid, signal.SIGSTOP)
        made.match(STOPPED)
        made.expect(PROMPT)
        made.type("kill %1\n")
        eventually(lambda: not children_of(made.process.pid))
        made.type("\n")
        made.match("Exit 143")
        made.expect(PROMPT)


# --- the same, and no shell to see it ---


@on_its_own
def test_key_continues(run: list[str]) -> None:
    """What is typed continues it."""
    with screen(*sh(run, "kill -STOP $$; echo back; exit 3")) as made:
        pid = named(made, "sh")
        eventually(lambda: state_of(pid) == "T")

        def has_ended() -> bool:
            made.type("x")
            return made.process.poll() is not None

        eventually(has_ended)
        assert made.process.returncode == 3


@on_its_own
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_continues(run: list[str], signo: signal.Signals) -> None:
    """A signal that is to end it does."""
    with screen(*sh(run, "kill -STOP $$")) as made:
        pid = named(made, "sh")
        eventually(lambda: state_of(pid) == "T")

        # The first may come before the relay has heard of the stop.
        for _ in range(int(LIMIT)):
            made.process.send_signal(signo)
            with suppress(subprocess.TimeoutExpired):
                made.process.wait(timeout=1)
                break
        assert made.process.returncode == 128 + signo
