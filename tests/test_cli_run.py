"""``pynamespaces run``: programs in fresh namespaces."""

import os
import signal
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest
from containers import HOSTNAME
from starting import (
    LIMIT,
    ROOT,
    fresh_proc,
    makable,
    orphans_reaped,
    read_line,
)
from support import ALL_TYPES, own_all
from terminals import COMMAND, told

UTS = ",".join(makable("uts"))
PID = ",".join(makable("pid"))

both = pytest.mark.parametrize("new", [UTS, PID], ids=["direct", "init"])
"""Whether the program is our child, or has an init above it."""


def _started(*words: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "run", *words], stdin=stdin, stdout=subprocess.PIPE
    )


# --- which namespaces ---


@pytest.mark.parametrize(
    "options",
    [["--new", "user,uts,net"], ["--new", "user", "-n", "uts", "--new=net"]],
)
def test_fresh_ones(options: list[str]) -> None:
    """It is in fresh ones of the types that are named, in one list or several."""
    links = [f"/proc/self/ns/{type}" for type in ALL_TYPES]
    found = told("run", *options, "--", "readlink", *links).stdout.split()
    mine = own_all()
    differing = {t for t, link in zip(ALL_TYPES, found, strict=True) if link != mine[t]}
    assert differing == {"user", "uts", "net"}


def test_map() -> None:
    """``--map`` says who one is, and makes the user namespace."""
    ids = str(os.geteuid()), str(os.getegid())
    script = ["--", "sh", "-c", "id -u; id -g"]
    assert told("run", "--map", "root", *script).stdout.split() == ["0", "0"]
    assert told("run", "--new", "user", *script).stdout.split() == ["0", "0"]
    found = told("run", "--map", "current", *script).stdout.split()
    assert tuple(found) == ids


def test_subordinate_ids() -> None:
    """``--map subids`` maps as many as the files give, or says that they give none."""
    done = told("run", "--map", "subids", "--", "cat", "/proc/self/uid_map")
    if done.returncode == 0:
        assert len(done.stdout.splitlines()) > 1
    else:
        assert "subordinate" in done.stderr
        assert done.returncode == 1


def test_hostname() -> None:
    """``--hostname`` makes the uts namespace that has it."""
    new = ["--new", "user"] if "user" in makable() else []
    done = told("run", *new, "--hostname", HOSTNAME, "--", "uname", "-n")
    assert (done.stdout, done.stderr) == (HOSTNAME + "\n", "")


def test_init() -> None:
    """In a fresh pid namespace there is an init, unless ``--no-init`` says so."""
    script = ["--", "sh", "-c", "echo $$"]
    assert told("run", "--new", PID, *script).stdout != "1\n"
    assert told("run", "--new", PID, "--init", *script).stdout != "1\n"
    assert told("run", "--new", PID, "--no-init", *script).stdout == "1\n"
    done = told("run", "--new", UTS, "--init", *script)
    assert done.returncode == 2
    assert "init needs a fresh pid namespace" in done.stderr


def test_set_up() -> None:
    """It finds its own ``/proc`` and a network that is up, unless it is not to."""
    fresh_proc()
    script = "read pid rest < /proc/self/stat; echo $(($pid == $$)); "
    script += "grep -c . /proc/net/if_inet6"
    command = ["--", "sh", "-c", script]
    new = ["run", "--new", "user,pid,mnt,net"]
    assert told(*new, *command).stdout.split() == ["1", "1"]
    without = ["--no-mount-proc", "--no-loopback"]
    assert told(*new, *without, *command).stdout.split() == ["0", "0"]


def test_none_named() -> None:
    """Without a type, which would be nothing new, it is a wrong command line."""
    done = told("run", "--", "true")
    assert done.returncode == 2
    assert "--new" in done.stderr


# --- what is started ---


def test_arguments() -> None:
    """What follows ``--`` is the program's, whatever it looks like."""
    words = ["--new", "-t", "--", "a b", ""]
    done = told("run", "--new", UTS, "--", "printf", "<%s>", *words)
    assert done.stdout == "<--new><-t><--><a b><>"


@pytest.mark.parametrize("words", [["true"], ["ls", "-l"], ["sh", "-c", "x"]])
def test_without_mark(words: list[str]) -> None:
    """Without ``--`` it is refused: some of its words could be taken for ours."""
    done = told("run", "--new", UTS, *words)
    assert done.returncode == 2
    assert "write -- before the program" in done.stderr


