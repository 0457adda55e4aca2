"""The eight subclasses of `Namespace`, and what only they can do."""

from __future__ import annotations

from typing import cast

from . import lowlevel
from ._namespace import Namespace
from ._types import NamespaceType


class CgroupNamespace(Namespace, type=NamespaceType.CGROUP):
    """A cgroup namespace: roots of cgroup paths (:manpage:`cgroup_namespaces(7)`)."""

    __slots__ = ()


class IpcNamespace(Namespace, type=NamespaceType.IPC):
    """
    An ipc namespace: System V IPC and POSIX queues (:manpage:`ipc_namespaces(7)`).

    Entering applies what the thread had registered with ``SEM_UNDO`` at once.
    """

    __slots__ = ()


class MountNamespace(Namespace, type=NamespaceType.MNT):
    """A mount namespace: a tree of mounts (:manpage:`mount_namespaces(7)`)."""

    __slots__ = ()


class NetNamespace(Namespace, type=NamespaceType.NET):
    """A network namespace: its own network stack (:manpage:`network_namespaces(7)`)."""

    __slots__ = ()


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


class TimeNamespace(Namespace, type=NamespaceType.TIME):
    """A time namespace: its own monotonic clocks (:manpage:`time_namespaces(7)`)."""

    __slots__ = ()


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

    def parent(self) -> UserNamespace:
        """
        Open the parent user namespace.

        Raises:
            NamespacePermissionError: It has none, or it lies outside the caller's.
        """
        return cast("UserNamespace", self._adopt(lowlevel.ns_get_parent(self)))


class UtsNamespace(Namespace, type=NamespaceType.UTS):
    """A uts namespace: host and domain name (:manpage:`uts_namespaces(7)`)."""

    __slots__ = ()
