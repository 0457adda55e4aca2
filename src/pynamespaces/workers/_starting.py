"""
The one place that knows how `multiprocessing` starts a process.

A process object is pickled for a fresh interpreter, which reads it from a pipe and runs
it. That is as in ``multiprocessing.popen_spawn_posix``; but the interpreter is started
by our `Popen`, and may have a last step to do when all that it needs is loaded.
``tests/test_context_hook.py`` tells when the standard library is another.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from multiprocessing import popen_spawn_posix, resource_tracker, spawn, util
from multiprocessing.context import SpawnProcess, set_spawning_popen
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import dump
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol, cast

from .. import _core
from .._core import reach, settle
from .._core.reach import Hold
from .._namespace import Namespace
from .._refusals import spawn_error
from .._set import NamespaceSet
from .._types import NamespaceType, override
from ..errors import SystemCallError
from ..process import Popen

if TYPE_CHECKING:
    from ..process._options import Places

_T = NamespaceType
_NUMBER: Final = 4
"""How long a number is that is told: of a pid, or an errno."""

_NOTHING: Final = -1


class Start(NamedTuple):
    """Where the processes of a context start."""

    members: NamespaceSet
    """What they join."""

    places: Places
    preload: tuple[str, ...]

    @property
    def has_own_init(self) -> bool:
        """Whether a process is the init of its pid namespace itself."""
        return "pid" in self.places.get("new", ()) and self.places.get("init") is False

    def divided(self) -> tuple[list[Namespace], Namespace | None]:
        """
        Return what a process starts in, and what it enters by itself, being loaded.

        That is a mount namespace, in which there may be no interpreter, or another.
        """
        mnt = self.members.get(_T.MNT)
        if mnt is None or mnt.is_current():
            return list(self.members.values()), None
        return [one for one in self.members.values() if one is not mnt], mnt


class _Errand(NamedTuple):
    """What a process is to do before it is itself; with numbers of descriptors."""

    channel: int
    mnt: int
    preload: tuple[str, ...]

    def run(self) -> int:
        """Do it; return which id the process has outside."""
        with socket.socket(fileno=self.channel) as channel:
            channel.set_inheritable(False)
            pid = int.from_bytes(channel.recv(_NUMBER, socket.MSG_WAITALL), "big")
            for name in self.preload:
                import_module(name)
            if self.mnt != _NOTHING:
                number = _enter(self.mnt)
                channel.sendall(number.to_bytes(_NUMBER, "big"))
                if number:
                    os._exit(1)  # Rather than go on where it is.
        return pid


def _enter(mnt: int) -> int:
    """Enter a mount namespace for good; return 0 or errno."""
    try:
        _core.load_all()
        settle.settle_thread([Namespace._adopt(mnt)])
    except SystemCallError as error:
        return error.errno or errno.EIO
    return 0


class Inhabitant(SpawnProcess):
    """A process that starts in namespaces."""

    _start: ClassVar[Start]
    _is_made: ClassVar[bool]
    """Set where the class is a context's own, and nowhere to be imported from."""

    _errand: _Errand | None = None

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> _Started:  # noqa: N802 - its name
        return _Started(process_obj)

    @override
    def __reduce__(self) -> tuple[object, ...]:
        kind = type(self)
        return _blank, (Inhabitant if "_is_made" in vars(kind) else kind,), vars(self)

    def _bootstrap(self, parent_sentinel: int | None = None) -> int:
        """Be the process."""
        if self._errand is not None:
            pid = self._errand.run()
            if pid != os.getpid():
                _tell_apart(pid)
        go_on = cast("_Bootstrap", super()._bootstrap)  # type: ignore[misc]
        return go_on(parent_sentinel=parent_sentinel)


class _Bootstrap(Protocol):
    def __call__(self, *, parent_sentinel: int | None) -> int: ...


def _blank(kind: type[Inhabitant]) -> Inhabitant:
    return kind.__new__(kind)


class _Os(ModuleType):
    """The module ``os`` of a process that goes by the id that it has outside."""

    def __init__(self, pid: int) -> None:
        super().__init__("os")
        self.getpid = lambda: pid

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


