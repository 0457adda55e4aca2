"""`Namespace.new`: a fresh namespace of a type, typed by that type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, overload

from . import _core
from ._core.switch import Enterable
from ._openers import Openers
from ._types import NamespaceType, TypeLike, shown

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ._core.idmap import IdMap
    from ._kinds import (
        CgroupNamespace,
        IpcNamespace,
        MountNamespace,
        NetNamespace,
        TimeNamespace,
        UserNamespace,
        UtsNamespace,
    )
    from ._namespace import Namespace
    from ._openers import Cgroup, Ipc, Mnt, Net, Time, User, Uts


class NoOwner:
    """What stands for the caller's own user namespace, as a context manager."""

    def __enter__(self) -> int:
        return _core.create.NO_OWNER

    def __exit__(self, *_: object) -> None:
        pass


def held_owner(owner: UserNamespace | None) -> AbstractContextManager[int]:
    """Lend a descriptor of the user namespace to make others in, or NO_OWNER."""
    if owner is None:
        return NoOwner()
    given: object = owner
    if not isinstance(given, Enterable) or given._types != (NamespaceType.USER,):
        raise TypeError(f"an owner is a UserNamespace, not {shown(owner)}")
    return NoOwner() if owner.is_current() else owner._hold()


class Makers(Openers):
    """The class method of `Namespace` that makes one."""

    __slots__ = ()

    @overload
    @classmethod
    def new(
        cls, type: Cgroup, *, owner: UserNamespace | None = None
    ) -> CgroupNamespace: ...
    @overload
    @classmethod
    def new(cls, type: Ipc, *, owner: UserNamespace | None = None) -> IpcNamespace: ...
    @overload
    @classmethod
    def new(
        cls, type: Mnt, *, owner: UserNamespace | None = None
    ) -> MountNamespace: ...
    @overload
    @classmethod
    def new(
        cls, type: Net, *, loopback: bool = True, owner: UserNamespace | None = None
    ) -> NetNamespace: ...
    @overload
    @classmethod
    def new(
        cls,
        type: Time,
        *,
        time_offsets: Mapping[str, float] | None = None,
        owner: UserNamespace | None = None,
    ) -> TimeNamespace: ...
    @overload
    @classmethod
    def new(
        cls,
        type: User,
        *,
        uid_map: IdMap | None = None,
        gid_map: IdMap | None = None,
    ) -> UserNamespace: ...
    @overload
    @classmethod
    def new(
        cls,
        type: Uts,
        *,
        hostname: str | None = None,
        owner: UserNamespace | None = None,
    ) -> UtsNamespace: ...
    @overload
    @classmethod
    def new(
        cls,
        type: TypeLike,
        *,
        uid_map: IdMap | None = None,
        gid_map: IdMap | None = None,
        time_offsets: Mapping[str, float] | None = None,
        hostname: str | None = None,
        loopback: bool = True,
        owner: UserNamespace | None = None,
    ) -> Namespace: ...
    @classmethod
    def new(
        cls,
        type: TypeLike,
        *,
        uid_map: IdMap | None = None,
        gid_map: IdMap | None = None,
        time_offsets: Mapping[str, float] | None = None,
        hostname: str | None = None,
        loopback: bool = True,
        owner: UserNamespace | None = None,
    ) -> Namespace:
        """
        Make a fresh namespace; the caller stays where it is.

        A helper task makes it, sets it up and is gone: no process is left behind, and
        no thread is moved. The descriptor keeps the namespace alive. What it costs
        does not grow with the process, but with *owner*. See :manpage:`unshare(2)`.

        An ordinary user may make a user namespace, and others only together with one
        (`NamespaceSet.new`) or in one that it made before (*owner*). There is no fresh
        pid namespace without an init: a ``Popen`` makes one.

        A fresh mount namespace is a copy of the calling thread's, and passes mounts
        neither on nor in.

        Args:
            type: Which.

            uid_map: Of a user namespace: its uids; `IdMap.root` if not given. Written
                from the inside where it maps no more than the caller's own ids, else
                with the caller's power or by newuidmap and newgidmap.

            gid_map: As *uid_map*, for gids. From the inside, and by newgidmap for the
                caller's own gid only, :manpage:`setgroups(2)` is denied for good.

            time_offsets: Of a time namespace: how far its clocks ``"monotonic"`` and
                ``"boottime"`` are ahead of the machine's, in seconds.

            hostname: Of a uts namespace: its host name; the caller's if not given.

            loopback: Of a net namespace: bring ``lo`` up.

            owner: The user namespace to make it in; the caller's if not given.

        Raises:
            NamespacePermissionError: The kernel does not allow it to this caller.

            NamespaceLimitError: A limit on namespaces, processes or descriptors.

            UnsupportedError: The kernel has no such type.

            ValueError: *type* is pid, or an argument is for another type.
        """
        wanted = cls._required(type)
        with held_owner(owner) as owner_fd:
            plan = _core.create.Plan(
                (wanted,),
                uid_map=uid_map,
                gid_map=gid_map,
                time_offsets=time_offsets,
                hostname=hostname,
                loopback=loopback,
                owner=owner_fd,
            )
            return _core.create.fresh(plan, cls._adopt)[0]
