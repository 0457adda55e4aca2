"""Options of a program's own: directory, environment, ids, signals, sessions."""

import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from starting import LIMIT, OURS, WAYS, Ours, new_of, said, unended
from support import in_child
from watching import in_worker

from pynamespaces import Popen, check_output, run

PIPE = subprocess.PIPE
SIGNALS = ("SigBlk", "SigIgn", "SigCgt")


@WAYS
@pytest.mark.parametrize("kind", [str, Path, os.fsencode], ids=["str", "Path", "bytes"])
def test_cwd(ours: Ours, kind: Callable[[str], str], tmp_path: Path) -> None:
    """The working directory, in which a program of a relative path is found."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nexec pwd -P\n")
    tool.chmod(0o755)
    found = check_output(["./tool"], cwd=kind(str(tmp_path)), **ours)
    assert found == os.fsencode(f"{tmp_path}\n")


@WAYS
def test_cwd_stays(ours: Ours) -> None:
    """Without one it is the caller's."""
    assert said("pwd", "-P", **ours) == os.getcwd() + "\n"


@WAYS
def test_env(ours: Ours) -> None:
    """The environment is what was given, or the caller's as it is now."""
    env = {"A": "b c", "ö": ""}
    assert {*said("/usr/bin/env", env=env, **ours).splitlines()} == {"A=b c", "ö="}
    raw = {b"A": b"\xff"}
    assert check_output(["/usr/bin/env"], env=raw, **ours) == b"A=\xff\n"
    assert check_output(["/usr/bin/env"], env={}, **ours) == b""
    os.environ["PYNS_TEST"] = "here"
    try:
        assert said("sh", "-c", 'echo "$PYNS_TEST"', **ours) == "here\n"
    finally:
        del os.environ["PYNS_TEST"]


@WAYS
def test_path_of_env(ours: Ours, tmp_path: Path) -> None:
    """A program is looked for in the ``PATH`` that it is given."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    env = {"PATH": f"/no/such:{tmp_path}"}
    assert said("tool", env=env, **ours) == "found\n"


@WAYS
def test_arguments(ours: Ours, tmp_path: Path) -> None:
    """Arguments are strings, bytes or paths, or one string for a shell."""
    assert check_output(["echo", b"\xff", Path("/x")], **ours) == b"\xff /x\n"
    assert check_output(("echo", ""), **ours) == b"\n"
    assert check_output([Path("/bin/echo"), "x"], **ours) == b"x\n"
    assert check_output("pwd", cwd=tmp_path, **ours) == os.fsencode(f"{tmp_path}\n")
    script = "echo $0 | cat; exit 3"
    done = run(script, shell=True, stdout=PIPE, **ours)
    assert (done.stdout, done.returncode) == (b"/bin/sh\n", 3)
    more = ["echo $0 $1", "zero", "one"]
    assert check_output(more, shell=True, **ours) == b"zero one\n"
    assert (
        check_output(["called", "-c", "echo $0"], executable="sh", **ours)
        == b"called\n"
    )
    shell = "/bin/../bin/sh"
    found = check_output("echo $0", shell=True, executable=shell, **ours)
    assert found == os.fsencode(f"{shell}\n")


@WAYS
def test_umask(ours: Ours) -> None:
    """The umask is what was given, or the caller's."""
    assert int(check_output("umask", shell=True, umask=0o27, **ours), 8) == 0o27

    def check() -> int:
        os.umask(0o31)
        return int(check_output("umask", shell=True, **ours), 8)

    assert in_child(check) == 0o31


def place(process: Popen[bytes]) -> tuple[int, int]:
    """Return the process group and the session of a program that writes its stat."""
    assert process.stdout is not None
    words = process.stdout.read().rpartition(b")")[2].split()
    return int(words[2]), int(words[3])


@WAYS
def test_sessions_and_groups(ours: Ours) -> None:
    """A program is in the caller's session and group, or in its own."""
    stat = ["cat", "/proc/self/stat"]
    has_init = "pid" in new_of(ours)
    with Popen(stat, stdout=PIPE, **ours) as process:
        assert place(process) == (os.getpgrp(), os.getsid(0))
    with Popen(stat, stdout=PIPE, process_group=0, **ours) as process:
        group, session = place(process)
        assert group not in (os.getpgrp(), 0)
        assert session == os.getsid(0)
        assert has_init or group == process.pid
    with Popen(stat, stdout=PIPE, start_new_session=True, **ours) as process:
        group, session = place(process)
        assert session not in (os.getsid(0), 0)
        assert group == session
        assert has_init or session == process.pid


@pytest.mark.parametrize("ours", [Ours(), Ours(new=("user", "uts"))])
def test_group_of_another(ours: Ours) -> None:
    """A program can be put into the group of another."""
    with unended() as nothing:
        with Popen(["cat"], stdin=nothing, process_group=0) as first:
            with Popen(
                ["cat", "/proc/self/stat"],
                stdout=PIPE,
                process_group=first.pid,
                **ours,
            ) as second:
                assert place(second) == (first.pid, os.getsid(0))
            first.kill()


@OURS
@pytest.mark.parametrize(
    "own", [{"process_group": 0}, {"start_new_session": True}], ids=["group", "session"]
)
def test_whole_group_is_signalled(ours: Ours, own: dict[str, object]) -> None:
    """Whoever signals the group of the child that is waited for ends the program."""
    with unended() as nothing:
        with Popen(["cat"], stdin=nothing, **own, **ours) as process:  # type: ignore[call-overload]
            group = os.getpgid(process.pid)
            try:
                # Or this would be the end of the tests.
                assert group != os.getpgrp()
                os.killpg(group, signal.SIGKILL)
                assert process.wait(timeout=LIMIT) == -signal.SIGKILL
            finally:
                process.kill()


def signals(*, restore_signals: bool = True, **ours: object) -> dict[str, int]:
    """Return which signals a program has blocked, ignored and caught."""
    text = check_output(
        ["cat", "/proc/self/status"],
        restore_signals=restore_signals,
        **ours,  # type: ignore[call-overload]
    )
    fields = dict(line.split(":\t", 1) for line in text.decode().splitlines())
    return {name: int(fields[name], 16) for name in SIGNALS}


@OURS
@pytest.mark.parametrize("restore", [True, False])
@pytest.mark.parametrize("run_in", [in_child, in_worker], ids=["alone", "worker"])
def test_signals(
    ours: Ours, restore: bool, run_in: Callable[[Callable[[], object]], None]
) -> None:
    """Signals are blocked and ignored as in what the standard library starts."""

    def check() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGRTMIN])
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        expected = signals(restore_signals=restore)
        assert expected["SigBlk"] == 1 << signal.SIGUSR1 - 1 | 1 << signal.SIGRTMIN - 1
        assert bool(expected["SigIgn"] >> signal.SIGPIPE - 1 & 1) != restore
        assert signals(restore_signals=restore, **ours) == expected
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before

    run_in(check)


@OURS
def test_ignored_and_handled(ours: Ours) -> None:
    """What the caller ignores a program ignores, and what it handles it does not."""

    def check() -> None:
        for number in (signal.SIGHUP, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: None)
        before = list(map(signal.getsignal, range(1, 32)))
        expected = signals()
        assert signals(**ours) == expected
        assert list(map(signal.getsignal, range(1, 32))) == before

    in_child(check)


@OURS
def test_limits_and_priority(ours: Ours) -> None:
    """Limits and priority are the caller's."""

    def check() -> str:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        os.nice(3)
        return said("sh", "-c", "ulimit -n; nice", **ours)

    assert in_child(check).split() == ["200", str(os.nice(0) + 3)]
