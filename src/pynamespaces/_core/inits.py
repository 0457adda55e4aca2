"""
The first process of a container, found by an id or a name, without asking a daemon.

It is known by the state that runc or crun has written, or else it is the oldest process
in the container's cgroup. Anybody may call a cgroup like a container, so one is
believed only if it is root's or the caller's; and of the processes in there only those
in another mount namespace than the caller's, as all in containers are. No thread moves.
"""

import os
import re
from collections.abc import Iterable
from typing import Final

from .. import _proc
from .._types import NamespaceId, NamespaceType, shown
from ..errors import NamespaceGoneError, NoSuchProcessError
from . import reach
from .cgroupfs import Owners
from .containers import Told
from .engines import Known, starts

_IDENTIFIER: Final = re.compile(r"[0-9a-f]{64}")
_LISTED: Final = 5


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
        raise TypeError(f"a container's id or name is a str, not {shown(wanted)}")
    if not wanted:
        raise ValueError("a container's id or name is not empty")
    known = Known()
    running = _Running(known)
    running.find()
    id = _choose(wanted, known, running)
    pid, started = _init_of(wanted, id, known, running)
    try:
        pidfd = reach.pin_process(pid)
    except NoSuchProcessError:
        raise _gone(f"the container {wanted!r} has just ended", known) from None
    try:
        # If it is as old as before, it had its id all the time, and has the pidfd.
        same = _proc.pidfd_pid(pidfd) == pid and starts(pid) == started
        if not same or not (id in known.inits or running.tells(pid, id)):
            raise _gone(f"the container {wanted!r} has just ended", known)
    except BaseException:
        os.close(pidfd)
        raise
    return pidfd


class _Running:
    """The containers that are told by cgroups only, as far as these are believed."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._owners = Owners()
        self._trusted = {0, os.geteuid()}
        self.places: dict[str, dict[bytes, list[int]]] = {}
        """The processes of each, by the paths of its cgroups."""

        self.doubts: dict[str, dict[str, None]] = {}
        """Why what tells of a container, by its id, is not believed."""

    def find(self) -> None:
        """Look at all processes."""
        for pid in _proc.process_ids():
            text = _proc.cgroup(pid) or b""
            told = self._known.told(text)
            # What a runtime has written of a container is better than any cgroup.
            if told is None or told.container.id in self._known.inits:
                continue
            id, doubt = told.container.id, self._doubt(pid, text, told)
            if doubt is not None:
                self.doubts.setdefault(id, {})[doubt] = None
            else:
                places = self.places.setdefault(id, {})
                places.setdefault(told.place, []).append(pid)

    def tells(self, pid: int, id: str) -> bool:
        """Return whether a process is in the container with an id, now."""
        text = _proc.cgroup(pid) or b""
        told = self._known.told(text)
        if told is None or told.container.id != id:
            return False
        return self._doubt(pid, text, told) is None

    def _doubt(self, pid: int, text: bytes, told: Told) -> str | None:
        """Return why it is not believed that a process is in a container, or None."""
        place, mnt = os.fsdecode(told.place), _mnt_of(pid)
        if mnt is not None and reach.is_current(mnt):
            return f"process {pid} in {place!r} is in the caller's mount namespace"
        owners = self._owners.of(text, told.place)
        if not owners and (_has_power() or mnt is None):
            return f"whose {place!r} is cannot be seen: no mount here has this cgroup"
        others = ", ".join(str(uid) for uid in sorted(owners - self._trusted))
        return f"{place!r} is a cgroup of user {others}" if others else None


def _mnt_of(pid: int) -> NamespaceId | None:
    """Return the mount namespace of a process, where the caller may look into it."""
    try:
        facts = os.stat(_proc.namespace_path(pid, "mnt"))
    except OSError:
        return None
    return NamespaceId(NamespaceType.MNT, facts.st_dev, facts.st_ino, None)


def _has_power() -> bool:
    """Return whether the caller may look into processes that are not its own."""
    effective = _proc.status_field("CapEff")
    return os.geteuid() == 0 or effective is None or int(effective, 16) != 0


def _choose(wanted: str, known: Known, running: _Running) -> str:
    """Return the one id that is meant."""
    names = known.names()
    found = _matching(wanted, {*known.inits, *running.places, *names}, names)
    if not found:
        doubted = _matching(wanted, running.doubts, names)
        message = f"no container has the id or name {wanted!r}"
        raise _gone(message, known, *(running.doubts[id] for id in doubted))
    # What files say is root's word or the caller's. A cgroup that is called so as well
    # may be of what only believes that it is root, in a container.
    if found & known.inits.keys():
        found &= known.inits.keys() | names.keys()
    if len(found) > 1:
        raise _ambiguous(wanted, found)
    return found.pop()


def _matching(wanted: str, ids: Iterable[str], names: dict[str, str]) -> set[str]:
    # As Docker has it, a whole one comes before the beginning of another.
    return {id for id in ids if wanted in (id, names.get(id))} or {
        id for id in ids if _IDENTIFIER.fullmatch(id) and id.startswith(wanted)
    }


def _init_of(wanted: str, id: str, known: Known, running: _Running) -> tuple[int, int]:
    """Return the first process of a container, and when it began."""
    inits = known.inits.get(id, set())
    if len(inits) > 1:
        raise _ambiguous(wanted, {f"process {pid}" for pid, _ in inits})
    if inits:
        return next(iter(inits))
    places = running.places.get(id, {})
    if len(places) > 1:
        raise _ambiguous(wanted, {os.fsdecode(place) for place in places})
    for members in places.values():
        oldest = _oldest(members)
        if oldest is not None:
            return oldest
    message = f"the container {wanted!r} is not running"
    raise _gone(message, known, running.doubts.get(id, {}))


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


def _gone(message: str, known: Known, *doubts: Iterable[str]) -> NamespaceGoneError:
    reasons = [doubt for some in doubts for doubt in some]
    if reasons:
        message += f"; not believed: {_listed(reasons)}"
    if known.unreadable:
        paths = [repr(path) for path in known.unreadable]
        message += f"; what could not be read: {_listed(paths)}"
    return NamespaceGoneError(message)


def _listed(words: list[str]) -> str:
    return ", ".join(words[:_LISTED]) + (", ..." if len(words) > _LISTED else "")


def _ambiguous(wanted: str, candidates: set[str]) -> ValueError:
    listed = ", ".join(repr(each) for each in sorted(candidates)[:10])
    return ValueError(f"{wanted!r} may be any of several: {listed}")
