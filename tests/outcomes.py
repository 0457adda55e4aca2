"""What becomes of each operation on a machine, and what is left behind of it."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

import doing
from machines import MACHINES
from provoking import mount, own_mounts
from support import TIER, identity, in_child
from whereabouts import TYPES, own

from pynamespaces import (
    Namespace,
    NamespaceError,
    NetNamespace,
    SystemCallError,
    _core,
)
from pynamespaces.cli import command, doctor
from pynamespaces.probing import Support, support

_PATIENCE: Final = 30


class Ended(NamedTuple):
    """How an operation ended: it worked, or what it raised, and what it left."""

    error: str | None = None
    text: str = ""
    reason: str | None = None
    hint: str | None = None
    is_ours: bool = True
    left: str = ""

    @property
    def works(self) -> bool:
        """Whether it worked."""
        return self.error is None


class Seen(NamedTuple):
    """All that was seen on a machine."""

    ended: dict[str, Ended]
    told: Support
    doctor: str


def _prepare_ground() -> None:
    """Have nobody else see what is mounted, and folders to mount it in."""
    if TIER != "plain":
        own_mounts()
        mount("none", "/run", "tmpfs")
        mount("none", "/mnt", "tmpfs")
        # The first makes the folder, for good.
        in_child(_have_first_name)
    # What is not imported yet may be out of reach by then.
    _core.load_all()
    with suppress(OSError, StopIteration):
        doing.own_cgroup()


def _have_first_name() -> None:
    NetNamespace.create("first").close()
    NetNamespace.delete("first")


def _state() -> dict[str, object]:
    """Return what an operation could leave, as it is found without ``/proc``, too."""
    # The library keeps a pidfd of each thread, from its first use on.
    with suppress(NamespaceError):
        Namespace.current("net").close()
    open_files = {}
    for fd in range(256):
        with suppress(OSError):
            open_files[fd] = identity(fd)
    try:
        child = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        child = (0, 0)
    found = {"fds": open_files, "child": child, **_places()}
    # Who has no power mounts nothing, and sees what others mount meanwhile.
    if TIER != "plain":
        with suppress(OSError):
            lines = Path("/proc/self/mountinfo").read_text().splitlines()
            found["mounts"] = sorted(line.split()[4] for line in lines)
    return found


def _places() -> dict[str, object]:
    links = [each for each in TYPES if each != "pid"]
    places: dict[str, object] = {str(each): own(str(each)) for each in links}
    return {**places, "root": identity("/"), "cwd": identity(".")}


def _ended(operation: Callable[[], None]) -> Ended:
    """Do it, and say how it ended."""
    before = _state()
    signal.alarm(_PATIENCE)
    try:
        operation()
        outcome = Ended()
    except Exception as error:
        outcome = Ended(
            type(error).__name__,
            f"{error}",
            error.reason if isinstance(error, SystemCallError) else str(error),
            getattr(error, "hint", None),
            isinstance(error, NamespaceError),
        )
    finally:
        signal.alarm(0)
    after = _state()
    left = [f"{key}: {before[key]} -> {after[key]}" for key in before
            if before[key] != after.get(key)]  # fmt: skip
    return outcome._replace(left="\n".join(left))


def _told() -> tuple[Support, str]:
    """Return what there is to be told, and what the command says of it."""
    told: list[Support] = []

    def note() -> Support:
        told.append(support())
        return told[0]

    said = io.StringIO()
    with mock.patch.object(doctor, "support", note), redirect_stdout(said):
        assert command(["doctor", "--json"]) == 0
    return told[0], said.getvalue()


@cache
def seen(machine: str) -> Seen:
    """Do everything on a machine, and ask what it is that works there."""

    def inside() -> Seen:
        _prepare_ground()
        if machine:
            MACHINES[machine].become()
        # Where this thread was before is forgotten when it moves for the first time.
        with suppress(NamespaceError):
            doing.OPERATIONS["unshared net"]()
        ended = {name: _ended(do) for name, do in doing.OPERATIONS.items()}
        return Seen(ended, *_told())

    return in_child(inside)


def doctor_says(found: Seen) -> dict[tuple[str, str | None], tuple[bool, str | None]]:
    """Return what the command has said of each operation: whether, and why not."""
    answers = json.loads(found.doctor)["operations"]
    return {
        (each["name"], each["type"]): (each["works"], each["reason"])
        for each in answers
    }
