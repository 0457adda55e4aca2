"""Subordinate ids of the tests' own, and an ordinary user who has them."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from holding import in_own_userns
from provoking import bind, libc, own_mounts
from support import in_child, missing, program

from pynamespaces import IdMap, Namespace, setns

T = TypeVar("T")

NOBODY = 65534
PR_SET_DUMPABLE = 4

SUBUID, SUBGID = "/etc/subuid", "/etc/subgid"


def own_files(**texts: str) -> None:
    """Show other files in ``/etc``, in a mount namespace of one's own."""
    own_mounts()
    for name, text in texts.items():
        path = f"/etc/{name}"
        if not os.path.exists(path):
            missing("subids", f"there is no {path} to mount another on")
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o644)
            bind(file.name, path)


def reading(function: Callable[[], T], subuid: str, subgid: str) -> T:
    """Run in a child for which the files of subordinate ids say something else."""

    def inside() -> T:
        own_files(subuid=subuid, subgid=subgid)
        return function()

    return in_own_userns(inside, "mnt")


def become_nobody() -> None:
    """Become an ordinary user for good, who owns this process's files in ``/proc``."""
    # What is imported when it is first needed may not be this user's to read.
    IdMap.root()
    made = Namespace.new("user", uid_map=IdMap([(0, 0, 1), (1, 1, 1)]))
    assert list(made.uid_map)
    made.close()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    # Executing a program would do the same.
    libc.prctl(PR_SET_DUMPABLE, 1)


def as_nobody(function: Callable[[], T], subuid: str = "", subgid: str = "") -> T:
    """Run in a child as an ordinary user to whom the files give subordinate ids."""
    program("newuidmap")

    def inside() -> T:
        own_files(subuid=subuid, subgid=subgid)
        become_nobody()
        return function()

    return in_child(inside)


def maps_of(namespace: Namespace) -> tuple[list[str], list[str], str]:
    """Return what the kernel tells a member of the maps, and of setgroups."""

    def read() -> tuple[list[str], list[str], str]:
        folder = Path("/proc/self")
        setns(namespace)
        texts = [(folder / f"{kind}_map").read_text() for kind in ("uid", "gid")]
        uids, gids = (
            [" ".join(line.split()) for line in t.splitlines()] for t in texts
        )
        return uids, gids, (folder / "setgroups").read_text().strip()

    return in_child(read)
