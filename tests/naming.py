"""A /run of one's own, and named network namespaces in it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pinning import fresh_fd, in_own_mounts
from support import program

from pynamespaces._core import registry

T = TypeVar("T")

EXISTS = "NamespaceExistsError"
FOLDER = Path(registry.DIRECTORY)
BLUE = FOLDER / "blue"


def in_own_run(function: Callable[[], T]) -> T:
    """Run in a child with an empty /run of its own."""
    return in_own_mounts("/run", function)


def make() -> int:
    """Make a network namespace."""
    return fresh_fd("net")


def never() -> int:
    """Be what must not be called."""
    raise AssertionError("a namespace was made without a name for it")


def ip(*words: str) -> str:
    """Run ``ip``."""
    command = [program("ip"), *words]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def ip_names() -> list[str]:
    """Return what ``ip netns list`` prints, sorted."""
    return sorted(line.split()[0] for line in ip("netns", "list").splitlines())


def link_text(fd: int) -> str:
    """Return what links in ``/proc`` say of a network namespace."""
    return f"net:[{os.fstat(fd).st_ino}]"


def leave(kind: str) -> None:
    """Leave a file, or a link, that is no namespace."""
    FOLDER.mkdir()
    if kind == "file":
        BLUE.touch(mode=0)
    else:
        BLUE.symlink_to("/proc/1/ns/missing")
