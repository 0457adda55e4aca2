"""``pynamespaces trace``: real programs, watched as far as this caller may."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from commanding import check_refusal, environment, pynamespaces
from holding import Holder, holder
from starting import LIMIT, POWER, ROOT
from support import program
from terminals import COMMAND, CTRL_C, PROMPT, shell

BACKENDS = ["auto", "notify"]
UNSHARE = "unshare --user --map-root-user --net true"
"""What everybody may do."""


@contextmanager
def _running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command; its output is a pipe, and so is its input."""
    with subprocess.Popen(
        [*COMMAND, "trace", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _event(process: subprocess.Popen[str]) -> dict[str, object]:
    """Return the next event."""
    assert process.stdout is not None
    found = json.loads(process.stdout.readline())
    assert isinstance(found, dict)
    return found


def _events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _watched(process: subprocess.Popen[str]) -> None:
    """Wait until it says that it watches."""
    assert process.stderr is not None
    assert "watching" in process.stderr.readline()


def _sh(script: str, *words: str) -> Sequence[str]:
    return ["trace", *words, "--", "sh", "-c", script]


@pytest.mark.parametrize("backend", BACKENDS)
def test_program(backend: str) -> None:
    """The calls of a program are told, and it ends as that does."""
    program("unshare")
    done = pynamespaces(*_sh(f"{UNSHARE}; exit 3", "--backend", backend))
    assert done.returncode == 3, done.stderr
    found = [event for event in _events(done.stdout) if event["event"] == "unshare"]
    assert [event["flag_names"] for event in found] == [
        ["CLONE_NEWUSER", "CLONE_NEWNET"]
    ]
    assert found[0]["comm"] == "unshare"
    assert done.stderr.startswith("pynamespaces: watching sh and what it starts, by ")
    if backend == "notify":
        assert "by notify" in done.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_events_are_read_while_it_goes_on(backend: str) -> None:
    """What has happened is there while the program still waits for us."""
    with _running("--backend", backend, "--", "sh", "-c", f"{UNSHARE}; read x") as made:
        assert _event(made)["event"] == "unshare"
        assert made.poll() is None
        _, said = made.communicate("go on\n", timeout=LIMIT)
        assert made.returncode == 0, said


def test_denied() -> None:
    """What is denied fails, in the program as by the kernel, and is told."""
    program("unshare")
    done = pynamespaces(*_sh(UNSHARE, "--deny", "net"))
    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr
    (event,) = _events(done.stdout)
    assert (event["denied"], event["error"]) == (True, "EPERM")
    done = pynamespaces(*_sh(UNSHARE, "--deny", "uts", "--no-failed"))
    assert done.returncode == 0, done.stderr
    assert [event["denied"] for event in _events(done.stdout)] == [False]
    done = pynamespaces(*_sh(UNSHARE, "--deny", "net", "--no-failed"))
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("words", [[], ["--deny", "net"]])
@pytest.mark.parametrize(
    ("name", "status"),
    [("/nonexistent", 127), ("no-such-program", 127), ("/etc/passwd", 126)],
)
def test_no_program(words: list[str], name: str, status: int) -> None:
    """A program that cannot be started is told as shells do."""
    done = pynamespaces("trace", *words, "--", name, env=environment(PATH="/usr/bin"))
    check_refusal(done, status, name)


@pytest.mark.tier("plain", "userns")
def test_refused() -> None:
    """Who may not watch the machine is told what it takes, in one line."""
    done = pynamespaces("trace")
    check_refusal(done, 1, "CAP_PERFMON", "kernel.perf_event_paranoid")
    assert done.stdout == ""


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("words", [[], ["--deny", "net"]])
def test_signals_are_for_the_program(words: list[str], signo: signal.Signals) -> None:
    """A signal to the command reaches the program, which ends by it."""
    script = "echo ready; exec sleep 60"
    with _running(*words, "--", "sh", "-c", script) as made:
        _watched(made)
        assert made.stdout is not None
        assert made.stdout.readline() == "ready\n"
        made.send_signal(signo)
        _, said = made.communicate(timeout=LIMIT)
        assert made.returncode == 128 + signo, said


def test_signal_that_the_program_takes() -> None:
    """What the program does of a signal is up to that."""
    script = "trap 'echo taken; exit 5' TERM; echo ready; while :; do read x; done"
    with _running("--", "sh", "-c", script) as made:
        _watched(made)
        assert made.stdout is not None
        assert made.stdout.readline() == "ready\n"
        made.send_signal(signal.SIGTERM)
        assert made.stdout.readline() == "taken\n"
        made.communicate(timeout=LIMIT)
        assert made.returncode == 5


def test_interrupted_on_a_terminal() -> None:
    """Ctrl-C reaches the program once, and the command ends as that does."""
    with shell() as made:
        made.type("$ns trace -- sh -c 'echo up; exec sleep 60'\n")
        made.expect("up\r\n")
        made.type(CTRL_C)
        made.expect(PROMPT)
        assert "130" in made.command("echo $?")
        script = 'trap "echo taken; exit 4" INT; echo up; while :; do read x; done'
        made.type(f"$ns trace -- sh -c '{script}'\n")
        made.expect("up\r\n")
        made.type(CTRL_C)
        made.expect("taken\r\n")
        made.expect(PROMPT)
        assert "4" in made.command("echo $?")


def test_output_is_the_program_s(tmp_path: Path) -> None:
    """With ``--output`` the program has standard output for itself."""
    file = tmp_path / "events"
    done = pynamespaces(*_sh(f"{UNSHARE}; echo said", "-o", str(file)))
    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
    assert [event["comm"] for event in _events(file.read_text())] == ["unshare"]


def test_reader_that_goes() -> None:
    """When nobody reads any more, it ends in silence, and the program with it."""
    code = "from pynamespaces import unshare; unshare('user')\n"
    code += "while True: unshare('uts')"
    with _running("--", sys.executable, "-c", code) as made:
        _event(made)
        assert made.stdout is not None
        assert made.stderr is not None
        made.stdout.close()
        assert made.wait(timeout=LIMIT) == 141
        assert len(made.stderr.read().splitlines()) == 1


@pytest.fixture
def held() -> Iterator[Holder]:
    """A process that moves on when it is told to."""
    with holder("user", "uts") as made:
        yield made


def _until(process: subprocess.Popen[str], pid: int) -> dict[str, object]:
    """Return the first event of a process."""
    while (found := _event(process))["pid"] != pid:
        pass
    return found


@ROOT
def test_machine(held: Holder) -> None:
    """Who changes namespaces anywhere is seen; Ctrl-C ends it with 130."""
    with _running() as made:
        _watched(made)
        before = os.stat(f"/proc/{held.pid}/ns/uts").st_ino
        held.unshare_again("uts")
        event = _until(made, held.pid)
        after = os.stat(f"/proc/{held.pid}/ns/uts").st_ino
        assert event["changes"] == [
            {
                "type": "uts",
                "before": {"type": "uts", "ino": before, "unique": None},
                "after": {"type": "uts", "ino": after, "unique": None},
                "created": True,
            }
        ]
        made.send_signal(signal.SIGINT)
        _, said = made.communicate(timeout=LIMIT)
        assert made.returncode == 130
        assert said.strip() == ""


@ROOT
@pytest.mark.parametrize("words", [[], ["--no-calls"]])
def test_process(words: list[str], held: Holder) -> None:
    """One process is watched alone, and ``--count`` ends it."""
    with holder("user", "uts") as other:
        with _running("--pid", str(held.pid), *words, "--count", "2") as made:
            _watched(made)
            other.unshare_again("uts")
            held.unshare_again("uts")
            held.unshare_again("ipc")
            text, said = made.communicate(timeout=LIMIT)
        assert made.returncode == 0, said
        events = _events(text)
        assert [event["pid"] for event in events] == [held.pid] * 2
        kind = "change" if words else "unshare"
        assert {event["event"] for event in events} == {kind}


@ROOT
def test_who_gets_in(held: Holder) -> None:
    """With ``--into`` the one who enters is seen."""
    nsenter = [program("nsenter"), "--target", str(held.pid), "--uts", "true"]
    with _running("--into", str(held.pid), "--count", "1") as made:
        _watched(made)
        subprocess.run(["unshare", "--uts", "true"], check=True)
        subprocess.run(nsenter, check=True)
        text, said = made.communicate(timeout=LIMIT)
    assert made.returncode == 0, said
    (event,) = _events(text)
    assert (event["event"], event["comm"]) == ("setns", "nsenter")


@POWER
def test_duration_ends_the_program() -> None:
    """When the time is over the program is ended, too, and nothing has failed."""
    done = pynamespaces("trace", "--duration", "0.2", "--", "sleep", "60")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
