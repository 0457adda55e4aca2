"""What a piece of code left behind of namespaces: seen before and after, compared."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final, TypeAlias

from . import _proc
from ._core import mountinfo

# A thread that was joined, or a child that was killed, goes on for a moment.
_PATIENCE: Final = 1.0
_PAUSE: Final = 0.002

# Where children are to be born, before the first one is.
_NONE: Final = "none yet"

Links: TypeAlias = dict[str, str | None]
"""What the links in a task's folder ``ns`` say; None: of no namespace yet."""


@dataclass(frozen=True)
class State:
    """What this process has of namespaces at one moment."""

    home: Links
    """Of the calling thread."""

    descriptors: dict[int, tuple[int, str]]
    threads: dict[int, Links]
    children: dict[int, Links]
    mounts: Counter[tuple[str, str]]


def look() -> State:
    """
    Take a look at this process.

    Raises:
        RuntimeError: There is no ``/proc`` of this process to look at.
    """
    home = _proc.task_links("thread-self")
    if not home:
        raise RuntimeError("/proc is not mounted here, or not that of this process")
    return State(
        home=home,
        descriptors=_proc.namespace_descriptors(),
        threads=_threads(),
        children={pid: _proc.task_links(str(pid)) for pid in _proc.child_ids()},
        mounts=Counter(mountinfo.namespace_mounts()),
    )


def _threads() -> dict[int, Links]:
    tids = _proc.task_ids() or ()
    found = {tid: _proc.task_links(f"self/task/{tid}") for tid in tids}
    # A thread that is ending has left its namespaces, but is listed for a moment.
    return {tid: links for tid, links in found.items() if links.get("mnt")}


def left_since(before: State) -> list[str]:
    """
    Say what was left since *before*, a line for each leak.

    What is ending, and what waits for the garbage collector, gets a moment to go.
    """
    if not compared(before, look()):
        return []
    # An exception that was caught may hold its frames, and these what they opened.
    gc.collect()
    deadline = time.monotonic() + _PATIENCE
    while (found := compared(before, look())) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return found


def compared(before: State, after: State) -> list[str]:
    """Say what *after* has that *before* had not, a line for each leak."""
    return [
        *_descriptor_leaks(before, after),
        *_thread_leaks(before, after),
        *_child_leaks(before, after),
        *_mount_leaks(before, after),
    ]


def _descriptor_leaks(before: State, after: State) -> list[str]:
    return [
        f"descriptor {number} is open: {link}"
        for number, (inode, link) in sorted(after.descriptors.items())
        if before.descriptors.get(number, (None, ""))[0] != inode
    ]


def _thread_leaks(before: State, after: State) -> list[str]:
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found = []
    for tid, links in sorted(after.threads.items()):
        name = names.get(tid) or _proc.task_name(f"self/task/{tid}")
        # A thread that is new should be where the test began.
        expected = before.threads.get(tid, before.home)
        found += [
            f"thread {tid} ({name}) is elsewhere: {type} was {was}, is {link or _NONE}"
            for type, link in sorted(links.items())
            if link != (was := expected.get(type))
        ]
    return found


def _child_leaks(before: State, after: State) -> list[str]:
    found = []
    for pid, links in sorted(after.children.items()):
        if pid in before.children:
            continue
        differing = [
            f"{link}, not {before.home.get(type)}"
            for type, link in sorted(links.items())
            # One that has ended and waits to be reaped has few left.
            if link is not None and not _is_expected(type, link, before.home)
        ]
        if differing:
            name = _proc.task_name(str(pid))
            words = "; ".join(differing)
            found.append(f"child {pid} ({name}) lives elsewhere: {words}")
    return found


def _is_expected(type: str, link: str, home: Links) -> bool:
    """Return whether a child at *link* is where this process's children are."""
    for_children = home.get(f"{type}_for_children")
    return type.endswith("_for_children") or link in (home.get(type), for_children)


def _mount_leaks(before: State, after: State) -> list[str]:
    new = after.mounts - before.mounts
    return [f"{namespace} is mounted at {path}" for namespace, path in sorted(new)]
