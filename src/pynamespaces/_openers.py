"""
The ways to open a `Namespace`, each typed by the type that it is asked for.

``Namespace.from_pid(1, "net")`` is a `NetNamespace` for type checkers too, which takes
one overload for each type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from ._core import reach
from ._types import NamespaceType, TypeLike
from .lowlevel._arguments import INT_MAX, Descriptor, in_range

if TYPE_CHECKING:
    from ._kinds import (
        CgroupNamespace,
        IpcNamespace,
        MountNamespace,
        NetNamespace,
        PidNamespace,
        TimeNamespace,
        UserNamespace,
        UtsNamespace,
    )
    from ._namespace import Namespace

Cgroup: TypeAlias = Literal["cgroup", NamespaceType.CGROUP]
Ipc: TypeAlias = Literal["ipc", NamespaceType.IPC]
Mnt: TypeAlias = Literal["mnt", NamespaceType.MNT]
Net: TypeAlias = Literal["net", NamespaceType.NET]
Pid: TypeAlias = Literal["pid", NamespaceType.PID]
Time: TypeAlias = Literal["time", NamespaceType.TIME]
User: TypeAlias = Literal["user", NamespaceType.USER]
Uts: TypeAlias = Literal["uts", NamespaceType.UTS]


class Openers:
    """The class methods of `Namespace` that open one."""

    __slots__ = ()

    @classmethod
    def _wanted(cls, type: TypeLike | None) -> NamespaceType | None:
        raise NotImplementedError

    @classmethod
    def _required(cls, type: TypeLike) -> NamespaceType:
        raise NotImplementedError

    @classmethod
    def _adopt(cls, fd: int) -> Namespace:
        raise NotImplementedError

    @overload
    @classmethod
    def from_pid(cls, pid: int, type: Cgroup) -> CgroupNamespace: ...
    @overload
    @classmethod
    def from_pid(cls, pid: int, type: Ipc) -> IpcNamespace: ...
    @overload
    @classmethod
    def from_pid(cls, pid: int, type: Mnt) -> MountNamespace: ...
    @overload
    @classmethod
    def from_pid(cls, pid: int, type: Net) -> NetNamespace: ...
    @overload
    @classmethod
    def from_pid(cls, pid: int, type: Pid) -> PidNamespace: ...
    @overload
    @classmethod
    def from_pid(cls, pid: int, type: Time) -> TimeNamespace: ...
    @overload
    @classmethod
    def from_pid(cls, pid: int, type: User) -> UserNamespace: ...
    @overload
    @classmethod
    def from_pid(cls, pid: int, type: Uts) -> UtsNamespace: ...
    @overload
    @classmethod
    def from_pid(cls, pid: int, type: TypeLike) -> Namespace: ...
    @classmethod
    def from_pid(cls, pid: int, type: TypeLike) -> Namespace:
        """
        Open a namespace of a process or a thread.

        Safe against reuse: the namespace is that of the process that had the id when
        the call began, or the call fails. No thread is moved. Of the types pid and
        time it is the process's own, not where its children are born.

        Args:
            pid: A process or thread id, as the caller's pid namespace has it.

            type: Which of its namespaces.

        Raises:
            NoSuchProcessError: There is no such process, or it is dead.

            NamespacePermissionError: The caller may not look into it
                (:manpage:`ptrace(2)`, PTRACE_MODE_READ_FSCREDS).

            UnsupportedError: The kernel has no such type.

            ValueError: *pid* is not positive, or *type* is none of the eight.
        """
        wanted = cls._required(type)
        in_range("pid", pid, 1, INT_MAX)
        return cls._adopt(reach.open_of_pid(pid, wanted))

    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: Cgroup) -> CgroupNamespace: ...
    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: Ipc) -> IpcNamespace: ...
    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: Mnt) -> MountNamespace: ...
    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: Net) -> NetNamespace: ...
    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: Pid) -> PidNamespace: ...
    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: Time) -> TimeNamespace: ...
    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: User) -> UserNamespace: ...
    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: Uts) -> UtsNamespace: ...
    @overload
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: TypeLike) -> Namespace: ...
    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, type: TypeLike) -> Namespace:
        """
        Open a namespace of the process that a pidfd refers to.

        No thread is moved. See :manpage:`pidfd_open(2)`.

        Args:
            pidfd: A pidfd, or anything with ``fileno()``; it stays the caller's.

            type: Which of its namespaces.

        Raises:
            NoSuchProcessError: The process is dead.

            NamespacePermissionError: The caller may not look into it.

            ValueError: *type* is none of the eight.
        """
        wanted = cls._required(type)
        return cls._adopt(reach.open_of_pidfd(pidfd, wanted))

    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: Cgroup) -> CgroupNamespace: ...
    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: Ipc) -> IpcNamespace: ...
    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: Mnt) -> MountNamespace: ...
    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: Net) -> NetNamespace: ...
    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: Pid) -> PidNamespace: ...
    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: Time) -> TimeNamespace: ...
    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: User) -> UserNamespace: ...
    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: Uts) -> UtsNamespace: ...
    @overload
    @classmethod
    def from_path(cls, path: reach.Path, type: TypeLike | None = None) -> Namespace: ...
    @classmethod
    def from_path(cls, path: reach.Path, type: TypeLike | None = None) -> Namespace:
        """
        Open a namespace by a file: a link under ``/proc/PID/ns``, or a bind mount.

        Whatever else the path leads to is not opened. No thread is moved. A name that
        ``ip netns`` made is at ``/run/netns/NAME``. See :manpage:`namespaces(7)`.

        Args:
            path: The file.

            type: What the namespace must be; any type if not given.

        Raises:
            NoSuchNamespaceError: There is no such file.

            NotANamespaceError: The file is no namespace.

            WrongTypeError: The namespace is of another type.

            NamespacePermissionError: The path may not be searched, or the process
                not be looked into.
        """
        return cls._adopt(reach.open_path(path, cls._wanted(type)))

    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: Cgroup) -> CgroupNamespace: ...
    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: Ipc) -> IpcNamespace: ...
    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: Mnt) -> MountNamespace: ...
    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: Net) -> NetNamespace: ...
    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: Pid) -> PidNamespace: ...
    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: Time) -> TimeNamespace: ...
    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: User) -> UserNamespace: ...
    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: Uts) -> UtsNamespace: ...
    @overload
    @classmethod
    def from_fd(cls, fd: Descriptor, type: TypeLike | None = None) -> Namespace: ...
    @classmethod
    def from_fd(cls, fd: Descriptor, type: TypeLike | None = None) -> Namespace:
        """
        Open a namespace by a descriptor of it, which is duplicated.

        No thread is moved. See :manpage:`dup(2)`.

        Args:
            fd: A descriptor, or anything with ``fileno()``; it stays the caller's.

            type: What the namespace must be; any type if not given.

        Raises:
            NotANamespaceError: The descriptor is no namespace. For a pidfd use
                `from_pidfd`.

            WrongTypeError: The namespace is of another type.
        """
        wanted = cls._wanted(type)
        return cls._adopt(reach.require_type(reach.duplicate(fd), wanted))

    @overload
    @classmethod
    def current(cls, type: Cgroup) -> CgroupNamespace: ...
    @overload
    @classmethod
    def current(cls, type: Ipc) -> IpcNamespace: ...
    @overload
    @classmethod
    def current(cls, type: Mnt) -> MountNamespace: ...
    @overload
    @classmethod
    def current(cls, type: Net) -> NetNamespace: ...
    @overload
    @classmethod
    def current(cls, type: Pid) -> PidNamespace: ...
    @overload
    @classmethod
    def current(cls, type: Time) -> TimeNamespace: ...
    @overload
    @classmethod
    def current(cls, type: User) -> UserNamespace: ...
    @overload
    @classmethod
    def current(cls, type: Uts) -> UtsNamespace: ...
    @overload
    @classmethod
    def current(cls, type: TypeLike) -> Namespace: ...
    @classmethod
    def current(cls, type: TypeLike) -> Namespace:
        """
        Open a namespace of the calling thread, not that of its process's leader.

        Of the types pid and time it is the thread's own, not where its children are
        born. See :manpage:`namespaces(7)`.

        Raises:
            UnsupportedError: The kernel has no such type.

            ValueError: *type* is none of the eight.
        """
        return cls._adopt(reach.open_current(cls._required(type)))
