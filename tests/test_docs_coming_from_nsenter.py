"""What replaces an option of nsenter does the same as that option."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from coming import IN_PYTHON, ON_COMMAND_LINE, WELL, Row, blocks, row_of, rows, typed
from refusals_of_starting import fresh_cgroups
from starting import POWER, ROOT
from witness import (
    GREETING,
    Like,
    check_alike,
    check_command,
    links_of,
    names_for,
    target,
    told_by,
)

from pynamespaces import NetNamespace

PAGE: Final = "nsenter"

ANYWHERE: Final = (
    *("-a", "-U", "--user-parent", "--preserve-credentials"),
    *("-S", "-W", "-w", "-e", "--keep-caps"),
)
"""Options that take no more power than over a user namespace that one has made."""

SIMPLE: Final = ("-a", "-m", "-u", "-i", "-n", "-p", "-C", "-U", "-T")

LIKE: Final = {
    **{name: Like(f"-t {{pid}} {name}") for name in SIMPLE},
    "-n -u -i": Like("-t {pid} -n -u -i"),
    "--net=FILE": Like("--net={path}"),
    # The target's network is owned by its user namespace.
    "--user-parent": Like("-t {pid} -U"),
    "-N": Like("-t {pid} -n"),
    "-S": Like("-t {pid} -a -S {uid}"),
    "-G": Like("-t {pid} -a -G {gid}"),
    "-W": Like("-t {pid} -a --wdns=/tmp"),
    "-w": Like("-t {pid} -a -w"),
    "-r": Like("-t {pid} -a -r"),
    "-e": Like("-t {pid} -a", but=["env:"], also=f"env:{GREETING}\n"),
    "--keep-caps": Like("-t {pid} -a -S {uid}", but=["CapEff"], also="CapEff:\t000001"),
    "-F": Like("-t {pid} -n -F"),
    "--preserve-credentials": Like("-t {pid} -U --preserve-credentials"),
}

OTHERWISE: Final = ("-t", "-c")
"""What is tried in another way."""


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    """A process that has its own of each type."""
    with target() as made:
        yield made


def marks_of(row: Row) -> list[pytest.MarkDecorator]:
    """Return for which tiers a line is."""
    words = row.id.split()
    if "-G" in words:  # That drops groups, which is denied in the others.
        return [ROOT]
    anywhere = row.known[0] in ANYWHERE or "-a" in words or "--help" in words
    return [] if anywhere or "--version" in words else [POWER]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.id, marks=marks_of(row))
        for row in rows(PAGE, IN_PYTHON)
        if row.known[0] not in OTHERWISE
    ],
)
def test_python(row: Row, pid: int) -> None:
    """A line starts the program where the option does, and as the same."""
    like = LIKE[row.known[0]]
    names = names_for(pid)
    check = "True" if "execvp" in row.ours[0] else WELL
    with NetNamespace.from_pid(pid, "net").socket() as sock:
        out = typed(PAGE, row.ours[0], pid, {**names, "sock": sock}, check)
    assert like.also in out
    theirs = told_by(["nsenter", *like.words.format(pid=pid, **names).split()])
    check_alike(out, theirs, like.but, pid)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.id, marks=marks_of(row))
        for row in rows(PAGE, ON_COMMAND_LINE)
    ],
)
def test_commands(row: Row, pid: int) -> None:
    """A command does what the other tool's command does."""
    check_command(row, pid)


def test_target(pid: int) -> None:
    """What stands for a target are its namespaces."""
    code = row_of(PAGE, "--target").ours[0]
    check = "{str(type): str(value[type].id) for type in value} == links"
    typed(PAGE, code, pid, {"links": links_of(pid)}, check)


def test_environment_and_cgroup(pid: int) -> None:
    """The environment and the cgroup of a process are read as the page says."""
    text = Path(f"/proc/{pid}/cgroup").read_text()
    names = {"text": text, "greeting": GREETING}
    check = "env['GREETING'] == greeting and f'0::{folder[14:]}\\n' in text"
    typed(PAGE, blocks(PAGE)[1], pid, names, check)


@ROOT
def test_cgroup(pid: int) -> None:
    """A line starts the program in a cgroup."""
    code = row_of(PAGE, "--join-cgroup").ours[0]
    with fresh_cgroups() as folder:
        names = {"cmd": ["grep", "0::", "/proc/self/cgroup"], "folder": folder}
        assert folder.name in typed(PAGE, code, pid, names)


def test_all_are_tested() -> None:
    """No line with code is left out."""
    assert {row.known[0] for row in rows(PAGE, IN_PYTHON)} == {*LIKE, *OTHERWISE}
