"""Mount namespaces: their files and their mounts, without going there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from .. import _core
from .._namespace import Namespace
from .._types import NamespaceType, override

if TYPE_CHECKING:
    from .._core.mounts import Mount
    from .._core.reach import Path


class MountNamespace(Namespace, type=NamespaceType.MNT):
    """A mount namespace: a tree of mounts (:manpage:`mount_namespaces(7)`)."""

    __slots__ = ()

    @override
    def __enter__(self) -> Self:
        """Move the calling thread."""
        _core.load_all()
        return super().__enter__()

    def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        """
        Open a file as it is in this namespace; no thread is moved.

        A helper task does it, from the root of the namespace; that of a process which
        was only chrooted lies elsewhere in it. (In the calling thread's own namespace,
        a caller without power starts from its own root.) A relative path starts there
        too. Symbolic links lead where they lead there, and never out: those of
        ``/proc`` that are more than a path (``/proc/PID/root``, ``/proc/self/fd/N``)
        are refused.

        The task never waits for another end, as of a FIFO: one without a reader
        cannot be opened for writing (ENXIO). See :manpage:`openat2(2)`, Linux 5.6.

        Args:
            path: The file.

            flags: As of ``os.open``. O_CLOEXEC and O_NOCTTY are always set.

            mode: The permissions of a file that is made, less the thread's umask.

        Returns:
            A descriptor, which is the caller's to close.

        Raises:
            OSError: As ``os.open``; ELOOP also for a link of ``/proc``.

            NamespacePermissionError: The caller may not enter the namespace, or not
                open the file.

            UnsupportedError: openat2(2) is not to be had.
        """
        with self._hold() as fd:
            return _core.elsewhere.open_file(fd, path, flags, mode)

    def mounts(self) -> list[Mount]:
        """
        List the mounts of this namespace; no thread is moved.

        By :manpage:`listmount(2)` and :manpage:`statmount(2)` where the kernel has
        them, or else by the ``mountinfo`` of a helper task that enters.

        Raises:
            NamespacePermissionError: The caller has no power over the namespace.
        """
        with self._hold() as fd:
            return _core.mounts.list_mounts(fd)
