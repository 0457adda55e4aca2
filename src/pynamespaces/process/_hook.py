"""
The one place that knows how `subprocess` is made inside.

Its ``Popen`` prepares pipes, calls ``_execute_child`` and later learns by
``_handle_exitstatus`` how the child ended. Both are private, and the same on CPython
3.11, 3.12 and 3.13; ``tests/test_popen_hook.py`` tells when they no longer are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, AnyStr, Final, Protocol, TypeAlias, cast

from .._core import plan, spawn
from .._lib import lib
from ..lowlevel._arguments import INT_MAX

if TYPE_CHECKING:
    from contextlib import ExitStack

    from _typeshed import StrOrBytesPath

    _Args: TypeAlias = StrOrBytesPath | Sequence[StrOrBytesPath]


class Call(Protocol):
    """A function whose arguments the standard library knows better."""

    def __call__(self, *args: object, **options: object) -> None: ...


_NO_ID: Final = 2**32 - 1
"""With which setresuid(2) leaves an id as it is."""


class Hooked(subprocess.Popen[AnyStr]):
    """A ``Popen`` whose child is started by our engine where that is asked for."""

    _where: plan.Where | None = None
    _stack: ExitStack
    """Closes what is needed only to start it."""

    _child: spawn.Child | None = None
    _lock: tuple[int, threading.Lock]

    @property
    def _waitpid_lock(self) -> threading.Lock:
        """What is held to wait; another in a fork, where who held it is gone."""
        owner, lock = self._lock
        if owner != lib.pyns_process():
            lock = self._waitpid_lock = threading.Lock()
        return lock

    @_waitpid_lock.setter
    def _waitpid_lock(self, lock: threading.Lock) -> None:
        self._lock = lib.pyns_process(), lock

    def _execute_child(
        self,
        args: _Args,
        executable: StrOrBytesPath | None,
        preexec_fn: Callable[[], object] | None,
        close_fds: bool,  # noqa: FBT001 - all are as subprocess has them
        pass_fds: Collection[int],
        cwd: StrOrBytesPath | None,
        env: Mapping[bytes, StrOrBytesPath] | Mapping[str, StrOrBytesPath] | None,
        startupinfo: object,
        creationflags: int,
        shell: bool,  # noqa: FBT001
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        restore_signals: bool,  # noqa: FBT001
        gid: int | None,
        gids: Sequence[int] | None,
        uid: int | None,
        umask: int,
        start_new_session: bool,  # noqa: FBT001
        process_group: int,
    ) -> None:
        stdio = (p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
        if self._where is None:
            start = cast("Call", super()._execute_child)  # type: ignore[misc]
            start(args, executable, preexec_fn, close_fds, pass_fds, cwd, env,
                  startupinfo, creationflags, shell, *stdio, restore_signals, gid, gids,
                  uid, umask, start_new_session, process_group)  # fmt: skip
            return
        words = _words(args, shell=shell, executable=executable)
        name = words[0] if executable is None else executable
        sys.audit("subprocess.Popen", name, words, cwd, env)
        program = plan.Program(
            args=plan.Texts.of(words),
            files=_candidates(name, env),
            env=plan.Texts.of_environment() if env is None else _environment(env),
            cwd=None if cwd is None else plan.Texts.of([cwd]).text,
            stdio=stdio,
            close_fds=close_fds,
            pass_fds=_checked_fds(pass_fds),
            uid=_checked_id(uid),
            gid=_checked_id(gid),
            groups=_checked_groups(gids),
            umask=umask,
            restore_signals=restore_signals,
            new_session=start_new_session,
            process_group=process_group,
            name=os.fsdecode(name),
            directory=cwd if cwd is None else os.fsdecode(cwd),
        )
        self._child = spawn.Child()
        self._child.start(self._where, program, self._stack)
        self.pid = self._child.pid
        self._child_created = True
        cast("Call", self._close_pipe_fds)(*stdio)  # type: ignore[attr-defined]

    def _handle_exitstatus(self, sts: int) -> None:
        """Take over how the program ended; called also while the object is dropped."""
        if self._child is not None:
            sts = self._child.status(sts)
        cast("Call", super()._handle_exitstatus)(sts)  # type: ignore[misc]


def _words(
    args: _Args, *, shell: bool, executable: StrOrBytesPath | None
) -> list[StrOrBytesPath]:
    if isinstance(args, os.PathLike) and shell:
        raise TypeError("path-like args is not allowed when shell is true")
    words = [args] if isinstance(args, str | bytes | os.PathLike) else list(args)
    if shell:
        words = ["/bin/sh" if executable is None else executable, "-c", *words]
    return words


def _candidates(
    name: StrOrBytesPath,
    env: Mapping[bytes, StrOrBytesPath] | Mapping[str, StrOrBytesPath] | None,
) -> plan.Texts:
    """Return the paths to try: a name without a slash is looked for in ``PATH``."""
    file = os.fsdecode(name)
    if "/" in file:
        return plan.Texts.of([file])
    folders = os.get_exec_path(cast("Mapping[str, str] | None", env))
    return plan.Texts.of([f"{folder}/{file}" if folder else file for folder in folders])


def _environment(
    env: Mapping[bytes, StrOrBytesPath] | Mapping[str, StrOrBytesPath],
) -> plan.Texts:
    entries = []
    for key, value in env.items():
        name = os.fsencode(key)
        if b"=" in name:
            raise ValueError("illegal environment variable name")
        entries.append(name + b"=" + os.fsencode(value))
    return plan.Texts.of(entries)


def _checked_fds(fds: Collection[int]) -> Sequence[int]:
    numbers = [int(fd) for fd in {*fds}]
    if any(not 0 <= fd <= INT_MAX for fd in numbers):
        raise ValueError("bad value(s) in fds_to_keep")
    return numbers


def _checked_id(number: int | None) -> int | None:
    if number == _NO_ID:
        raise ValueError(f"{number} is no user or group id")
    return number


def _checked_groups(numbers: Sequence[int] | None) -> Sequence[int] | None:
    for number in numbers or ():
        if not 0 <= number < _NO_ID:
            raise ValueError(f"{number} is no group id")
    return numbers
