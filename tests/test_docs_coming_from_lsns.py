"""What replaces an option or a column of lsns tells what lsns tells."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from operator import attrgetter
from typing import Final

import pytest
from coming import (
    IN_PYTHON,
    ON_COMMAND_LINE,
    Row,
    commanded,
    row_of,
    rows,
    typed,
    typed_all,
    words_of,
)
from support import program
from witness import target

from pynamespaces import NamespaceSet
from pynamespaces.inventory.records import Item, Node

PAGE: Final = "lsns"

_HAS: Final = "ino in [r.id.ino for r in value]"

CHECKS: Final = {
    "-l": "f'net:[{ino}]' in value",
    "-J": "ino in [r['ns'] for r in json.loads(value)['namespaces']]",
    "-t": f"{_HAS} and not [r for r in value if r.type != 'net']",
    "-t net -t mnt": f"{_HAS} and {{r.type for r in value}} == {{'net', 'mnt'}}",
    "-p": "{str(type): id.ino for type, id in value.items()} == theirs",
    "-o": "(ino, 'net', 1) in value",
    "--output-all": "ino in [r['id'].ino for r in value]",
    "--tree=owner": "user in [item.id.ino for item in below(value)]",
    "--tree=parent": "pids in [item.id.ino for item in below(value)]",
    "--tree=process": "pid in [item.pid for item in below(value)]",
    "NAMESPACE": "[r.id.ino for r in value] == [ino]",
    "-P": "empty in [r.id.ino for r in value] and not any(r.processes for r in value)",
    "-Q": "value and ino not in [r.id.ino for r in value]",
    "-H": "'descriptors' in value",
}


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    """A process that has its own of each type."""
    with target() as made:
        yield made


def inode(pid: int | str, type: str) -> int:
    """Return the number of a process's namespace."""
    return os.stat(f"/proc/{pid}/ns/{type}").st_ino


def lsns(*words: str) -> str:
    """Return what lsns prints."""
    command = [program("lsns"), *words]
    for _ in range(20):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
    # It also fails if a process ends while it looks.
    raise AssertionError(f"lsns {words}")


def ours(words: list[str]) -> str:
    """Return what our command prints."""
    done = commanded(words)
    assert done.status == 0, done.out
    return done.out


def listed(pid: int) -> list[dict[str, object]]:
    """Return all that lsns knows of the namespaces of a process."""
    found = json.loads(lsns("-J", "--output-all", "-p", str(pid)))["namespaces"]
    assert isinstance(found, list)
    return found


def below(nodes: list[Node[Item]]) -> Iterator[Item]:
    """Return what is in a tree."""
    for node in nodes:
        yield node.item
        yield from below(node.children)


def is_option(row: Row) -> bool:
    """Return whether a line is about an option, and not a column."""
    return len(row.ours) == 1


def test_options(pid: int) -> None:
    """A line tells what the option has lsns tell."""
    found = [row for row in rows(PAGE, IN_PYTHON) if is_option(row)]
    with closing(NamespaceSet.new("user", "net")) as made:
        names = {
            "ino": inode(pid, "net"),
            "user": inode(pid, "user"),
            "pids": inode(pid, "pid"),
            "theirs": {record["type"]: record["ns"] for record in listed(pid)},
            "empty": made["net"].id.ino,
            "json": json,
            "below": below,
        }
        lines = [(row.ours[0], CHECKS[row.known[0]]) for row in found]
        # In one go, since scans take long where there are many processes.
        typed_all(PAGE, lines, pid, names)


def test_columns(pid: int) -> None:
    """An expression is what lsns has in the column, and so is the column of ours."""
    (theirs,) = [record for record in listed(pid) if record["type"] == "net"]
    found = [row for row in rows(PAGE, IN_PYTHON) if not is_option(row)]
    same = "[(x, y) for x, y in value if (getattr(x, 'ino', x) or 0) != (y or 0)] == []"
    lines = [f"({row.ours[0]}, {theirs[row.known[0].lower()]!r})" for row in found]
    typed(PAGE, f"import pwd\nvalue = [{', '.join(lines)}]", pid, {}, same)
    columns = {row.known[0]: row.ours[1] for row in found}
    words = ["list", "--pid", str(pid), "--type", "net", "--columns"]
    _, line = ours([*words, ",".join(columns.values())]).splitlines()
    mine = dict(zip(columns, line.split(), strict=True))
    for name in (
        "NS",
        "TYPE",
        "PATH",
        "NPROCS",
        "PID",
        "PPID",
        "UID",
        "COMMAND",
        "ONS",
    ):
        assert mine[name] == str(theirs[name.lower()]), name


@pytest.mark.parametrize("row", rows(PAGE, ON_COMMAND_LINE), ids=attrgetter("id"))
def test_commands(row: Row, pid: int) -> None:
    """A command shows the namespaces that the command of lsns shows."""
    ino = inode(pid, "net")
    words = words_of(row.ours[0], [], {"1234": str(pid)})
    done = ours(words[1:])
    if "--help" in row.ours[0] or "--version" in row.ours[0]:
        assert "pynamespaces" in done
        return
    changes = {"1234": str(pid), "4026531840": str(ino)}
    theirs = lsns(*words_of(row.known[0], [], changes)[1:])
    shown = {
        "lsns --tree=owner": inode(pid, "user"),
        "lsns --tree=parent": inode(pid, "pid"),
        "lsns --tree=process": pid,
        "lsns 4026531840": pid,
    }
    for text in (theirs, done):
        assert re.search(rf"\b{shown.get(row.known[0], ino)}\b", text), text


def test_all_are_tested() -> None:
    """No line with code is left out."""
    assert [r.known[0] for r in rows(PAGE, IN_PYTHON) if is_option(r)] == [*CHECKS]
    assert row_of(PAGE, "NPROCS").ours == ("len(record.processes)", "procs")
