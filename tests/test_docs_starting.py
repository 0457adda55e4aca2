"""The examples of the how-tos about starting programs do what they say."""

import doctest
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from containers import bwrap, runc
from mapping import as_nobody
from starting import ROOT, fresh_proc
from support import program

import pynamespaces

PAGES: Final = Path(__file__).parents[1] / "docs/how-to"

CONTAINER: Final = "run-in-a-container"
NETWORK: Final = "cut-off-the-network"
USER: Final = "root-without-root"
PID: Final = "pid-namespace-with-an-init"

ALL: Final = ("plain", "userns", "root")

IN_RUNC: Final = (
    "By the id of a process",
    "With a tool that the container lacks",
    "As a user of the container",
    "With no more power than it needs",
    "In the background",
    "If it fails",
)

ANYWHERE: Final = [
    (NETWORK, "Run it", ALL),
    (NETWORK, "Keep localhost", ALL),
    (NETWORK, "It fails closed", ("plain",)),
    (USER, "Root", ALL),
    (USER, "Choose the map", ALL),
    (USER, "Be yourself, with power", ALL),
    (USER, "If it is refused", ALL),
    (PID, "Start one", ALL),
    (PID, "Exit status and signals", ALL),
    (PID, "Leave nothing running", ALL),
    (PID, "A program that is an init", ALL),
    (PID, "Look into it", ALL),
]

APART: Final = [
    (CONTAINER, "From a container into the host"),
    (CONTAINER, "A sandbox of your own, without root"),
    (USER, "Have several users"),
]


@cache
def parts_of(page: str) -> dict[str, str]:
    """Return the sections of a page by their titles, each after what comes first."""
    first, *parts = (PAGES / f"{page}.md").read_text().split("\n## ")
    return {part.split("\n", 1)[0]: f"{first}\n## {part}" for part in parts}


def has_examples(part: str) -> bool:
    """Return whether there is something to run in a section."""
    return ">>>" in part.split("\n## ", 1)[1]


def check_part(page: str, title: str, names: Mapping[str, object] = {}) -> None:
    """Type a section in, line by line, and compare what is shown."""
    part = parts_of(page)[title]
    parser = doctest.DocTestParser()
    test = parser.get_doctest(part, dict(names), f"{page}: {title}", None, None)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries > 0


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder where examples may write, with a ``python3`` to find."""
    monkeypatch.chdir(tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    # By its real name: a link would make it look for its library beside that.
    text = f'#!/bin/sh\nexec {os.path.realpath(sys.executable)} -S -I "$@"\n'
    (tools / "python3").write_text(text)
    (tools / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin")


@pytest.mark.parametrize(
    ("page", "title"),
    [
        pytest.param(page, title, marks=pytest.mark.tier(*tiers))
        for page, title, tiers in ANYWHERE
    ],
)
def test_examples(page: str, title: str) -> None:
    """What needs nothing to be there runs as it stands."""
    if page == PID:
        fresh_proc()
    check_part(page, title)


@ROOT
def test_in_a_container(tmp_path: Path) -> None:
    """What is said of a container is so in one that runc has started."""
    program("ip")
    folder = tmp_path / "container"
    folder.mkdir()
    with runc(folder) as container:
        root = folder / "rootfs"
        for tool in ("env", "grep", "id", "true"):
            (root / "bin" / tool).symlink_to("busybox")
        (root / "etc/hostname").write_text("web-1\n")
        (root / "etc/passwd").write_text("web:x:101:102:::\n")
        (root / "etc/group").write_text("web:x:102:\n")
        names = {"container_pid": container.pid, "ended_pid": ended()}
        for title in IN_RUNC:
            check_part(CONTAINER, title, names)


def ended() -> int:
    """Return the id that a process had."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_in_a_sandbox(tmp_path: Path) -> None:
    """What is said of a sandbox is so in one that bubblewrap has started."""
    with bwrap(tmp_path) as sandbox:
        title = "A sandbox of your own, without root"
        check_part(CONTAINER, title, {"sandbox_pid": sandbox.pid})


FROM_INSIDE: Final = """
import os, sys
sys.path[:0] = {path!r}
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
import doctest, socket
from pynamespaces import _core, unshare
_core.load_all()
unshare("uts", "ipc", "net", "mnt")
socket.sethostname("the-container")
test = doctest.DocTestParser().get_doctest({part!r}, {{}}, "host", None, None)
runner = doctest.DocTestRunner()
runner.run(test)
sys.exit(runner.failures or not runner.tries)
"""


@pytest.mark.tier("root", "userns")
def test_from_a_container_into_the_host() -> None:
    """A process beside the first one finds the namespaces of that."""
    fresh_proc()
    part = parts_of(CONTAINER)["From a container into the host"]
    path = [os.path.dirname(os.path.dirname(pynamespaces.__file__)), *sys.path]
    done = pynamespaces.run(
        [sys.executable, "-c", FROM_INSIDE.format(path=path, part=part)],
        new=("pid", "mnt", "uts"),
        hostname="the-host",
        init=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@ROOT
def test_several_users() -> None:
    """An ordinary user who has subordinate ids has the users that are shown."""
    parts_of(USER)  # while the file can be read
    ranges = "nobody:100000:65536\n"
    as_nobody(lambda: check_part(USER, "Have several users"), ranges, ranges)


def test_all_are_tested() -> None:
    """No section with examples is left out."""
    tested = {(page, title) for page, title, _ in ANYWHERE} | set(APART)
    tested |= {(CONTAINER, title) for title in IN_RUNC}
    found = {
        (page, title)
        for page in (CONTAINER, NETWORK, USER, PID)
        for title, part in parts_of(page).items()
        if has_examples(part)
    }
    assert found == tested
