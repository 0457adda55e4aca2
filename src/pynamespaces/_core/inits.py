"""
The first process of a container, found by an id or a name, without asking a daemon.

It is known by the state that runc or crun has written, or else it is the oldest process
in the container's cgroup. No thread moves.
"""

import os
import re
from typing import Final, TypeAlias

from .. import _proc
from ..errors import NamespaceGoneError, NoSuchProcessError
from . import reach
from .engines import Known, starts

_IDENTIFIER: Final = re.compile(r"[0-9a-f]{64}")

_Running: TypeAlias = dict[str, dict[bytes, list[int]]]
"""The processes of each container that is told by cgroups, by the paths of those."""


def open_init(wanted: str) -> int:
    """
    Open a pidfd of the first process of a container.

    Args:
        wanted: The id, the name, or what only one id begins with.

    Raises:
        NamespaceGoneError: There is no such container, or it is not running.

        ValueError: There are several.
    """
    if not isinstance(wanted, str):
        raise TypeError(f"a container's id or name is a str, not {wanted!r}")
    if not wanted:
        raise ValueError("a container's id or name is not empty")
    known = Known()
    running = _find_running(known)
    id = _choose(wanted, known, running)
    pid, started = _init_of(wanted, id, known, running)
    try:
        pidfd = reach.pin_process(pid)
    except NoSuchProcessError:
        raise _gone(f"the container {wanted!r} has just ended", known) from None
    try:
        # If it is as old as before, it had its id all the time, and has the pidfd.
        same = _proc.pidfd_pid(pidfd) == pid and starts(pid) == started
        if not same or not _is_in(known, pid, id):
            raise _gone(f"the container {wanted!r} has just ended", known)
    except BaseException:
        os.close(pidfd)
        raise
    return pidfd


def _find_running(known: Known) -> _Running:
    found: _Running = {}
    for pid in _proc.process_ids():
        told = known.told(_proc.cgroup(pid) or b"")
        if told is not None:
            places = found.setdefault(told.container.id, {})
            places.setdefault(told.place, []).append(pid)
    return found


def _choose(wanted: str, known: Known, running: _Running) -> str:
    """Return the one id that is meant."""
    names = known.names()
    everyone = {*known.inits, *running, *names}
    # As Docker has it, a whole one comes before the beginning of another.
    found = {id for id in everyone if wanted in (id, names.get(id))} or {
        id for id in everyone if _IDENTIFIER.fullmatch(id) and id.startswith(wanted)
    }
    if not found:
        raise _gone(f"no container has the id or name {wanted!r}", known)
    if len(found) > 1:
        raise _ambiguous(wanted, found)
    return found.pop()


def _init_of(wanted: str, id: str, known: Known, running: _Running) -> tuple[int, int]:
    """Return the first process of a container, and when it began."""
    inits = known.inits.get(id, set())
    if len(inits) > 1:
        raise _ambiguous(wanted, {f"process {pid}" for pid, _ in inits})
    if inits:
        return next(iter(inits))
    places = running.get(id, {})
    # Anybody may call a cgroup like a container. But then there are two.
    if len(places) > 1:
        raise _ambiguous(wanted, {os.fsdecode(place) for place in places})
    for members in places.values():
        oldest = _oldest(members)
        if oldest is not None:
            return oldest
    raise _gone(f"the container {wanted!r} is not running", known)


def _oldest(members: list[int]) -> tuple[int, int] | None:
    """Return the oldest process of those whose parent is none of them."""
    inside = set(members)
    found = []
    for pid in members:
        fields, started = _proc.stat_fields(pid), starts(pid)
        if started is not None and fields and int(fields[1]) not in inside:
            found.append((started, pid))
    if not found:
        return None
    started, pid = min(found)
    return pid, started


def _is_in(known: Known, pid: int, id: str) -> bool:
    """Return whether a process is in the container that it was found in."""
    told = known.told(_proc.cgroup(pid) or b"")
    return id in known.inits or (told is not None and told.container.id == id)


def _gone(message: str, known: Known) -> NamespaceGoneError:
    if known.unreadable:
        paths = ", ".join(repr(path) for path in known.unreadable[:5])
        more = ", ..." if len(known.unreadable) > 5 else ""
        message += f"; what could not be read: {paths}{more}"
    return NamespaceGoneError(message)


def _ambiguous(wanted: str, candidates: set[str]) -> ValueError:
    listed = ", ".join(repr(each) for each in sorted(candidates)[:10])
    return ValueError(f"{wanted!r} may be any of several: {listed}")
