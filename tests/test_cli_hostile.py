"""What the command line must not trust: directories, descriptors, long numbers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commanding import check_refusal, check_refusal_text, lines_on_terminal
from starting import LIMIT, POWER, living, makable
from support import run_python
from targets import holder
from terminals import COMMAND, shell, told

from pynamespaces._core import registry
from pynamespaces.cli import command
from pynamespaces.cli.targets import parse_target

MANY = "9" * 5000
"""More digits than Python makes a number of."""


@pytest.fixture
def other() -> Iterator[str]:
    """A process of ours in a uts and a user namespace of its own."""
    with living(new=("user", "uts")) as process:
        yield str(process.pid)


# --- modules of the working directory ---


def test_demo_imports_nothing_from_here(tmp_path: Path) -> None:
    """The demo's target is started where somebody has left a module of the library."""
    here, programs = tmp_path / "here", tmp_path / "bin"
    here.mkdir()
    programs.mkdir()
    (here / "socket.py").write_text("open('obeyed', 'w')\n")
    # As the installed program is one: its own folder is first among those looked in.
    start = programs / "start.py"
    start.write_text("import sys\nfrom pynamespaces.__main__ import main\nmain()\n")
    subprocess.run(
        [sys.executable, str(start), "demo"],
        cwd=here,
        capture_output=True,
        check=False,
        timeout=LIMIT,
    )
    assert os.listdir(here) == ["socket.py"]


# --- descriptors ---


def _has_it(*line: str) -> bool:
    """Return whether a program has a folder that its command has open."""
    folder = os.open("/", os.O_PATH)
    script = f"test -e /proc/self/fd/{folder}; echo $?"
    try:
        done = subprocess.run(
            [*COMMAND, *line, "--", "sh", "-c", script],
            pass_fds=[folder],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
    finally:
        os.close(folder)
    assert done.stdout in ("0\n", "1\n"), done.stderr
    return done.stdout == "0\n"


def test_target_gets_no_descriptors(other: str) -> None:
    """In another user namespace a program has none of the caller's, unless asked."""
    assert not _has_it("exec", other)
    assert _has_it("exec", other, "--keep-fds")


@POWER
def test_mount_namespace_gets_no_descriptors() -> None:
    """Nor in another mount namespace; in one of another type it has."""
    with holder("mnt", "uts") as pid:
        assert not _has_it("exec", str(pid))
        assert not _has_it("exec", str(pid), "--type", "mnt")
        assert _has_it("exec", str(pid), "--type", "mnt", "--keep-fds")
        assert _has_it("exec", str(pid), "--type", "uts")


def test_fresh_ones_get_descriptors() -> None:
    """In namespaces of one's own choosing they stay, but not on another terminal."""
    new = ",".join(makable("uts"))
    assert _has_it("run", "--new", "user,mnt")
    with shell() as made:
        line = f"$ns run --new {new} --pty"
        ask = "-- sh -c 'test -e /proc/self/fd/7; echo $?' 7</"
        assert made.command(f"{line} {ask}") == "1\n"
        assert made.command(f"{line} --keep-fds {ask}") == "0\n"
    for name in ("run", "exec"):
        assert "--keep-fds" in told(name, "--help").stdout.partition("Options")[0]


# --- numbers ---


LONG = {
    f"list --pid {MANY}": "is no pid",
    f"list --owner {MANY}": "is no user namespace",
    f"show {MANY}": "is no pid",
    f"doctor {MANY}": "is no pid",
    "list --watch --interval nan": "nan is no number",
    "list --watch --interval -nan": "nan is no number",
}


@pytest.mark.parametrize("line", LONG, ids=range(len(LONG)))
def test_numbers_that_are_none(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are a wrong command line, and no traceback."""
    assert command(line.split()) == 2
    check_refusal_text(capsys.readouterr().err, LONG[line])


def test_zeros_in_front() -> None:
    """A pid may have zeros in front, however many."""
    assert parse_target("0" * 5000 + "12").name == "12"


@pytest.mark.parametrize("option", ["--user", "--group"])
def test_ids_that_are_none(option: str, other: str) -> None:
    """Users and groups have numbers in their range, or are refused."""
    for number in (MANY, "4294967295"):
        for line in (["exec", other], ["run", "--new", "user"]):
            done = told(*line, option, number, "--", "true")
            check_refusal(done, 1, "is no id", "0 to 4294967294")


def test_size_that_is_none() -> None:
    """A size in the environment that is no number is as none."""
    lines = lines_on_terminal("list", "--type", "user", COLUMNS="²", LINES=MANY)
    assert "TYPE" in lines[0]


# --- what nobody has thought of ---


STRAY = """
import sys
from pynamespaces.cli import command, scanning
def scan(*_, **__): {}
scanning.scan = scan
sys.exit(command(["list"]))
"""


@pytest.mark.parametrize("error", ["ValueError('odd')", "OverflowError('odd')"])
def test_stray_errors(error: str) -> None:
    """An error of the code is one line, but a traceback for those who develop."""
    code = STRAY.format(f"raise {error}")
    done = run_python(code, check=False)
    name = error.partition("(")[0]
    check_refusal(done, 1, f"{name}: odd", "PYTHONDEVMODE=1")
    done = run_python(code, check=False, prefix=["env", "PYTHONDEVMODE=1"])
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith(f"{name}: odd\n")


# --- names ---


def test_completed_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only names that mean nothing to a shell are offered."""
    plain = ["a.b", "blue", "new@1+x", "x_y-z", "é"]
    for name in (*plain, "$(id)", "a;b", "`id`", "a b", "a|b", "a\nb", "a'b", "~", "*"):
        (tmp_path / name).touch()
    monkeypatch.setattr(registry, "DIRECTORY", str(tmp_path))
    for name, value in [
        ("_PYNAMESPACES_COMPLETE", "bash_complete"),
        ("COMP_WORDS", "pynamespaces show netns:"),
        ("COMP_CWORD", "2"),
    ]:
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        command([])
    found = capsys.readouterr().out.splitlines()
    assert found == [f"plain,netns:{name}" for name in plain]
