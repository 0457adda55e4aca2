"""The command line."""

import subprocess
import sys

import pytest
from support import run_python

DEMO = (sys.executable, "-m", "pynamespaces", "demo")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60
    )


def _check_table(done: subprocess.CompletedProcess[str]) -> None:
    """Before and after are the same, inside is another, in each row."""
    assert done.returncode == 0, done.stderr
    # Before and after the table there is an empty line.
    rows = [line.split() for line in done.stdout.split("\n\n")[1].splitlines()[1:]]
    assert [row[0] for row in rows] == [
        *("cgroup", "ipc", "mnt", "net", "uts", "hostname", "interfaces"),
    ]
    for name, before, inside, after in rows:
        assert before == after
        assert name == "interfaces" or inside != before
    assert "A round trip" in done.stdout
    assert done.stderr == ""


def test_demo() -> None:
    """The demo enters and comes back, whoever runs it."""
    _check_table(_run(*DEMO))


@pytest.mark.tier("root", "plain")
def test_demo_in_bare_user_namespace() -> None:
    """It also does as root of a user namespace whose homes are not its own."""
    _check_table(_run("unshare", "--user", "--map-root-user", *DEMO))


@pytest.mark.tier("userns", "plain")
def test_demo_where_forbidden() -> None:
    """Where a limit forbids namespaces, it says so in one line, with the sysctl."""
    limit = 'echo 0 > /proc/sys/user/max_uts_namespaces; exec "$@"'
    wrapper = ("unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh")
    done = _run(*wrapper, *DEMO)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "user.max_uts_namespaces" in done.stderr


def test_help_names_the_commands() -> None:
    """``--help`` lists what there is."""
    done = _run(sys.executable, "-m", "pynamespaces", "--help")
    assert done.returncode == 0
    assert "demo" in done.stdout


@pytest.mark.parametrize("library", ["click", "rich"])
def test_missing_extra(library: str) -> None:
    """Without its libraries, one line says what to install."""
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from pynamespaces.__main__ import main\n"
        "main()"
    )
    done = run_python(code, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "pynamespaces: its command line needs: pip install pynamespaces[cli]\n"
    )
