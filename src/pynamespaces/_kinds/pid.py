"""Pid namespaces: their parents, and the ids of their processes."""

from __future__ import annotations

from typing import cast

from .. import _core, lowlevel
from .._namespace import Namespace
from .._types import NamespaceType
from ..lowlevel._arguments import INT_MAX, in_range


class PidNamespace(Namespace, type=NamespaceType.PID):
    """A pid namespace: its own process ids (:manpage:`pid_namespaces(7)`)."""

    __slots__ = ()

    def parent(self) -> PidNamespace:
        """
        Open the parent pid namespace.

        Raises:
            NamespacePermissionError: It has none, or it lies outside the caller's.
        """
        return cast("PidNamespace", self._adopt(lowlevel.ns_get_parent(self)))

    def pid_here(self, pid_inside: int) -> int:
        """
        Return the id that a process of this namespace has in the caller's.

        By ``NS_GET_PID_FROM_PIDNS`` (Linux 6.11), and then of threads as well; before
        that by the ``NSpid`` of all processes in ``/proc``. An id may have passed to
        another process by the time that it is used.

        Raises:
            NoSuchProcessError: No process inside has that id, or the caller's pid
                namespace does not have that process.
        """
        in_range("pid", pid_inside, 1, INT_MAX)
        with self._hold() as fd:
            return _core.pids.pid_here(fd, pid_inside)

    def pid_inside(self, pid_here: int) -> int:
        """
        Return the id that a process of the caller's pid namespace has in this one.

        As `pid_here`, the other way round.

        Raises:
            NoSuchProcessError: There is no such process, or this namespace does not
                have it.
        """
        in_range("pid", pid_here, 1, INT_MAX)
        with self._hold() as fd:
            return _core.pids.pid_inside(fd, pid_here)
