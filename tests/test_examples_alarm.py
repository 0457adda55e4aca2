"""The alarm among the examples tells who gets into a container, as it happens."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pytest
from containers import Container, runc
from exemplary import PAGE, check_refusal, command, example, in_run_of, shown
from starting import ROOT
from support import program
from targets import holder

NAME: Final = "entry_alarm"
WATCHING: Final = "watching cgroup, ipc, mnt, net, pid, uts\n"


@contextmanager
def watching(target: str, *options: str) -> Iterator[IO[str]]:
    """Have the alarm on; give what it says. It ends by Ctrl-C."""
    with subprocess.Popen(
        command(NAME, target, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stderr.readline() == WATCHING
            yield process.stdout
            process.send_signal(signal.SIGINT)
            assert process.wait() == 130
            assert process.stderr.read() == ""
        finally:
            process.kill()


def enter(container: Container, tool: str, *options: str) -> int:
    """Enter a container, and leave it at once; return the id that who did had."""
    words = [tool, "--target", str(container.pid), *options, "true"]
    with subprocess.Popen(words) as process:
        return process.pid


@ROOT
def test_entry(tmp_path: Path) -> None:
    """Each who gets in is a line, with whom it comes from; and the command is run."""
    tool = program("nsenter")
    friend = tmp_path / "friend-1"
    friend.symlink_to(tool)
    run = ("--run", "printf 'alarm: %s\\n'")
    with (
        runc(tmp_path) as container,
        watching(str(container.pid), "--allow", "friend-*", *run) as output,
    ):
        enter(container, str(friend), "--net")
        pid = enter(container, tool, "--net")
        line = output.readline()
        assert output.readline() == f"alarm: {line}"
        head, *parents = line.strip().split(" < ")
        assert head == f"net entered: 'nsenter' ({pid})"
        assert f"({os.getpid()})" in parents[0]
        assert len(parents) > 1 or os.getppid() == 0


@ROOT
def test_entry_by_name(tmp_path: Path) -> None:
    """A container is found by its name; who is born inside is told, too."""
    tool = program("nsenter")
    with runc(tmp_path) as container:

        def watch() -> tuple[int, list[str]]:
            with watching("container:web") as output:
                pid = enter(container, tool, "--pid", "--uts")
                return pid, [output.readline(), output.readline()]

        pid, (uts, child) = in_run_of(tmp_path, watch)
    assert uts.startswith(f"uts entered: 'nsenter' ({pid})")
    assert child.startswith("pid entered by its child ")
    assert f": 'nsenter' ({pid})" in child
    page = shown(PAGE.read_text())
    assert WATCHING in page
    for line in (uts, child):
        assert shown(line).split(" < ")[0] in page


@pytest.mark.tier("plain", "userns")
def test_no_alarm() -> None:
    """Who may not watch is told so in one line."""
    with holder("user", "net") as pid:
        done = example(NAME, str(pid))
    check_refusal(done, 1, "entry_alarm: nobody is watched: ", "CAP_PERFMON")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("container:missing", "no container has the id or name 'missing'"),
        ("web", "web is neither container:NAME nor the id of a process"),
        (str(os.getpid()), "has no namespace that is not yours"),
    ],
    ids=["missing", "unknown", "own"],
)
def test_no_target(target: str, reason: str) -> None:
    """A target that there is nothing to watch in is refused."""
    check_refusal(example(NAME, target), 1, "entry_alarm: nobody is watched: ", reason)
