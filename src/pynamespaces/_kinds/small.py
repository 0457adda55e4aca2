"""The types with little of their own: cgroup, ipc, pid, time, user and uts."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .. import _core, lowlevel
from .._namespace import Namespace
from .._types import NamespaceType
from ..lowlevel._arguments import INT_MAX, in_range

if TYPE_CHECKING:
    from .._core.idmap import IdMap


class CgroupNamespace(Namespace, type=NamespaceType.CGROUP):
    """A cgroup namespace: roots of cgroup paths (:manpage:`cgroup_namespaces(7)`)."""

    __slots__ = ()


class IpcNamespace(Namespace, type=NamespaceType.IPC):
    """
    An ipc namespace: System V IPC and POSIX queues (:manpage:`ipc_namespaces(7)`).

    Entering applies what the thread had registered with ``SEM_UNDO`` at once.
    """

    __slots__ = ()


class PidNamespace(Namespace, type=NamespaceType.PID):
    """A pid namespace: its own process ids (:manpage:`pid_namespaces(7)`)."""

    __slots__ = ()

    def parent(self) -> PidNamespace:
        """
        Open the parent pid namespace.

        See :manpage:`ioctl_nsfs(2)`.

        Raises:
            NamespacePermissionError: It has none, or it lies outside the caller's.
        """
        return cast("PidNamespace", self._adopt(lowlevel.ns_get_parent(self)))

    def pid_here(self, pid_inside: int) -> int:
        """
        Return the id that a process of this namespace has in the caller's.

        By ``NS_GET_PID_FROM_PIDNS`` (Linux 6.11), and then of threads as well; before
        that by the ``NSpid`` of all processes in ``/proc``. An id may have passed to
        another process by the time that it is used. See :manpage:`ioctl_nsfs(2)`.

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

        As `pid_here`, the other way round. See :manpage:`ioctl_nsfs(2)`.

        Raises:
            NoSuchProcessError: There is no such process, or this namespace does not
                have it.
        """
        in_range("pid", pid_here, 1, INT_MAX)
        with self._hold() as fd:
            return _core.pids.pid_inside(fd, pid_here)


class TimeNamespace(Namespace, type=NamespaceType.TIME):
    """A time namespace: its own monotonic clocks (:manpage:`time_namespaces(7)`)."""

    __slots__ = ()

    @property
    def offsets(self) -> dict[str, float]:
        """
        How far its clocks, monotonic and boottime, are ahead of the machine's.

        In seconds; `Namespace.new` takes the same. A helper task with memory of its
        own reads them, so this takes longer in a large process; no thread is moved.
        Where this thread's children are due in a fresh time namespace, it is refused
        (`IrreversibleError`).

        Raises:
            NamespacePermissionError: The caller has no power over the namespace.
        """
        with self._hold() as fd:
            return _core.elsewhere.read_offsets(fd)


class UserNamespace(Namespace, type=NamespaceType.USER):
    """
    A user namespace: its own ids and capabilities (:manpage:`user_namespaces(7)`).

    It cannot be entered and left again; only a new process or thread can join it.
    """

    __slots__ = ()

    @property
    def owner_uid(self) -> int:
        """The uid that made it, as the caller's user namespace has it."""
        return lowlevel.ns_get_owner_uid(self)

    @property
    def uid_map(self) -> IdMap:
        """
        The map of its uids; without triples where none has been written.

        Outer ids are as the caller's user namespace has them (of that one itself, as
        its parent does). A helper task rests inside while it is read; no thread is
        moved.

        Raises:
            NamespacePermissionError: The caller has no power over it, and may look
                into no process that is in it.
        """
        with self._hold() as fd:
            return _core.maps.read_map(fd, "uid")

    @property
    def gid_map(self) -> IdMap:
        """The map of its gids, as `uid_map` of its uids."""
        with self._hold() as fd:
            return _core.maps.read_map(fd, "gid")

    def parent(self) -> UserNamespace:
        """
        Open the parent user namespace.

        See :manpage:`ioctl_nsfs(2)`.

        Raises:
            NamespacePermissionError: It has none, or it lies outside the caller's.
        """
        return cast("UserNamespace", self._adopt(lowlevel.ns_get_parent(self)))


class UtsNamespace(Namespace, type=NamespaceType.UTS):
    """
    A uts namespace: host and domain name (:manpage:`uts_namespaces(7)`).

    A helper task reads and sets the names; no thread is moved. Names are at most 64
    bytes, and what is not UTF-8 in them is kept as ``os.fsdecode`` keeps it. A caller
    without power over the namespace is refused (`NamespacePermissionError`).
    """

    __slots__ = ()

    @property
    def hostname(self) -> str:
        """The host name; see :manpage:`sethostname(2)`."""
        with self._hold() as fd:
            return _core.elsewhere.read_names(fd).host

    @hostname.setter
    def hostname(self, name: str) -> None:
        encoded = _core.create.name_bytes(name)
        with self._hold() as fd:
            _core.elsewhere.write_name(fd, encoded, is_domain=False)

    @property
    def domainname(self) -> str:
        """The NIS domain name; see :manpage:`setdomainname(2)`."""
        with self._hold() as fd:
            return _core.elsewhere.read_names(fd).domain

    @domainname.setter
    def domainname(self, name: str) -> None:
        encoded = _core.create.name_bytes(name)
        with self._hold() as fd:
            _core.elsewhere.write_name(fd, encoded, is_domain=True)
