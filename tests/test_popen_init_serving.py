"""What an init does while its program runs: signals, orphans; and what it holds."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

import pytest
from starting import (
    INIT,
    LIMIT,
    children_of,
    eventually,
    living,
    program_of,
    read_line,
    running,
    state_of,
    unended,
)

from pynamespaces import Popen

MIB = 1 << 20
FORWARDED = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "ALRM"]


# --- signals ---


@pytest.mark.parametrize("name", FORWARDED)
def test_forwards(name: str) -> None:
    """A signal that anybody sends to the init reaches the program."""
    number = signal.Signals[f"SIG{name}"]
    with running(f"trap 'echo got; exit 9' {name}") as process:
        os.kill(process.pid, number)
        assert read_line(process.stdout) == b"got\n"
        assert process.wait(timeout=LIMIT) == 9


@pytest.mark.parametrize("name", ["HUP", "INT", "USR1", "TERM"])
def test_forwarded_signal_kills(name: str) -> None:
    """A program that does not handle it ends by it."""
    number = signal.Signals[f"SIG{name}"]
    with unended() as nothing, Popen(["cat"], stdin=nothing, **INIT) as process:
        os.kill(process.pid, number)
        assert process.wait(timeout=LIMIT) == -number


def test_sent_to_the_program() -> None:
    """What is sent by the object reaches the program alone, and it can be stopped."""
    with running("trap 'echo got' USR1") as process:
        program = program_of(process)
        process.send_signal(signal.SIGSTOP)
        try:
            eventually(lambda: state_of(program) == "T")
            # Which is told of it.
            eventually(lambda: state_of(process.pid) == "S")
            process.send_signal(signal.SIGUSR1)
        finally:
            process.send_signal(signal.SIGCONT)
        assert read_line(process.stdout) == b"got\n"
        process.terminate()


def test_signals_at_once() -> None:
    """A signal that comes right after the start is not lost."""
    with unended() as nothing:
        for _ in range(20):
            with Popen(["cat"], stdin=nothing, **INIT) as process:
                process.terminate()
                assert process.wait(timeout=LIMIT) == -signal.SIGTERM
            with Popen(["cat"], stdin=nothing, **INIT) as process:
                os.kill(process.pid, signal.SIGTERM)
                assert process.wait(timeout=LIMIT) == -signal.SIGTERM


# --- what it holds, and whom it serves ---


def test_reaps() -> None:
    """Orphans, of which there may be many, are reaped."""
    orphans = "for i in 1 2 3 4 5 6 7 8 9 10; do (true & exec true); done"
    with running(orphans) as process:
        eventually(lambda: len(children_of(process.pid)) == 1)
        assert process.poll() is None


def test_orphan_lives_on() -> None:
    """An orphan's new parent is the init, and its end is not the program's."""
    with running("(sleep 1000 & exec true)") as process:
        eventually(lambda: len(children_of(process.pid)) == 2)
        program, orphan = children_of(process.pid)
        assert Path(f"/proc/{program}/comm").read_text() == "sh\n"
        os.kill(orphan, signal.SIGTERM)
        eventually(lambda: len(children_of(process.pid)) == 1)
        assert process.communicate(b"\n", timeout=LIMIT)[1] is None
        assert process.returncode == 5


CLOSE = """
import os, sys
for fd in sys.argv[1:]:
    os.close(int(fd))
sys.stdin.read()
"""


@pytest.mark.parametrize("close_fds", [True, False])
def test_holds_no_pipes(close_fds: bool) -> None:
    """What the program has closed is closed, and so is what the caller has."""
    with ExitStack() as stack:
        (own, mine), (passed, its) = os.pipe(), os.pipe()
        for fd in (own, passed):
            stack.callback(os.close, fd)
        os.set_inheritable(its, True)
        with Popen(
            [sys.executable, "-I", "-S", "-c", CLOSE, "2", str(its)],
            stdin=PIPE,
            stderr=PIPE,
            close_fds=close_fds,
            pass_fds=[its] if close_fds else [],
            **INIT,
        ) as process:
            os.close(its)
            os.close(mine)
            assert process.stderr is not None
            assert process.stderr.read() == b""
            assert os.read(passed, 1) == os.read(own, 1) == b""
            assert process.poll() is None


def test_input_ends() -> None:
    """Who writes to a program that has closed its input is told so."""
    with Popen(
        ["sh", "-c", "exec <&-; echo closed; exec sleep 1000"],
        stdin=PIPE,
        stdout=PIPE,
        bufsize=0,
        **INIT,
    ) as process:
        assert read_line(process.stdout) == b"closed\n"
        assert process.stdin is not None
        with pytest.raises(BrokenPipeError):
            process.stdin.write(b"x")
        process.kill()


def test_is_small() -> None:
    """It keeps nothing of its parent's memory."""
    ballast = bytearray(64 * MIB)
    with living(**INIT) as process:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        (size,) = [line.split()[1] for line in lines if line.startswith("VmRSS")]
        assert int(size) * 1024 < MIB
    assert len(ballast) == 64 * MIB
