"""
Every exception.

A failed system call is an ``OSError``, also the builtin that its errno has elsewhere
in Python, and a `NamespaceError`. It carries the call, the types, the reason and what
to do about it. Which errno becomes which is the table in ``_table.py``.
"""

from collections.abc import Iterable
from typing import Self

from ._types import NamespaceType, override

__all__ = [
    "CallError",
    "ClosedNamespaceError",
    "IrreversibleError",
    "MultithreadedError",
    "NamespaceError",
    "NamespaceExistsError",
    "NamespaceGoneError",
    "NamespaceLimitError",
    "NamespacePermissionError",
    "NoSuchNamespaceError",
    "NoSuchProcessError",
    "NotANamespaceError",
    "RestoreError",
    "SpawnError",
    "SystemCallError",
    "UnsupportedError",
    "WrongTypeError",
]


class NamespaceError(Exception):
    """The base of all exceptions of this package; never raised itself."""


class SystemCallError(NamespaceError, OSError):
    """
    The kernel refused a system call.

    Raised itself where no subclass says more.
    """

    syscall: str
    """The call, ``setns``, or for an ioctl its request, ``ioctl(NS_GET_PARENT)``."""

    types: tuple[NamespaceType, ...]
    """The namespace types that the call was about."""

    reason: str | None
    """Why, as far as the errno and the caller's situation tell."""

    hint: str | None
    """What works instead."""

    def __init__(
        self,
        number: int,
        strerror: str,
        filename: str | bytes | None = None,
        *,
        syscall: str = "",
        types: Iterable[NamespaceType] = (),
        reason: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(number, strerror, filename)
        self.syscall = syscall
        self.types = tuple(types)
        self.reason = reason
        self.hint = hint

    @override
    def __str__(self) -> str:
        """Write errno, call, types, path, reason and hint, each where known."""
        call = " ".join([self.syscall, ",".join(self.types)]).strip()
        text = f"[Errno {self.errno}] {self.strerror}"
        if call:
            text += f" [{call}]"
        if self.filename is not None:
            text += f": {self.filename!r}"
        if self.reason:
            text += f": {self.reason}"
        if self.hint:
            text += f" ({self.hint})"
        return text


class NamespacePermissionError(SystemCallError, PermissionError):
    """The caller lacks a right: EPERM, EACCES."""


class NoSuchNamespaceError(SystemCallError, FileNotFoundError):
    """No file has this path: ENOENT. A dead process is a `NoSuchProcessError`."""


class NoSuchProcessError(SystemCallError, ProcessLookupError):
    """The process or thread does not exist, or is dead: ESRCH."""


class NamespaceExistsError(SystemCallError, FileExistsError):
    """The name or id is taken: EEXIST."""


class NamespaceLimitError(SystemCallError):
    """A limit is reached: of namespaces, nesting, descriptors or processes."""


class UnsupportedError(SystemCallError):
    """This kernel has no such call, ioctl or namespace type."""


class MultithreadedError(SystemCallError):
    """The process has threads, and the kernel does this only without."""


class WrongTypeError(SystemCallError, ValueError):
    """The namespace is of another type."""


class NotANamespaceError(SystemCallError, ValueError):
    """The file or descriptor is no namespace."""


class RestoreError(SystemCallError):
    """
    The way back failed: this thread is lost.

    It is in a namespace where it does not belong, and will be for good. Every later
    entry on it raises this error at once. Let the thread end.
    """


class SpawnError(SystemCallError):
    """
    A program could not be started as it was asked for; nothing of it is left.

    It is also the builtin of its errno: where the program is missing, a
    ``FileNotFoundError``.
    """

    step: str
    """
    At what it failed, one of clone, setns, uid_map, gid_map, setgroups, time_offsets,
    cgroup, hostname, loopback, propagation, mount_proc, init, user, caps, supervise,
    chdir and execve.
    """

    def __new__(
        cls,
        number: int,
        strerror: str,
        filename: str | bytes | None = None,
        **_: object,
    ) -> Self:
        """Make the class that is the builtin of the errno as well."""
        builtin = type(OSError(number, strerror))
        for known in cls.__subclasses__():
            if builtin is not OSError and issubclass(known, builtin):
                cls = known  # noqa: PLW0642 - as OSError does it
        return OSError.__new__(cls, number, strerror, filename)

    def __init__(
        self,
        number: int,
        strerror: str,
        filename: str | bytes | None = None,
        *,
        step: str = "",
        syscall: str = "",
        types: Iterable[NamespaceType] = (),
        reason: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(
            number,
            strerror,
            filename,
            syscall=syscall,
            types=types,
            reason=reason,
            hint=hint,
        )
        self.step = step

    @override
    def __reduce__(self) -> tuple[object, ...]:
        # As itself: the class follows from the errno.
        return (SpawnError, *super().__reduce__()[1:])


class _SpawnBlockingIOError(SpawnError, BlockingIOError):
    """EAGAIN."""


class _SpawnFileExistsError(SpawnError, FileExistsError):
    """EEXIST."""


class _SpawnFileNotFoundError(SpawnError, FileNotFoundError):
    """ENOENT."""


class _SpawnInterruptedError(SpawnError, InterruptedError):
    """EINTR."""


class _SpawnIsADirectoryError(SpawnError, IsADirectoryError):
    """EISDIR."""


class _SpawnNotADirectoryError(SpawnError, NotADirectoryError):
    """ENOTDIR."""


class _SpawnPermissionError(SpawnError, PermissionError):
    """EPERM, EACCES."""


class _SpawnProcessLookupError(SpawnError, ProcessLookupError):
    """ESRCH."""


class _SpawnTimeoutError(SpawnError, TimeoutError):
    """ETIMEDOUT."""


for _kind in SpawnError.__subclasses__():
    # One name for whoever reads a traceback.
    _kind.__name__ = _kind.__qualname__ = SpawnError.__name__


class CallError(NamespaceError):
    """
    A function that was called elsewhere has given no answer.

    None that can be handed over: it ended its process or was killed with it, or what it
    returned or raised cannot be pickled, or it cannot be passed to a process itself.
    """

    exitcode: int | None
    """
    The exit status of its process, or the negative number of the signal that killed it.
    Of ``sys.exit`` in a thread, what would have been that. None where nothing has ended
    so.
    """

    def __init__(self, message: str, exitcode: int | None = None) -> None:
        super().__init__(message)
        self.exitcode = exitcode


class IrreversibleError(NamespaceError):
    """Entering was refused beforehand: there would be no way back."""


class ClosedNamespaceError(NamespaceError, ValueError):
    """The handle has been closed."""


class NamespaceGoneError(NamespaceError, LookupError):
    """The namespace has died since the reference to it was made."""
