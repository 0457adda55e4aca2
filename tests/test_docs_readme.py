"""The five examples of the README do what they say."""

import os
import re
from pathlib import Path
from typing import Final

import pytest
from starting import POWER
from support import run_python
from targets import holder, link

README: Final = Path(__file__).parents[1] / "README.md"
EXAMPLES: Final = re.findall(
    r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL
)

ENTER, START, REACH, CALL, LOOK = range(5)

# What is printed is told along with where the thread is that prints it.
SPY: Final = """
import os
def print(*words, show=print):
    show(os.readlink("/proc/thread-self/ns/net"), *words, flush=True)
"""


def typed(number: int, pid: int = 0) -> list[str]:
    """Run an example, of a process with an id; return the lines it prints."""
    code = EXAMPLES[number]
    assert (pid != 0) == ("1234" in code)
    return run_python(SPY + code.replace("1234", str(pid))).stdout.splitlines()


def test_there_are_five() -> None:
    """The README has as many examples as are tested here."""
    assert len(EXAMPLES) == LOOK + 1


@POWER
def test_enter() -> None:
    """The first one prints what it sees inside."""
    with holder("net") as pid:
        inside = os.readlink(link(pid, "net"))
        assert typed(ENTER, pid) == [f"{inside} [(1, 'lo')]"]


@POWER
def test_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one starts programs in what the process has, and cut off."""
    for name in ("hostname", "make"):
        script = tmp_path / name
        script.write_text("#!/bin/sh\necho $0 $*\nreadlink /proc/self/ns/net\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with holder("net", "uts") as pid:
        said = typed(START, pid)
        theirs = os.readlink(link(pid, "net"))
    assert said[:2] == [str(tmp_path / "hostname"), theirs]
    assert said[2] == f"{tmp_path / 'make'} check"
    assert said[3] not in (theirs, os.readlink("/proc/self/ns/net"))


def test_reach() -> None:
    """The third one has both ends of a connection in a network of its own."""
    code = """
here = os.readlink("/proc/self/ns/net")
for one in (server, client):
    assert NetNamespace.from_socket(one) == lab["net"]
assert str(lab["net"].id) != here
assert client.getpeername() == server.getsockname() == ("127.0.0.1", 8080)
print("done")
"""
    more = "from pynamespaces import NetNamespace\n" + code
    done = run_python(SPY + EXAMPLES[REACH] + more)
    assert done.stdout.endswith("done\n")


@POWER
def test_call() -> None:
    """The fourth one prints here what its functions have seen there."""
    with holder("net") as pid:
        here = os.readlink("/proc/self/ns/net")
        assert typed(CALL, pid) == [f"{here} [(1, 'lo')]", f"{here} ['lo']"]


def test_look() -> None:
    """The last one prints this network, and the namespaces that a command makes."""
    here = os.readlink("/proc/self/ns/net")
    found = typed(LOOK)
    assert any(line.startswith(f"{here} {here} ") for line in found)
    made = [line for line in found if line.startswith(f"{here} unshare ")]
    assert any("created=True" in line for line in made), "\n".join(found)
