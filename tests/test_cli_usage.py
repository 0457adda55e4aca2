"""The command line: its help, wrong input, and what shells complete."""

import os
import subprocess
import sys
from importlib.metadata import distribution

import pytest
from commanding import ALL, check_refusal_text, environment, pynamespaces
from support import run_python

from pynamespaces.cli import command


@pytest.mark.parametrize("name", ALL)
def test_help_of_each_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each command says what it takes, with examples, and how it ends."""
    assert command([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"pynamespaces {name}" in text.partition("Options:")[0]
    assert "Examples:\n" in text
    if name != "netns":
        assert "Exit status:\n" in text
        assert "Privileges:\n" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", ["list", "create", "delete"])
def test_help_of_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """So does that of the commands below netns."""
    assert command(["netns", name, "--help"]) == 0
    text = capsys.readouterr().out
    for part in ("Examples:\n", "Exit status:\n", "Privileges:\n"):
        assert part in text


def test_help_of_all() -> None:
    """The help lists the commands, and says how to have shells complete them."""
    done = pynamespaces("--help")
    assert done.returncode == 0
    listed = done.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == list(ALL)
    for shell in ("bash", "zsh", "fish"):
        assert f"_PYNAMESPACES_COMPLETE={shell}_source" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_imports_no_command() -> None:
    """To print the help, no command is imported, nor rich's larger parts."""
    code = (
        "import sys; from pynamespaces.cli import command; command(['--help'])\n"
        "print([name for name in sys.modules if 'pynamespaces.cli.' in name],"
        " 'rich.live' in sys.modules, file=sys.stderr)"
    )
    done = run_python(code)
    loaded = "['pynamespaces.cli.output', 'pynamespaces.cli.failures'] False\n"
    assert done.stderr == loaded


def test_no_command_is_wrong_usage() -> None:
    """Without a command it prints the help, on standard error."""
    done = pynamespaces()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Commands:" in done.stderr


WRONG = {
    "frobnicate": ("No such command 'frobnicate'",),
    "list --typ net": ("--typ", "--type"),
    "list --type nett": ("'nett'", "cgroup, ipc, mnt, net"),
    "list --type net,": ("''",),
    "list --pid 0": ("'0' is no pid",),
    "list --pid x": ("'x' is no pid",),
    "list --pid ²": ("is no pid",),
    "list --pid 99999999999": ("is no pid",),
    "list --owner net:[1]": ("is no user namespace",),
    "list --columns ns,colour": ("'colour' is no column", "command"),
    "list --columns ns --json": ("no --columns",),
    "list --json --watch": ("--json and --watch",),
    "list --html a --dot b": ("--html and --dot",),
    "list --interval 1": ("--interval is for --watch",),
    "list --watch --interval 0": ("0.0",),
    "list --watch --interval soon": ("'soon'",),
    "list surplus": ("surplus",),
    "tree users": ("'users'", "'user'"),
    "tree process --owned": ("--owned",),
    "tree user --all": ("--all",),
    "show": ("TARGET",),
    "show 0": ("'0'",),
    "show container:": ("container",),
    "show netns:a/b": ("a/b",),
    "pin 1 net": ("PATH",),
    "pin 1 net,uts /x": ("one type",),
    "pin 1 nett /x": ("'nett'",),
    "unpin": ("PATH",),
    "netns": ("command",),
    "netns make": ("'make'",),
    "netns create": ("NAME",),
    "netns create a/b": ("'a/b'",),
    "netns delete ..": ("'..'",),
    "netns list x": ("x",),
    "trace --type nett": ("'nett'",),
    "trace --syscall fork": ("'fork'", "'setns'"),
    "trace --backend bpf": ("'bpf'", "'perf-own'"),
    "trace --format xml": ("'xml'", "'tracee'"),
    "trace --json --format table": ("--json and --format",),
    "trace --count 0": ("0",),
    "trace --duration 0": ("0",),
    "trace --duration nan": ("nan",),
    "trace --pid 0": ("is no pid",),
    "trace --pid 1 -- true": ("--pid and CMD",),
    "trace --deny net": ("CMD",),
    "trace --into netns:a/b": ("a/b",),
    "trace --deny nett -- true": ("'nett'",),
    "trace --deny net --backend perf -- true": ("--backend perf",),
    "trace --deny net --no-calls -- true": ("--no-calls",),
    "trace true": ("--",),
    "doctor 0": ("'0'",),
    "doctor --type x": ("'x'",),
    "demo x": ("x",),
    "list \x1b[31m": (r"\x1b[31m",),
}
"""Command lines that are wrong, and what the one line about it has."""


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is one line that says what is wrong, where help is, and status 2."""
    assert command(line.split(" ")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "\x1b" not in printed.err
    check_refusal_text(printed.err, *WRONG[line])
    assert "hint: see pynamespaces" in printed.err


IMPOSSIBLE = {
    "list --pid 2147483647": ("no process 2147483647",),
    "list --owner 1": ("no user namespace 1",),
    "list --watch": ("terminal",),
    "list --html /nonexistent/x": ("/nonexistent/x", "No such file"),
    "list --dot /": ("/", "directory"),
    "show 2147483647": ("2147483647",),
    "show /nonexistent": ("/nonexistent",),
    "show /etc/passwd": ("/etc/passwd", "namespace"),
    "show nonexistent": ("nonexistent", "netns:NAME"),
    "show netns:no-such-name": ("no-such-name",),
    "show container:no-such-container": ("no-such-container",),
    "show /proc/self/ns/net --type uts": ("uts",),
    "pin 2147483647 net /x": ("2147483647",),
    "pin /proc/self/ns/net net /etc/passwd": ("/etc/passwd", "exists"),
    "unpin /nonexistent": ("/nonexistent",),
    "unpin /etc/passwd": ("/etc/passwd",),
    "netns delete no-such-name": ("no-such-name",),
    "trace --pid 2147483647": ("2147483647",),
    "trace --into 2147483647": ("2147483647",),
    "doctor 2147483647": ("2147483647",),
    "doctor nonexistent": ("nonexistent",),
}
"""Command lines that are right, but cannot be done, and what is said."""


@pytest.mark.parametrize("line", IMPOSSIBLE)
def test_what_cannot_be_done(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Each is one line, perhaps with a hint, and status 1."""
    status = command(line.split(" "))
    if line.startswith("list --dot /"):
        assert status == 2
        return
    assert status == 1
    printed = capfd.readouterr()
    check_refusal_text(printed.err, *IMPOSSIBLE[line])
    assert printed.out == ""


