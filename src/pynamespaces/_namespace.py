"""`Namespace`: a strong reference to one namespace, by an open descriptor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, Self, cast

from . import _core, lowlevel
from ._calling import Caller
from ._core import reach, switch
from ._creating import Makers
from ._from_container import ContainerOpeners
from ._lib import Target
from ._types import NamespaceId, NamespaceType, TypeLike, override
from .errors import ClosedNamespaceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._kinds import UserNamespace
    from ._ref import NamespaceRef

_CLOSED: Final = -1

_kinds: Final[dict[NamespaceType, type[Namespace]]] = {}


class Namespace(Makers, ContainerOpeners, Caller, switch.Enterable):
    """
    An open namespace, which lives at least as long as this object.

    It is made by the ``from_`` methods, `current` or `new`, as the subclass of its
    type. It owns one descriptor, and closes it when told to or when nobody uses it any
    more. ``with`` enters it: the calling thread moves, and comes back at the end.

    Two are equal when they are the same namespace. A descriptor belongs to its
    process: neither copying nor pickling one is possible.
    """

    __slots__ = ("__weakref__", "_id")

    _type: ClassVar[NamespaceType | None] = None
    _ref_class: ClassVar[type[NamespaceRef]]
    _id: NamespaceId

    def __init__(self) -> None:
        raise TypeError(
            f"{type(self).__name__} is opened by from_pid, from_pidfd, from_path, "
            "from_fd or current, and made by new"
        )

    def __init_subclass__(cls, *, type: NamespaceType | None = None) -> None:
        """Register the class of a type."""
        if type is not None:
            cls._type = type
            _kinds[type] = cls

    @classmethod
    @override
    def _wanted(cls, type: TypeLike | None) -> NamespaceType | None:
        """Return the type to open: the one asked for, which must be the class's."""
        if type is None:
            return cls._type
        wanted = NamespaceType(type)
        if cls._type not in (None, wanted):
            raise ValueError(
                f"{cls.__name__} is of type {cls._type}, not {wanted}: "
                f"use Namespace for any type"
            )
        return wanted

    @classmethod
    @override
    def _required(cls, type: TypeLike) -> NamespaceType:
        return cls._wanted(type) or NamespaceType(type)

    @classmethod
    @override
    def _adopt(cls, fd: int) -> Namespace:
        """Make an object that owns *fd*, which is closed if that fails."""
        try:
            target, identity = reach.identify(fd)
            kind = cls if cls._type is identity.type else _kinds[identity.type]
            self = object.__new__(kind)
        except BaseException:
            os.close(fd)
            raise
        self._target = target
        self._id = identity
        self._types = (identity.type,)
        return self

    @property
    def type(self) -> NamespaceType:
        """The type of the namespace."""
        return self._id.type

    @property
    def id(self) -> NamespaceId:
        """Which namespace it is, as plain data; known after closing too."""
        return self._id

    @property
    def closed(self) -> bool:
        """Whether the descriptor has been closed."""
        return self._target.fd == _CLOSED

    def fileno(self) -> int:
        """
        Return the descriptor; it stays owned by this object.

        Raises:
            ClosedNamespaceError: It has been closed.
        """
        fd = self._target.fd
        if fd == _CLOSED:
            raise ClosedNamespaceError(f"{self!r} is closed")
        return fd

    def close(self) -> None:
        """
        Close the descriptor. Closing twice is allowed.

        Threads that are inside stay inside, and come back as ever.
        """
        fd, self._target.fd = self._target.fd, _CLOSED
        if fd != _CLOSED:
            os.close(fd)

    def __del__(self) -> None:
        # An object that was never made has no descriptor to close.
        if hasattr(self, "_target"):
            self.close()

    def owner(self) -> UserNamespace:
        """
        Open the user namespace that owns this one; of a user namespace, its parent.

        See :manpage:`ioctl_nsfs(2)`.

        Raises:
            NamespacePermissionError: It lies outside the caller's user namespace.
        """
        owner = Namespace._adopt(lowlevel.ns_get_userns(self))
        return cast("UserNamespace", owner)

    def is_current(self) -> bool:
        """
        Return whether the calling thread is in this namespace.

        Of the types pid and time this is about the thread itself, not its children.
        """
        self.fileno()
        return reach.is_current(self._id)

    def ref(self) -> NamespaceRef[Self]:
        """
        Return a weak reference: it does not keep the namespace alive.

        Other processes can open the namespace by it, as long as it lives. It holds a
        file handle of the namespace since Linux 6.18, where no filter forbids it.

        Raises:
            ClosedNamespaceError: It has been closed.
        """
        return self._ref_class._of(self)

    def enter(self, *, unshare_fs: bool = False) -> switch.Entry[Self]:
        """
        Return a context manager that moves the calling thread here and back.

        ``with ns:`` is ``with ns.enter():``. Where the thread already is, nothing
        changes and nothing is refused. Threads started inside stay inside for ever,
        as do processes.

        Of type mnt, root and working directory move along, and come back exactly. Of
        type pid, the thread itself stays where it is: its children are born there,
        and it cannot start threads. See :manpage:`setns(2)`.

        Args:
            unshare_fs: Allow that this thread gets its own root, working directory
                and umask, for good. A process with threads can enter a mount
                namespace only so.

        Raises:
            IrreversibleError: There would be no way back; nothing was changed.

            NamespacePermissionError: The kernel does not allow it.

            MultithreadedError: The kernel does not allow it to a process with
                threads (time; mnt without *unshare_fs*).

            RestoreError: This thread could not come back earlier; or, at the end, it
                cannot now. It is lost for further entries.

            RuntimeError: At the end: left on another thread, or not in reverse order;
                nothing was changed.
        """
        return switch.Entry(self, [self._record()], unshare_fs=unshare_fs)

    def pin(self, path: reach.Path) -> None:
        """
        Make a file at *path*, and mount this namespace on it, which keeps it alive.

        This happens in the mount namespace of the calling *thread*, and in those that
        its mounts propagate to. The namespace then needs neither this object nor a
        process; `from_path` opens it, and `unpin` ends it. A mount namespace can be
        pinned only from outside, in an older one, and on a private mount. See
        :manpage:`namespaces(7)`.

        Args:
            path: Where no file is yet. If anything fails, none is left there; where
                this process is killed, maybe an empty one, which the next takes over.

        Raises:
            NamespaceExistsError: There is a file; it was not changed.

            NoSuchNamespaceError: The directory does not exist.

            NamespacePermissionError: The caller has no CAP_SYS_ADMIN over the
                thread's mount namespace, or may not write to the directory.

            SystemCallError: It is the thread's own mount namespace, or an older one,
                or *path* is on a shared mount: ``reason`` says which. Or the file
                system is read-only.
        """
        with self._hold() as fd:
            _core.pin.pin(fd, self.type, path)

    def _hold(self) -> reach.Hold:
        """
        Return a context manager that lends a descriptor for a while.

        It stays this namespace's even if another thread closes the object meanwhile,
        and its number becomes that of another namespace.
        """
        hold, fd = reach.Hold(), self.fileno()
        hold.duplicate(fd)
        if self._target.fd != fd:
            hold.close()
            raise ClosedNamespaceError(f"{self!r} is closed")
        return hold

    @override
    def _called_in(self) -> Sequence[Namespace]:
        self.fileno()
        return (self,)

    def _is_where_children_are(self) -> bool:
        """Return whether the calling thread is here, and its children are born here."""
        self.fileno()
        if not reach.is_current(self._id):
            return False
        for_children = self.type in (NamespaceType.PID, NamespaceType.TIME)
        return not for_children or reach.is_current(self._id, for_children=True)

    def _record(self) -> Target:
        """Return the shim's record of this namespace, for the core."""
        self.fileno()
        return self._target

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Namespace):
            return NotImplemented
        mine, others = self._id, other._id
        if (mine.dev, mine.ino) != (others.dev, others.ino):
            return False
        # Where a filter has begun to forbid it, one may lack what the other has.
        return mine.unique == others.unique or None in (mine.unique, others.unique)

    @override
    def __hash__(self) -> int:
        return hash((self._id.dev, self._id.ino))

    @override
    def __repr__(self) -> str:
        state = "closed" if self.closed else f"fd={self._target.fd}"
        return f"<{type(self).__name__} {self._id} {state}>"

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or copied, since a descriptor "
            "belongs to its process: pass .ref() instead"
        )
