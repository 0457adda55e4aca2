"""What a test, or an operation that failed, may have left behind."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

SETTLE: Final = 2.0
"""How long what is ending may take to be gone, in seconds."""


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        # The directory that is being listed is gone by now.
        with suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def _threads() -> dict[str, dict[str, str]]:
    """Return the namespaces of every thread of this process."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            links = {
                name: os.readlink(task / "ns" / name)
                for name in os.listdir(task / "ns")
                if not name.endswith("for_children")
            }
            links["pid_for_children"] = os.readlink(task / "ns/pid_for_children")
        except OSError:
            continue  # It has just ended.
        found[task.name] = links
    return found


def _children() -> list[str]:
    return Path("/proc/thread-self/children").read_text().split()


def _places() -> tuple[tuple[int, int], tuple[int, int] | None]:
    root, cwd = os.stat("/"), os.stat("/proc/thread-self/cwd")
    return (root.st_dev, root.st_ino), (cwd.st_dev, cwd.st_ino)


def state() -> dict[str, object]:
    """Return the descriptors, threads and children of this process, and its places."""
    return {
        "descriptors": _descriptors(),
        "threads": _threads(),
        "children": _children(),
        "root and cwd": _places(),
    }


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Say what is not as it was; a thread that had been ending may be gone."""
    threads, known = after["threads"], before["threads"]
    assert isinstance(threads, dict)
    if isinstance(known, dict):
        after = after | {"threads": known | threads}
    return [
        f"{key}: before {before[key]}, after {after[key]}"
        for key in before
        if before[key] is not None and before[key] != after[key]
    ]


def settled(
    look: Callable[[], dict[str, object]], before: dict[str, object]
) -> dict[str, object]:
    """Look until all is as it was, or what is ending should be gone."""
    deadline = time.monotonic() + SETTLE
    while changes(before, after := look()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return after