def _completed(line: str, shell: str = "bash") -> list[str]:
    """Return what a shell completes the last word of a line to."""
    words = ["pynamespaces", *line.split(" ")]
    env = environment(
        _PYNAMESPACES_COMPLETE=f"{shell}_complete",
        COMP_WORDS=" ".join(words),
        COMP_CWORD=str(len(words) - 1) if shell != "fish" else words[-1],
    )
    done = pynamespaces(env=env)
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def _values(line: str) -> list[str]:
    return [found.partition(",")[2] for found in _completed(line)]


def test_commands_are_completed() -> None:
    """The names of commands are."""
    assert _values("un") == ["unpin"]
    assert _values("netns d") == ["delete"]


def test_types_are_completed() -> None:
    """Types are, also after a comma, each once."""
    assert _values("list --type u") == ["user", "uts"]
    assert _values("list --type net,u") == ["net,user", "net,uts"]
    assert _values("list --type user,u") == ["user,uts"]
    assert _values("tree p") == ["process", "pid"]


def test_columns_are_completed() -> None:
    """Columns are, also after a comma."""
    assert _values("list --columns own") == ["owner"]
    assert _values("list --columns ns,pi") == ["ns,pid", "ns,pins"]


def test_pids_are_completed() -> None:
    """Processes are, with their names where the shell shows them."""
    own = str(os.getpid())
    assert own in _values(f"list --pid {own[:-1]}")
    found = "\n".join(_completed(f"list --pid {own}", "fish"))
    assert found.startswith(f"plain,{own}\t")


def test_owners_are_completed() -> None:
    """User namespaces of processes are."""
    own = os.readlink("/proc/self/ns/user").partition("[")[2].rstrip("]")
    assert own in _values("list --owner 4")


def test_bash_completes() -> None:
    """The script for bash is one that bash takes."""
    env = environment(_PYNAMESPACES_COMPLETE="bash_source")
    script = pynamespaces(env=env)
    assert script.returncode == 0
    check = subprocess.run(
        ["bash", "-n"], input=script.stdout, text=True, check=False, timeout=60
    )
    assert check.returncode == 0


def test_no_name_of_another_program_is_installed() -> None:
    """The package installs one program, of its own name."""
    scripts = distribution("pynamespaces").entry_points.select(group="console_scripts")
    assert [script.name for script in scripts] == ["pynamespaces"]


def test_status_is_the_process_s() -> None:
    """What `command` returns is the exit status of the process."""
    assert pynamespaces("--version").returncode == 0
    assert pynamespaces("--versio").returncode == 2
    assert sys.executable
