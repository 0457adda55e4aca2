"""A program whose namespace calls are asked about, from its start to its end."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Final, Protocol, Self, cast

from ..process import Popen
from ._filter import program

if TYPE_CHECKING:
    from ..process._options import Args
    from ._filter import Clone3


class _Start(Protocol):
    def __call__(self, args: Args, **options: object) -> None: ...


class Supervised(Popen[bytes]):
    """A program whose calls are asked about; it ends with this object at the latest."""

    _is_brief = True

    @classmethod
    def start(cls, command: Args, clone3: Clone3, options: dict[str, object]) -> Self:
        """Start a program; whatever goes wrong, nothing of it is left."""
        # Held from before it is started: a signal handler may raise at any time.
        process = cls.__new__(cls)
        _supervised.add(process)
        process._filter = program(clone3)
        try:
            cast("_Start", process.__init__)(command, **options)  # type: ignore[misc]
        except BaseException:
            process.end()
            raise
        return process

    @property
    def listener(self) -> int:
        """The listener, which stays this object's."""
        return -1 if self._child is None else self._child.listener

    def end_listening(self) -> None:
        """Answer no more: calls that are asked about fail by ENOSYS from now on."""
        if self._child is not None:
            self._child.end_listening()

    def end(self) -> None:
        """Kill it if it still runs, reap it and close all. Twice is allowed."""
        if self._child is None:
            return
        try:
            if self._child_created and self.poll() is None:
                self.kill()
                self.wait()
        finally:
            self._child.abandon()


_supervised: Final[weakref.WeakSet[Supervised]] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """Hold no listener in a forked child: without the parent, calls would hang."""
    for process in list(_supervised):
        process.end_listening()


os.register_at_fork(after_in_child=_leave_to_parent)
