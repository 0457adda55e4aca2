"""`NamespaceSet`: namespaces of several types, entered and left as one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeVar, overload

from . import _core, _proc
from ._calling import Caller
from ._core import reach, switch
from ._creating import held_owner
from ._lib import Target
from ._namespace import Namespace
from ._types import (
    CloneFlag,
    NamespaceType,
    TypeLike,
    flags_of,
    override,
    parse_types,
)
from .errors import SystemCallError, UnsupportedError
from .lowlevel._arguments import INT_MAX, Descriptor, in_range

if TYPE_CHECKING:
    from ._core.idmap import IdMap
    from ._kinds import UserNamespace

_Default = TypeVar("_Default")

_NO_PROCESS: Final = -1


class NamespaceSet(Caller, Mapping[NamespaceType, Namespace]):
    """
    At most one namespace of each type, as a mapping by type.

    ``with`` enters all that the calling thread is not in already, or none: a failure
    half-way puts the thread back before it is raised. ``set["net"]`` and
    ``set[NamespaceType.NET]`` are the same.

    The set holds the objects that it was given, and `close` closes them.

    Args:
        namespaces: The members.

    Raises:
        ValueError: Two of them are of one type.
    """

    __slots__ = ("__weakref__", "_members", "_owner", "_pidfd")

    _members: dict[NamespaceType, Namespace]
    _pidfd: int
    """A process that had all of them when they were opened, or -1."""

    def __init__(self, namespaces: Iterable[Namespace] = ()) -> None:
        self._pidfd = _NO_PROCESS
        self._owner = switch.new_owner()
        self._members = {}
        for namespace in namespaces:
            if not isinstance(namespace, Namespace):
                kind = type(namespace).__name__
                raise TypeError(f"a NamespaceSet is made of Namespaces, not {kind}")
            other = self._members.setdefault(namespace.type, namespace)
            if other is not namespace:
                raise ValueError(
                    f"two namespaces of type {other.type}: {other!r}, {namespace!r}"
                )

    @classmethod
    def from_pid(cls, pid: int, *types: TypeLike) -> Self:
        """
        Open namespaces of a process or thread: those *types*, or all that there are.

        As `Namespace.from_pid`, which see; all are of one process, and no other.
        """
        wanted = parse_types(types)
        in_range("pid", pid, 1, INT_MAX)
        try:
            pidfd = reach.pin_process(pid)
        except SystemCallError as error:
            if error.errno != errno.EINVAL:
                raise
            # A thread, and no pidfds of threads before Linux 6.9.
            self = cls()
            self._open_each(wanted, lambda type: Namespace.from_pid(pid, type))
            return self
        return cls._from_own_pidfd(pidfd, wanted)

    @classmethod
    def from_pidfd(cls, pidfd: Descriptor, *types: TypeLike) -> Self:
        """
        Open namespaces of a pidfd's process: those *types*, or all that there are.

        As `Namespace.from_pidfd`; the pidfd is duplicated and stays the caller's.
        """
        wanted = parse_types(types)
        return cls._from_own_pidfd(reach.duplicate(pidfd), wanted)

    @classmethod
    def from_container(cls, id_or_name: str, *types: TypeLike) -> Self:
        """
        Open namespaces of a container, as `Namespace.from_container` opens one.

        Root and the caller are trusted to say which it is, and nobody else.
        """
        wanted = parse_types(types)
        return cls._from_own_pidfd(_core.inits.open_init(id_or_name), wanted)

    @classmethod
    def _from_own_pidfd(cls, pidfd: int, types: tuple[NamespaceType, ...]) -> Self:
        """Open the members, and take *pidfd* over; it is closed if that fails."""
        self = cls()
        self._pidfd = pidfd
        self._open_each(types, lambda type: Namespace.from_pidfd(pidfd, type))
        return self

    @classmethod
    def current(cls, *types: TypeLike) -> Self:
        """Open namespaces of the calling thread: those *types*, or all that it has."""
        self = cls()
        self._open_each(parse_types(types), Namespace.current)
        return self

    @classmethod
    def new(
        cls,
        *types: TypeLike,
        uid_map: IdMap | None = None,
        gid_map: IdMap | None = None,
        time_offsets: Mapping[str, float] | None = None,
        hostname: str | None = None,
        loopback: bool = True,
        owner: UserNamespace | None = None,
    ) -> Self:
        """
        Make fresh namespaces of those *types*; the caller stays where it is.

        As `Namespace.new`, which see; all are made, or none. Where user is among them
        it owns the others, and then an ordinary user may make them all.

        Raises:
            ValueError: *types* has pid, or is empty: all types cannot be had so.
        """
        wanted = parse_types(types)
        with held_owner(owner) as owner_fd:
            plan = _core.create.Plan(
                wanted,
                uid_map=uid_map,
                gid_map=gid_map,
                time_offsets=time_offsets,
                hostname=hostname,
                loopback=loopback,
                owner=owner_fd,
            )
            return cls(_core.create.fresh(plan, Namespace._adopt))

    def _open_each(
        self,
        types: tuple[NamespaceType, ...],
        opener: Callable[[NamespaceType], Namespace],
    ) -> None:
        """Add a member of each type; without types, of each that the kernel has."""
        try:
            for type in types or NamespaceType:
                try:
                    self._members[type] = opener(type)
                except UnsupportedError:
                    if types or type in (_proc.namespace_types() or ()):
                        raise
        except BaseException:
            self.close()
            raise

    @override
    def __getitem__(self, type: TypeLike) -> Namespace:
        return self._members[NamespaceType(type)]

    @overload
    def get(self, key: TypeLike, /) -> Namespace | None: ...
    @overload
    def get(self, key: TypeLike, default: Namespace, /) -> Namespace: ...
    @overload
    def get(self, key: TypeLike, default: _Default, /) -> Namespace | _Default: ...
    @override
    def get(
        self, key: TypeLike, default: Namespace | _Default | None = None, /
    ) -> Namespace | _Default | None:
        """Return the member of a type, or *default*."""
        return self._members.get(NamespaceType(key), default)

    @override
    def __iter__(self) -> Iterator[NamespaceType]:
        return iter(self._members)

    @override
    def __len__(self) -> int:
        return len(self._members)

    @override
    def __contains__(self, type: object) -> bool:
        return type in self._members

    @property
    def flags(self) -> CloneFlag:
        """The ``CLONE_NEW*`` flags of the members' types in one value."""
        return flags_of(tuple(self._members))

    def differing(self, other: Mapping[NamespaceType, Namespace]) -> NamespaceSet:
        """
        Return a set of those members that are not in *other*.

        It holds the same objects, so closing either set closes them for both.
        """
        if not isinstance(other, Mapping):
            kind = type(other).__name__
            raise TypeError(f"a set differs from a mapping of Namespaces, not {kind}")
        return NamespaceSet(
            namespace
            for type, namespace in self._members.items()
            if other.get(type) != namespace
        )

    def close(self) -> None:
        """Close every member. Closing twice is allowed."""
        pidfd, self._pidfd = self._pidfd, _NO_PROCESS
        if pidfd != _NO_PROCESS:
            os.close(pidfd)
        for namespace in self._members.values():
            namespace.close()

    def __del__(self) -> None:
        # Members may be in use elsewhere; each closes itself when it is not.
        pidfd = getattr(self, "_pidfd", _NO_PROCESS)
        if pidfd != _NO_PROCESS:
            os.close(pidfd)

    def enter(self, *, unshare_fs: bool = False) -> switch.Entry[Self]:
        """
        Return a context manager that moves the calling thread here and back.

        As `Namespace.enter` for each member where the thread is not already, in one
        step: all are entered, or none. If one of them would be refused, so is all. See
        :manpage:`setns(2)`.

        Args:
            unshare_fs: As in `Namespace.enter`.

        Raises:
            IrreversibleError: As `Namespace.enter`: always so for a user namespace
                that is not the thread's own. Leave it out to enter the others.

            RestoreError: As `Namespace.enter`; also when a failure half-way could not
                be put back.
        """
        return switch.Entry(self, self._targets(), unshare_fs=unshare_fs)

    def __enter__(self) -> Self:
        """Move the calling thread, as ``enter()`` does."""
        targets = self._targets()
        switch.enter_all(self._owner, targets, tuple(self))
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Bring the calling thread back."""
        switch.leave(self._owner, tuple(self))

    @override
    def _called_in(self) -> Sequence[Namespace]:
        self._targets()  # A member that was closed is an error.
        return tuple(self._members.values())

    def _targets(self) -> list[Target]:
        return [namespace._record() for namespace in self._members.values()]

    def _has_process_with_all(self) -> bool:
        """Return whether the process that the set was made of still has all members."""
        if self._pidfd == _NO_PROCESS:
            return False
        try:
            now = type(self).from_pidfd(self._pidfd, *self._members)
        except SystemCallError:
            return False
        right = all(now[type] == member for type, member in self._members.items())
        now.close()
        return right

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or copied, since descriptors "
            "belong to their process"
        )

    @override
    def __repr__(self) -> str:
        members = ", ".join(str(member.id) for member in self._members.values())
        return f"<{type(self).__name__} {members}>"
