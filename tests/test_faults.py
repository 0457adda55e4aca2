"""Each system call of each public operation fails once: an error, and nothing lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from faulting import known
from operations import OPERATIONS
from support import TIER

_OWN_MOUNTS = (
    *("unshare", "--mount", "--propagation", "private"),
    *("sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"),
)
"""What else goes on here is not to be seen in the list of mounts."""

SCRIPT = Path(__file__).with_name("faulting.py")
PAGE = Path(__file__).parent.parent / "docs/reference/faults.md"


class Case(NamedTuple):
    """One line of what is printed."""

    operation: str
    call: str
    place: int
    errno: int
    kind: str
    got: int | None
    text: str
    wrong: list[str]


MENDED = [
    ("owner(), id, uid_map", "openat2:EACCES"),
    ("owner(), id, uid_map", "read:EIO"),
    ("owner(), id, uid_map", "ppoll:ENOMEM"),
    ("owner(), id, uid_map", "ioctl:EPERM"),
    ("NamespaceSet.from_pid", "ioctl:ENOTTY"),
    ("setns", "setns:ENOMEM"),
    ("setns", "wait4:EINTR"),
    ("with mnt", "fstat:ENOMEM"),
    ("MountNamespace.mounts", "openat2:ENOMEM"),
    ("pin net", "fstat:ENOMEM"),
    ("unpin", "unlinkat:EROFS"),
    ("NetNamespace.create", "ioctl:ENOMEM"),
    ("NetNamespace.create", "flock:ENOLCK"),
    ("NetNamespace.delete", "unlinkat:EROFS"),
    ("run new=user", "dup2:EINTR"),
    ("run new=user", "poll:ENOMEM"),
    ("run new=pid,mnt with an init", "sendto:EINTR"),
    ("run new=pid without an init", "sendto:ENOBUFS"),
    ("explain", "poll:ENOMEM"),
]
"""Where something was lost, until it was mended: an operation, its call and errno."""


def tried(name: str, *options: str) -> list[Case]:
    """Have an operation's calls fail, in a small process of its own."""
    prefix = () if TIER == "plain" else _OWN_MOUNTS
    done = subprocess.run(
        [*prefix, sys.executable, str(SCRIPT), *options, name],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return [Case(*json.loads(line)) for line in done.stdout.splitlines()]


def check(name: str, *options: str) -> None:
    """Check that nothing goes wrong, whatever fails."""
    if TIER not in OPERATIONS[name].tiers:
        pytest.skip(f"needs one of the tiers {OPERATIONS[name].tiers}, not {TIER}")
    first, *cases = tried(name, *options)
    assert (first.kind, first.wrong) == ("worked", [])
    assert any(case.kind != "not reached" for case in cases)
    wrong = [case for case in cases if case.wrong]
    assert not wrong, "\n".join(
        f"{case.call} {case.place} {os.strerror(case.errno)}: {case.kind} {case.wrong}"
        for case in wrong
    )


@pytest.mark.parametrize("name", known())
def test_nothing_is_lost(name: str) -> None:
    """The error is of this package, all is as before, or the thread is refused."""
    check(name, "--few")


@pytest.mark.parametrize(("name", "fault"), MENDED)
def test_mended(name: str, fault: str) -> None:
    """So it is where it was not: each such call fails in turn."""
    check(name, "--only", fault)


def test_table() -> None:
    """The table of the documentation has a line for each operation."""
    lines = PAGE.read_text().splitlines()
    listed = [line.split("|")[1].strip(" `") for line in lines if line[:3] == "| `"]
    assert listed == known()
