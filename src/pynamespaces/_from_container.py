"""`Namespace.from_container`: of a container by its id or name, typed by the type."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, overload

from . import _core
from ._core import reach
from ._openers import Openers
from ._types import TypeLike

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
    from ._openers import Cgroup, Ipc, Mnt, Net, Pid, Time, User, Uts


class ContainerOpeners(Openers):
    """The class method of `Namespace` that opens one of a container."""

    __slots__ = ()

    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: Cgroup) -> CgroupNamespace: ...
    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: Ipc) -> IpcNamespace: ...
    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: Mnt) -> MountNamespace: ...
    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: Net) -> NetNamespace: ...
    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: Pid) -> PidNamespace: ...
    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: Time) -> TimeNamespace: ...
    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: User) -> UserNamespace: ...
    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: Uts) -> UtsNamespace: ...
    @overload
    @classmethod
    def from_container(cls, id_or_name: str, type: TypeLike) -> Namespace: ...
    @classmethod
    def from_container(cls, id_or_name: str, type: TypeLike) -> Namespace:
        """
        Open a namespace of a container: that of its first process.

        No daemon is asked. Known are the containers of Docker, podman, containerd,
        cri-o, systemd-nspawn and LXC by the cgroups of their processes, and those of
        runc and crun by the state that these keep. No thread is moved. See
        :manpage:`cgroups(7)`.

        Trusted are root, and the caller: their files, and else their cgroups, as
        anybody may call a cgroup like a container. Files count for more. A process that
        only a cgroup tells of is not taken if it is in the caller's mount namespace;
        nor with power, if no mount of cgroups shows whose that one is. What runs as
        root's uid without a user namespace of its own, is root here, also if that is in
        a container.

        Args:
            id_or_name: The id, or the beginning of just one; or a name. A name is known
                where the files of Docker or podman may be read, and is all that
                systemd-nspawn and LXC have.

            type: Which of its namespaces.

        Raises:
            NamespaceGoneError: There is no such container, or it is not running. The
                message says which files could not be read, and which cgroups are not
                believed.

            NoSuchProcessError: It has ended meanwhile.

            NamespacePermissionError: The caller may not look into it.

            UnsupportedError: The kernel has no such type.

            ValueError: Several containers are called so, which the message names; or
                *type* is none of the eight.
        """
        wanted = cls._required(type)
        pidfd = _core.inits.open_init(id_or_name)
        try:
            return cls._adopt(reach.open_of_pidfd(pidfd, wanted))
        finally:
            os.close(pidfd)
