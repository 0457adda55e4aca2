"""Children with mounts of their own, and namespaces to pin there."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from provoking import mount, own_mounts
from support import in_child

from pynamespaces import Namespace, NamespaceType, TypeLike
from pynamespaces._core import create

T = TypeVar("T")

MS_RDONLY, MS_REMOUNT, MS_SHARED = 0x1, 0x20, 0x100000


def in_own_mounts(folder: str | Path, function: Callable[[], T]) -> T:
    """Run in a child that has a mount namespace, and a private tmpfs on a folder."""

    def inside() -> T:
        # Mount namespaces made on one processor are younger than those before them.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        own_mounts()
        mount("none", str(folder), "tmpfs")
        return function()

    return in_child(inside)


def fresh_fd(type: TypeLike) -> int:
    """Make a namespace; the descriptor is the caller's."""
    return create.fresh(create.Plan((NamespaceType(type),), loopback=False), int)[0]


def fresh(type: TypeLike) -> Namespace:
    """Make a namespace that no process is in."""
    fd = fresh_fd(type)
    try:
        return Namespace.from_fd(fd)
    finally:
        os.close(fd)


def share(folder: str | Path) -> None:
    """Make a mount one that passes on what is mounted there."""
    mount("none", str(folder), flags=MS_SHARED)


def mounted_at(path: str | Path, process: int | str = "thread-self") -> list[str]:
    """Return the roots of what is mounted at a path, the lowest first."""
    lines = Path(f"/proc/{process}/mountinfo").read_text().splitlines()
    words = [line.split() for line in lines]
    return [root for _, _, _, root, point, *_ in words if point == str(path)]


def outcome(function: Callable[[], object]) -> str:
    """Run, and return the name of what was raised, or ok."""
    try:
        function()
    except Exception as error:
        return type(error).__name__
    return "ok"


def at_once(count: int, function: Callable[[], object]) -> Counter[str]:
    """Run in so many children at the same time; count how they ended."""
    wait, go = os.pipe()
    reader, writer = os.pipe()
    pids = []
    for _ in range(count):
        pids.append(os.fork())
        if pids[-1] == 0:
            try:
                os.close(go)
                os.read(wait, 1)  # Ends when the parent has closed the other end.
                os.write(writer, f"{outcome(function)}\n".encode())
            finally:
                os._exit(0)
    os.close(wait)
    os.close(writer)
    os.close(go)
    with open(reader) as file:
        words = file.read().split()
    for pid in pids:
        os.waitpid(pid, 0)
    assert len(words) == count
    return Counter(words)
