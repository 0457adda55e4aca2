"""The caller's side: who it is, and the child that tries things in its place."""

from __future__ import annotations

import functools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from .. import _core, _proc, lowlevel
from .._core import interpreters, reach
from .._forking import can_fork
from .._lib import lib
from .._namespace import Namespace
from .._types import NamespaceType
from ..errors import (
    CallError,
    IrreversibleError,
    NoSuchProcessError,
    SystemCallError,
)
from ..process import run
from . import _answering, _copying
from ._tasks import Pending, Situation, Task
from .records import Outcome

_T = NamespaceType
_PATIENCE: Final = 60
_PR_GET_DUMPABLE: Final = 3  # of linux/prctl.h
_SETS: Final = ("CapEff", "CapPrm", "CapInh")


def outcomes_of(tasks: Sequence[Task]) -> list[Outcome]:
    """
    Try things as the calling thread, in a child of it, and say how each went.

    Raises:
        SystemCallError: No child could be started.

        CallError: The child has ended without an answer.

        IrreversibleError: A child would change the namespace where it is born.
    """
    if not tasks:
        return []
    _refuse_to_set_clocks()
    pending = _pending()
    dumpable = lib.pyns_prctl(_PR_GET_DUMPABLE, 0) == 1
    if pending is None and can_fork() and _copying.is_alone():
        situation = Situation(dumpable, pending, None)
        return _by_fork(situation, tasks)
    situation = Situation(dumpable, pending, _capabilities())
    return _by_interpreter(situation, tasks)


def _by_fork(situation: Situation, tasks: Sequence[Task]) -> list[Outcome]:
    found = _copying.call(functools.partial(_answering.try_all, situation, tasks))
    assert isinstance(found, list)
    return found


def _by_interpreter(situation: Situation, tasks: Sequence[Task]) -> list[Outcome]:
    """Try things in a fresh interpreter: this process has threads, or cannot fork."""
    _core.require_home()
    request = pickle.dumps((tuple(situation), [tuple(task) for task in tasks]))
    words = interpreters.command(_answering.BOOT, *sys.path)
    try:
        done = run(
            words,
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds={fd for task in tasks for fd in task.fds},
            timeout=_PATIENCE,
            # Among the caller's own kind, wherever its other children are born.
            join=_own_pid(),
            caps="keep",
        )
    except subprocess.TimeoutExpired:
        raise CallError("the process that tries things did not answer") from None
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        said = os.fsdecode(done.stderr).strip().rpartition("\n")[2]
        raise CallError(
            f"the process that tries things ended without an answer: {said}",
            done.returncode,
        )
    return [Outcome(*found) for found in json.loads(lines[-1])]


def _own_pid() -> list[Namespace]:
    try:
        return [Namespace.current(_T.PID)]
    except SystemCallError:
        return []


def _capabilities() -> tuple[int, int, int] | None:
    found = [_proc.status_field(name) for name in _SETS]
    effective, permitted, inheritable = (int(text or "0", 16) for text in found)
    return None if None in found else (effective, permitted, inheritable)


def _elsewhere(type: NamespaceType) -> int | None:
    """Open where children are born, if that is not where the thread is."""
    try:
        own = reach.open_current(type)
    except SystemCallError:
        return None  # There are none.
    try:
        _, identity = reach.identify(own)
    finally:
        os.close(own)
    children = reach.open_current(type, for_children=True)
    if reach.is_current(identity, for_children=True):
        os.close(children)
        return None
    return children


def _pending() -> Pending | None:
    """Return whether children are born in another pid namespace, and who is in it."""
    try:
        fd = _elsewhere(_T.PID)
    except FileNotFoundError:
        return "fresh"  # Before Linux 6.11, there is no link before the first process.
    if fd is None:
        return None
    try:
        lowlevel.ns_get_tgid_from_pidns(fd, 1)
    except NoSuchProcessError:
        return "fresh"
    except SystemCallError:
        return "inhabited"
    finally:
        os.close(fd)
    return "inhabited"


def _refuse_to_set_clocks() -> None:
    """Refuse to have the first child in a time namespace, which freezes its clocks."""
    fd = _elsewhere(_T.TIME)
    if fd is not None:
        os.close(fd)
        raise IrreversibleError(
            "the children of this thread are born in another time namespace than its "
            "own, whose clocks the first of them sets for good; leave that one first"
        )
