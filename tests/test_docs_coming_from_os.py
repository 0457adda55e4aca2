"""What replaces ``os.setns`` and ``os.unshare`` does what these do."""

import subprocess
import sys
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

import pytest
from coming import IN_PYTHON, Row, rows, typed
from starting import POWER
from witness import WITNESS, check_alike, target

from pynamespaces import CloneFlag

PAGE: Final = "os"

WHERE: Final = f"os.spawnvp(os.P_WAIT, 'sh', {WITNESS!r})"
"""Have it told where the children of the calling thread are."""

HAS_THEM: Final = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python 3.12 is the first to have them"
)


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    """A process that has its own of each type."""
    with target() as made:
        yield made


def is_about(row: Row, *words: str) -> bool:
    """Return whether there is one of some words in what the reader knows."""
    return any(word in row.id for word in words)


CALLS: Final = [
    row for row in rows(PAGE, IN_PYTHON) if is_about(row, "os.setns", "os.unshare")
]


@HAS_THEM
@POWER
@pytest.mark.parametrize("row", CALLS, ids=attrgetter("id"))
def test_calls(row: Row, pid: int) -> None:
    """A line puts the thread, or the program, where the call of os puts it."""
    names = {
        "subprocess": subprocess,
        "cmd": WITNESS,
        "flags": CloneFlag.CLONE_NEWNET,
        "nstype": CloneFlag.CLONE_NEWNET,
    }
    theirs, mine = row.known[0].replace("(there)", "(fd)"), row.ours[0]
    if "cmd" not in mine:
        theirs = f"{theirs}; {WHERE}"
        mine = (
            mine.replace("...", WHERE) if mine.endswith("...") else f"{mine}; {WHERE}"
        )
    ours, others = (typed(PAGE, code, pid, names, "True") for code in (mine, theirs))
    assert ours
    check_alike(ours, others, ["cwd:"], pid)


@HAS_THEM
@pytest.mark.parametrize(
    "row", [r for r in rows(PAGE, IN_PYTHON) if r not in CALLS], ids=attrgetter("id")
)
def test_values(row: Row, pid: int) -> None:
    """A line has the value that the code with os has, or opens the same namespace."""
    known = row.known[0]
    check = f"value == {known}"
    if "os.open" in known:
        check = f"os.path.samestat(os.fstat(value.fileno()), os.fstat({known}))"
    typed(PAGE, row.ours[0], pid, {}, check)