def _tell_apart(pid: int) -> None:
    """Have a worker of a pool go by the id that the pool knows it by."""
    executing = sys.modules.get("concurrent.futures.process")
    if executing is not None:
        vars(executing)["os"] = _Os(pid)


class _Started(popen_spawn_posix.Popen):
    """What stands behind a process object that has been started."""

    _process: Popen[bytes]
    _is_init = False
    _fds: list[int]

    def _launch(self, process_obj: BaseProcess) -> None:
        assert isinstance(process_obj, Inhabitant)
        # Its end tells the parent that the process has ended; and the other way round.
        sentinel, sign = reach.channel()
        writer, reader = reach.channel()
        self.sentinel = sentinel.fileno()
        self.finalizer = util.Finalize(self, _close, (sentinel, writer))
        try:
            with sign, reader:
                self._start(process_obj, writer, reader, sign)
        except BaseException:
            self.finalizer()
            raise

    def _start(
        self, process_obj: Inhabitant, writer: Hold, reader: Hold, sign: Hold
    ) -> None:
        _core.require_home()
        start = process_obj._start
        self._is_init = start.has_own_init
        joined, mnt = start.divided()
        tracker = resource_tracker.getfd()
        ours, theirs = reach.channel()
        with ours, theirs, Hold() if mnt is None else mnt._hold() as held:
            process_obj._errand = _Errand(theirs.fileno(), held, start.preload)
            try:
                data = self._pickled(process_obj)
            finally:
                del process_obj._errand
            if mnt is not None:
                sys.audit("pynamespaces.setns", (mnt.type,))
            given = (tracker, held, *(one.fileno() for one in (reader, sign, theirs)))
            self._process = cast("_NewPopen", Popen)(
                spawn.get_command_line(tracker_fd=tracker, pipe_handle=reader.fileno()),
                executable=spawn.get_executable(),
                pass_fds=[*self._fds, *(fd for fd in given if fd != _NOTHING)],
                **(start.places | {"join": joined}),
            )
            self.pid = self._process.pid
            # Now the process alone has them, and nobody waits for one that is gone.
            theirs.close()
            reader.close()
            try:
                self._tell(ours, writer, data, is_late=mnt is not None)
            except BaseException:
                self._process.kill()
                self._process.wait()
                raise

    def _pickled(self, process_obj: Inhabitant) -> bytes:
        file = io.BytesIO()
        prepared = spawn.get_preparation_data(process_obj.name)
        set_spawning_popen(self)
        try:
            dump(prepared, file)
            dump(process_obj, file)
        finally:
            set_spawning_popen(None)
        return file.getvalue()

    def _tell(self, ours: Hold, writer: Hold, data: bytes, *, is_late: bool) -> None:
        with suppress(BrokenPipeError):  # It has ended, and its status says why.
            reach.send(writer, data)
            reach.send(ours, self.pid.to_bytes(_NUMBER, "big"))
        said = b""
        while is_late and len(said) < _NUMBER:
            part = os.read(ours.fileno(), _NUMBER - len(said))
            if not part:
                break
            said += part
        if number := int.from_bytes(said, "big"):
            raise spawn_error(number, "setns", "setns", (_T.MNT,))

    @override
    def poll(self, flag: int = os.WNOHANG) -> int | None:
        if self.returncode is None:
            no_wait = flag & os.WNOHANG
            ended = self._process.poll() if no_wait else self._process.wait()
            self.returncode = ended
        return self.returncode

    @override
    def terminate(self) -> None:
        # The kernel keeps SIGTERM from an init that has no handler for it.
        self._send_signal(signal.SIGKILL if self._is_init else signal.SIGTERM)

    def _send_signal(self, sig: int) -> None:
        if self.returncode is None:
            self._process.send_signal(sig)


def _close(*held: Hold) -> None:
    for one in held:
        one.close()


class _NewPopen(Protocol):
    def __call__(self, *args: object, **options: object) -> Popen[bytes]: ...
