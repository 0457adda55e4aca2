"""Moving the calling thread by type: `unshared`, and for good `unshare`, `setns`."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final

from . import _core, lowlevel
from ._core import outcomes, reach, switch
from ._core.threads import wait_until_alone
from ._namespace import Namespace
from ._set import NamespaceSet
from ._types import NamespaceType, TypeLike, flags_of, override, parse_types
from .errors import RestoreError, SystemCallError

_BORN_LATER: Final = (NamespaceType.PID, NamespaceType.TIME)


def _parse_some(types: tuple[TypeLike, ...], what: str) -> tuple[NamespaceType, ...]:
    wanted = parse_types(types)
    if not wanted:
        raise ValueError(f"{what} needs at least one type, such as 'net'")
    return wanted


class unshared:  # noqa: N801 - used like a function, as contextlib's are
    """
    Give the calling thread fresh namespaces for the body of a ``with`` statement.

    The body gets a `NamespaceSet` of them. At its end the thread is back, and the set
    is closed: to keep a namespace, duplicate it (``Namespace.from_fd(fresh["net"])``).
    Of the types pid and time the thread itself stays where it is, and its children
    are born in the fresh ones; before Linux 6.11 a pid namespace cannot be opened
    before its first process, and is not in the set.

    A fresh mount namespace is a copy, and passes mounts neither on nor in. A fresh
    network namespace has a loopback that is down, unless asked for. Threads and
    processes started inside stay inside. See :manpage:`unshare(2)`.

    Args:
        types: Which; at least one, and not user.

        loopback: Bring ``lo`` up; needs net.

        unshare_fs: Allow that this thread gets its own root, working directory and
            umask, for good. A process with threads can have mnt only so.

    Raises:
        IrreversibleError: There would be no way back, as always from a user
            namespace; nothing was changed.

        MultithreadedError: The process has threads (time; mnt without *unshare_fs*).

        NamespacePermissionError: The kernel does not allow it.

        NamespaceLimitError: A limit on namespaces is reached.

        RestoreError: The way back failed, now or earlier: the thread is lost.

        RuntimeError: It is entered already; or left on another thread or out of order.

        ValueError: *loopback* without net, or no type.
    """

    __slots__ = ("_fresh", "_loopback", "_owner", "_types", "_unshare_fs")

    def __init__(
        self, *types: TypeLike, loopback: bool = False, unshare_fs: bool = False
    ) -> None:
        self._types = _parse_some(types, "unshared")
        if loopback and NamespaceType.NET not in self._types:
            raise ValueError("loopback=True needs a fresh net namespace")
        self._loopback = loopback
        self._owner = switch.new_owner()
        self._unshare_fs = unshare_fs
        self._fresh: NamespaceSet | None = None

    def __enter__(self) -> NamespaceSet:
        """Move the calling thread into fresh namespaces."""
        if self._fresh is not None:
            raise RuntimeError(f"{self!r} is entered already: make another")
        switch.unshare_for_now(
            self._owner,
            self._types,
            loopback=self._loopback,
            unshare_fs=self._unshare_fs,
        )
        try:
            self._fresh = NamespaceSet(_open_fresh(self._types))
        except BaseException:
            switch.leave(self._owner, self._types)
            raise
        return self._fresh

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Bring the calling thread back, and close the set."""
        try:
            switch.leave(self._owner, self._types)
        except RestoreError:
            self._close()
            raise
        self._close()

    def _close(self) -> None:
        fresh, self._fresh = self._fresh, None
        if fresh is not None:
            fresh.close()

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self._types)}>"


def _open_fresh(types: tuple[NamespaceType, ...]) -> list[Namespace]:
    """Open what an unshare of the calling thread has just made."""
    namespaces = []
    for type in types:
        try:
            fd = reach.open_current(type, for_children=type in _BORN_LATER)
        except FileNotFoundError:
            if type is not NamespaceType.PID:
                raise
            continue  # Before Linux 6.11, until its first process.
        namespaces.append(Namespace._adopt(fd))
    return namespaces


def _for_good(change: Callable[[], None]) -> None:
    """Change the thread, if need be once more when joined threads are gone."""
    try:
        change()
    except SystemCallError as error:
        if not outcomes.is_due_to_threads(error.errno or 0, error.types):
            raise
        if not wait_until_alone():
            raise
        change()


def unshare(*types: TypeLike) -> None:
    """
    Give the calling thread fresh namespaces, for good; all or none of them.

    Of the types pid and time the thread itself stays where it is, and its children
    are born in the fresh ones. With mnt and user the thread also gets its own root,
    working directory and umask. Mounts go on being passed between a fresh mount
    namespace and the old one where they are shared. See :manpage:`unshare(2)`.

    Raises:
        SystemCallError: The kernel refused; nothing was changed.

        ValueError: No type is given.
    """
    flags = flags_of(_parse_some(types, "unshare"))
    _for_good(lambda: lowlevel.unshare(flags))


def _join(target: NamespaceSet) -> None:
    """Move the calling thread into all members for good."""
    target._targets()  # A member that was closed is an error, whichever way is taken.
    here = NamespaceSet.current(*target) if target else target
    differing = target.differing(here)
    if here is not target:
        here.close()
    if target._has_process_with_all():
        if differing:
            lowlevel.setns(target._pidfd, differing.flags)
    else:
        switch.join_all(differing._targets(), tuple(differing))


def setns(target: Namespace | NamespaceSet) -> None:
    """
    Move the calling thread into a namespace, or into all of a set, for good.

    There is no way back but another ``setns``, and none at all from a user namespace.
    Of type mnt, root and working directory become the top of the namespace's tree. Of
    type pid the thread itself stays where it is, and its children are born there.
    Being in it already is no error. See :manpage:`setns(2)`.

    Of a set, all are joined or none. With a user namespace among them, the process must
    have no other threads. If the set is of a process (`NamespaceSet.from_pid`) that is
    alive and still has them, one setns(2) by pidfd joins all (Linux 5.8); what that
    process joins in the same moment would be joined too. Else, where there would be no
    way back when it fails half-way, a helper task tries it first.

    Raises:
        SystemCallError: The kernel refused; nothing was changed.

        IrreversibleError: A user namespace could not be joined together with the
            others; nothing was changed.

        ClosedNamespaceError: The handle has been closed.
    """
    if not isinstance(target, Namespace | NamespaceSet):
        kind = type(target).__name__
        raise TypeError(f"what is joined is a Namespace or a NamespaceSet, not {kind}")
    types = target if isinstance(target, NamespaceSet) else (target.type,)
    if NamespaceType.MNT in types:
        _core.load_all()
    if isinstance(target, NamespaceSet):
        _for_good(lambda: _join(target))
    # The kernel calls re-entering one's own user namespace invalid.
    elif target.type is not NamespaceType.USER or not target.is_current():
        _for_good(lambda: lowlevel.setns(target, target.type.flag))