def test_shell() -> None:
    """Without a program it is the user's shell, or /bin/sh if there is none."""
    line = [*COMMAND, "run", "--new", UTS]
    for name in (sys.executable, "/nowhere/sh", ""):
        code = "print(2 * 3)" if name == sys.executable else "echo $((2 * 3))"
        done = subprocess.run(
            line,
            input=code,
            env={**os.environ, "SHELL": name},
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT,
        )
        assert done.stdout == "6\n"


def test_directory(tmp_path: Path) -> None:
    """It starts in the same directory, or where ``--cwd`` says."""
    assert told("run", "--new", UTS, "--", "pwd", "-P").stdout == os.getcwd() + "\n"
    found = told("run", "--new", UTS, "--cwd", str(tmp_path), "--", "pwd", "-P").stdout
    assert found == f"{tmp_path}\n"


def test_descriptors() -> None:
    """What the caller has opened for the program stays open, and nothing else."""
    reader, writer = os.pipe()
    code = f"import os; print(os.listdir('/proc/self/fd')); os.write({writer}, b'x')"
    with subprocess.Popen(
        [*COMMAND, "run", "--new", UTS, "--", sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        pass_fds=[writer],
    ) as process:
        os.close(writer)
        with open(reader) as told_there:
            assert told_there.read() == "x"
        found = {int(word) for word in literal_eval(read_line(process.stdout).decode())}
    # And the directory that it is reading.
    assert found >= {0, 1, 2, writer}
    assert len(found) == 5


# --- how it ends ---


@both
@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 200", 200), ("kill -9 $$", 137)]
)
def test_status(new: str, script: str, status: int) -> None:
    """The exit status is the program's; of a signal, 128 and its number."""
    done = told("run", "--new", new, "--", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_not_started(tmp_path: Path) -> None:
    """One line says why it is not started; the status tells as shells do."""
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for word, status in [(str(plain), 126), (str(tmp_path / "none"), 127)]:
        done = told("run", "--new", UTS, "--", word)
        assert done.returncode == status
        assert word in done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = told("run", "--new", UTS, "--cwd", str(plain), "--", "true")
    assert done.returncode == 1


@both
def test_pipes(new: str) -> None:
    """What it reads and writes may be pipes; a reader that goes ends it by SIGPIPE."""
    line = " ".join([*COMMAND, "run", "--new", new, "--"])
    script = f"seq 100000 | {line} cat | tail -n1; {line} yes | head -n1"
    script = f"set -o pipefail; {script}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    assert done.stdout.split() == ["100000", "y", "141"]


@both
@pytest.mark.parametrize(
    "signo", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1]
)
def test_signals_sent_on(new: str, signo: signal.Signals) -> None:
    """What is sent to the command alone reaches the program, whose end it waits for."""
    name = signo.name.removeprefix("SIG")
    script = f"trap 'echo had it; exit 9' {name}; echo ready; while :; do read x; done"
    with _started("--new", new, "--", "sh", "-c", script) as process:
        assert read_line(process.stdout) == b"ready\n"
        process.send_signal(signo)
        assert read_line(process.stdout) == b"had it\n"
        assert process.wait(timeout=LIMIT) == 9


@both
def test_ignored_signals(new: str) -> None:
    """A signal that is ignored when it starts is ignored by the program as well."""
    ignoring = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    command = [*COMMAND, "run", "--new", new, "--"]
    done = subprocess.run(
        [*ignoring, *command, "sh", "-c", "kill -INT $$; echo alive"],
        stdout=subprocess.PIPE,
        check=True,
        timeout=LIMIT,
    )
    assert done.stdout == b"alive\n"


@both
def test_killed(new: str) -> None:
    """A command that is killed takes its program with it."""
    script = ["--", "sh", "-c", "echo ready; exec cat"]
    with orphans_reaped(), _started("--new", new, *script) as process:
        assert read_line(process.stdout) == b"ready\n"
        process.kill()
        # What is left would hold the pipe.
        assert process.stdout is not None
        assert process.stdout.read() == b""


@ROOT
def test_user() -> None:
    """As another user it has that user's group, or that of ``--group``, no others."""
    script = ["--", "sh", "-c", "id -u; id -G"]
    found = told("run", "--new", UTS, "--user", "nobody", *script).stdout.split()
    assert found == ["65534", "65534"]
    line = ["run", "--new", UTS, "--user", "4321"]
    assert told(*line, "--group", "daemon", *script).stdout.split() == ["4321", "1"]
    done = told(*line, *script)
    assert done.returncode == 1
    assert "give --group too" in done.stderr
    done = told("run", "--new", UTS, "--user", "no such user", *script)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no such user" in done.stderr
