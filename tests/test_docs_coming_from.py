"""The pages for who comes from another tool have each of its options, and no others."""

import inspect
import os
import re
import subprocess
from collections.abc import Iterable
from typing import Final

import pytest
from coming import IN_PYTHON, INSTEAD, ON_COMMAND_LINE, PAGES, Row, rows, typed_all
from naming import in_own_run
from starting import POWER, fresh_proc
from support import missing, module, program

from pynamespaces import Namespace, scan

HEADERS: Final = (IN_PYTHON, ON_COMMAND_LINE, INSTEAD)
UTIL_LINUX: Final = ("nsenter", "unshare", "lsns")

CHECK: Final = "value is not None and getattr(value, 'returncode', 0) == 0"

_LISTED: Final = re.compile(r"^ +(-.*?)(?:  |$)", re.MULTILINE)
_OPTION: Final = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")


def told_by(*command: str) -> str:
    """Return what a tool says of itself."""
    done = subprocess.run(
        [program(command[0]), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return done.stdout + done.stderr


def options_in(help: str) -> set[str]:
    """Return the options that a tool lists, in their short and long forms."""
    return {form for line in _LISTED.findall(help) for form in _OPTION.findall(line)}


def options_of(row: Row) -> set[str]:
    """Return the options that a line of a table is about."""
    words = [word for known in row.known for word in known.split()]
    return {word.split("=")[0] for word in words if word.startswith("-")}


def all_options(found: Iterable[Row]) -> set[str]:
    """Return the options that lines of tables are about."""
    return {option for row in found for option in options_of(row)}


@pytest.mark.parametrize("tool", UTIL_LINUX)
def test_every_option(tool: str) -> None:
    """Each option that a tool of util-linux lists is on its page."""
    if "util-linux" not in told_by(tool, "--version"):
        missing("util-linux", f"{tool} is another one")
    listed = options_in(told_by(tool, "--help"))
    assert len(listed) > 20
    assert listed - all_options(rows(tool, *HEADERS)) == set()


@pytest.mark.parametrize("tool", UTIL_LINUX)
def test_only_options(tool: str) -> None:
    """Each option on the page of a tool is its own, or of a release to come."""
    found = re.search(r"util-linux (\d+)\.(\d+)", told_by(tool, "--version"))
    if found is None:
        missing("util-linux", f"{tool} is another one")
    installed = int(found[1]), int(found[2])
    listed = options_in(told_by(tool, "--help"))
    there = [
        row
        for row in rows(tool, *HEADERS)
        if row.newer is None or row.newer <= installed
    ]
    assert all_options(there) - listed == set()


def test_every_column() -> None:
    """Each column that lsns can print is on its page, and no other."""
    _, _, columns = told_by("lsns", "--help").partition("Available output columns:\n")
    if not columns:
        columns = "\n".join(
            f" {line}" for line in told_by("lsns", "--list-columns").splitlines()
        )
    listed = set(re.findall(r"^ +([A-Z]+) (?: |<)", columns, re.MULTILINE))
    page = rows("lsns", IN_PYTHON, INSTEAD)
    known = {known for row in page for known in row.known}
    assert {word for word in known if word.isalpha()} - {"NAMESPACE"} == listed


def test_every_command_of_ip_netns() -> None:
    """Each command that ``ip netns`` has is on its page, and no other."""
    said = told_by("ip", "netns", "help")
    listed = {
        (all, name) for all, name in re.findall(r"(-all)?\]? netns ([a-z-]+)", said)
    }
    page = rows("ip-netns", IN_PYTHON, INSTEAD)
    known = [known for row in page for known in row.known]
    written = {
        found
        for text in known
        for found in re.findall(r"(-all )?netns ([a-z-]+)", text)
    }
    written = {(all.strip(), name) for all, name in written}
    # With -all, the help has what there is without it too.
    both = {("", name) for all, name in listed if all}
    assert written == listed | both | {("", "help")}


def test_every_function_of_pyroute2() -> None:
    """Each function of ``pyroute2.netns`` is on its page, and no other."""
    netns = module("pyroute2.netns")
    # Some are wrapped, for tests of its own.
    own = (netns.__name__, "pyroute2.config")
    there = {
        name
        for name, value in vars(netns).items()
        if inspect.isfunction(value) and value.__module__ in own and name[0] != "_"
    }
    page = rows("pyroute2", IN_PYTHON, INSTEAD)
    known = " ".join(known for row in page for known in row.known)
    assert set(re.findall(r"netns\.(\w+)", known)) == there


def test_every_flag_of_os() -> None:
    """Each flag that ``os.unshare`` and ``os.setns`` may be given is on their page."""
    listed = {name for name in dir(os) if name.startswith("CLONE_")}
    if not hasattr(os, "setns"):
        pytest.skip("Python 3.12 is the first to have them")
    page = rows("os", IN_PYTHON, INSTEAD)
    known = " ".join(known for row in page for known in row.known)
    assert set(re.findall(r"os\.(CLONE_\w+)", known)) == listed


@pytest.mark.parametrize("tool", ["docker", "runc"])
def test_every_option_of_containers(tool: str) -> None:
    """Each option of ``docker exec`` and of ``runc exec`` is on their page."""
    listed = options_in(told_by(tool, "exec", "--help")) - {"-h", "--help"}
    assert len(listed) > 8
    assert listed - all_options(rows("docker-exec", IN_PYTHON, INSTEAD)) == set()


def test_only_options_of_containers() -> None:
    """Each option on their page is one of docker's, of runc's, or of podman's."""
    helps = [told_by(tool, "exec", "--help") for tool in ("docker", "runc")]
    listed = options_in("\n".join(helps)) | {"-l", "--latest"}
    assert all_options(rows("docker-exec", IN_PYTHON, INSTEAD)) - listed == set()


def test_every_page() -> None:
    """Each page is reached from the first one, and says what has no counterpart."""
    names = {path.stem for path in PAGES.iterdir()} - {"index"}
    first = (PAGES / "index.md").read_text()
    listed = first.split("```{toctree}")[1].split("```")[0].split("\n\n")[1].split()
    assert set(listed) == names
    for name in names:
        assert f"]({name}.md)" in first
        assert rows(name, INSTEAD)
    page = [row for name in names for row in rows(name, IN_PYTHON)]
    ours = "\n".join(code for row in page for code in row.ours)
    for row in rows("index", "here it is mostly"):
        assert row.ours[0] in ours


@POWER
@pytest.mark.parametrize("page", ["nsenter", "unshare", "pyroute2"])
def test_instead(page: str) -> None:
    """What is to be used instead of an option works."""
    if page == "pyroute2":
        module("pyroute2")
    if page == "unshare":
        fresh_proc()
    codes = [code for row in rows(page, INSTEAD) for code in row.ours if "(" in code]
    assert codes
    own, pidfd = os.getpid(), os.pidfd_open(os.getpid())
    names = {
        "cmd": ["test", "-e", "/mnt/self"],
        "pidfd": pidfd,
        "unique": Namespace.current("net").id.unique,
        "older": scan("net"),
        "scan": scan,
    }
    try:
        # A name that a page makes is in a /run of the test's own.
        in_own_run(lambda: typed_all(page, [(x, CHECK) for x in codes], own, names))
    finally:
        os.close(pidfd)
