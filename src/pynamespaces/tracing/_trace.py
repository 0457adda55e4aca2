"""`trace`: calls that make or enter namespaces, as they happen."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from .._types import TypeLike, shown
from ..errors import NamespacePermissionError
from ..lowlevel._arguments import in_range
from ._filtering import Wish
from ._live import Notified, Source, Target, Trace
from ._perf import PerfSource, own_threads
from ._points import Manner, Syscall
from ._tasks import Tasks, refuse_foreign_proc

Backend: TypeAlias = Literal["auto", "perf", "perf-own", "notify"]

_LONGEST_INTERVAL: Final = 3600
_SMALLEST_BUFFER: Final = 1 << 13
_LARGEST_BUFFER: Final = 1 << 30


def trace(
    pid: int | None = None,
    command: Sequence[str] | None = None,
    *,
    backend: Backend = "auto",
    calls: bool = True,
    types: TypeLike | Iterable[TypeLike] | None = None,
    syscalls: Iterable[Syscall] | None = None,
    changed_only: bool = False,
    failed: bool = True,
    interval: float = 0.02,
    low_latency: bool = False,
    buffer: int = 1 << 20,
) -> Trace:
    """
    Watch who makes and enters namespaces.

    That is :manpage:`setns(2)`, :manpage:`unshare(2)`, :manpage:`clone(2)` and clone3.
    Of the whole machine, but for who is in no pid namespace that the caller sees; of a
    process and what it has borne or will bear; or of a command that is started here. No
    task is stopped or changed, but by ``"notify"``. See :manpage:`perf_event_open(2)`.

    Watching costs all tasks a little: about 80 ns for every system call of theirs while
    *calls* is true; without, only what changes namespaces costs more.

    Args:
        pid: A process to watch, with its descendants.

        command: A program to start and to watch, with its descendants. It has the
            caller's standard streams. Leaving the block early kills it.

        backend: ``"perf"``: the kernel's own records of the whole machine, of which the
            others are left out. Needs CAP_PERFMON in the first user namespace.
            ``"perf-own"``: tracepoints of the caller's own tasks, where the sysctl
            ``kernel.perf_event_paranoid`` is at most 2; what has changed is looked up
            afterwards. ``"notify"``: a seccomp filter of *command*'s, see `supervise`.
            ``"auto"``: the first of ``perf``, ``notify``, ``perf-own`` that can do it;
            `Trace.backend` says which.

        calls: Tell of calls, with their arguments and failures. Else only of changes.

        types: Tell only of these types.

        syscalls: Tell only of these calls.

        changed_only: Tell only of calls that have changed something.

        failed: Tell of calls that have failed, too.

        interval: How often to look for events, in seconds.

        low_latency: Wake up for each, which costs who calls tens of microseconds.

        buffer: How much may wait for the reader in the kernel, in bytes a CPU: a power
            of two. Without CAP_IPC_LOCK it may be less.

    Raises:
        NamespacePermissionError: The caller may not watch what was asked for.

        NoSuchNamespaceError: There is no ``/proc`` here, or that of another pid
            namespace.

        NoSuchProcessError: There is no such process.

        OSError: The command could not be started; as of `subprocess.Popen`.

        ValueError: Arguments contradict each other; nothing was done.
    """
    wish = Wish(types, syscalls, changed_only=changed_only, failed=failed)
    if syscalls is not None and not calls:
        raise ValueError("with calls=False no call is told: leave syscalls out")
    _check(pid, command, backend, calls=calls, interval=interval, buffer=buffer)
    refuse_foreign_proc()
    manner = Manner(is_own=False, wakes_each=low_latency, size=buffer)
    want = Want(manner, wish.syscalls if calls else ())
    target = Target(pid, None if command is None else list(command))
    try:
        source = _open_source(backend, target, want)
    except BaseException:
        target.close()
        raise
    return Trace(source, target, wish, interval)


def _check(
    pid: int | None,
    command: Sequence[str] | None,
    backend: Backend,
    *,
    calls: bool,
    interval: float,
    buffer: int,
) -> None:
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        kind = type(interval).__name__
        raise TypeError(f"interval is a number of seconds, not {kind}")
    in_range("buffer", buffer, 1, _LARGEST_BUFFER)
    if backend not in get_args(Backend):
        names = ", ".join(map(repr, get_args(Backend)))
        raise ValueError(f"{shown(backend)} is no backend: they are {names}")
    if pid is not None and command is not None:
        raise ValueError("give a pid or a command, not both")
    if isinstance(command, str | bytes) or (command is not None and not command):
        raise ValueError("a command is a sequence: the program and its arguments")
    if backend == "notify" and (command is None or not calls):
        raise ValueError("'notify' watches the calls of a command that it starts")
    if backend == "perf-own" and (not calls or (pid is None and command is None)):
        raise ValueError("'perf-own' watches the calls of a pid or of a command")
    if not 0 < interval <= _LONGEST_INTERVAL:
        raise ValueError(
            f"interval {shown(interval)} is not above 0 and at most "
            f"{_LONGEST_INTERVAL} s"
        )
    smallest = max(_SMALLEST_BUFFER, os.sysconf("SC_PAGESIZE"))
    if buffer & (buffer - 1) or not smallest <= buffer <= _LARGEST_BUFFER:
        raise ValueError(
            f"buffer {buffer} is no power of two from {smallest} to {_LARGEST_BUFFER}"
        )


class Want(NamedTuple):
    """What a source is to watch, and how."""

    manner: Manner
    syscalls: Collection[Syscall]


def _open_source(backend: Backend, target: Target, want: Want) -> Source:
    if backend != "auto":
        return _SOURCES[backend](target, want)
    try:
        return _machine(target, want)
    except NamespacePermissionError as error:
        refusal = error
    # Half of what was asked for is no answer: who asks for the machine gets an error.
    if want.syscalls and target.command is not None:
        return _notified(target, want)
    if want.syscalls and target.pid is not None:
        with suppress(NamespacePermissionError):
            return _own(target, want)
    raise refusal


def _machine(target: Target, want: Want) -> Source:
    """Watch the machine, or leave out of that what was not asked for."""
    is_all = target.pid is None and target.command is None
    tasks = Tasks(None if is_all else () if target.pid is None else (target.pid,))
    source = PerfSource(tasks, want.manner, want.syscalls)
    try:
        if target.command is None:
            tasks.survey()
        _start(tasks, target)
    except BaseException:
        source.close()
        raise
    return source


def _own(target: Target, want: Want) -> Source:
    """Watch own tasks: those of a pid, or whatever the calling thread starts."""
    tree = () if target.pid is None else (target.pid,)
    tasks = Tasks(tree, knows_own=True)
    threads = [threading.get_native_id()]
    if target.pid is not None:
        threads = []
        for pid, tids in own_threads(target.pid).items():
            tasks.watch(pid)
            threads += tids
        for tid in threads:
            tasks.look_at(tid)
    manner = want.manner._replace(is_own=True)
    source = PerfSource(tasks, manner, want.syscalls, threads)
    try:
        _start(tasks, target)
    except BaseException:
        source.close()
        raise
    return source


def _start(tasks: Tasks, target: Target) -> None:
    if target.command is not None:
        tasks.look_at(threading.get_native_id())
        target.start()
        assert target.pid is not None
        tasks.watch(target.pid)


def _notified(target: Target, want: Want) -> Source:
    """Have the command ask before each call; of what is not wanted nothing is told."""
    del want
    return Notified(target.start_notified())


_SOURCES: Final = {"perf": _machine, "perf-own": _own, "notify": _notified}
