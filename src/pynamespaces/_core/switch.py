"""
The calling thread: entering namespaces, and coming back.

Nothing here moves any other thread. The stack of what a thread has entered is kept by
the shim, one for each thread, and is left in the order opposite to entering.
"""

import errno
import itertools
import sys
from types import TracebackType
from typing import Final, Generic, Self, TypeVar, cast

from .. import _causes, _core
from .._lib import Target, lib, new_ints, new_target_pointers
from .._refusals import from_errno
from .._types import NamespaceType, flags_of
from ..errors import IrreversibleError
from ..lowlevel._arguments import check
from .outcomes import (
    failed_restore,
    is_due_to_threads,
    last_types,
    no_way_back,
    refusal,
)
from .threads import is_alone, wait_until_alone

# Looked up once: these are called by every entry.
_modules = sys.modules
_audit = sys.audit
_enter = lib.pyns_enter
_leave = lib.pyns_leave_target
_depth = lib.pyns_depth
_undo = lib.pyns_undo

_owners = itertools.count(1)
_T = NamespaceType
_EVENTS: Final = "asyncio.events"
"""While it is not imported, there is no event loop on any thread."""

Given = TypeVar("Given")

_OUT_OF_ORDER: Final = (
    "this is not what this thread entered last: leave in reverse order, "
    "and on the thread that entered"
)


class _Unaware:
    """In the place of what warns about event loops, where that cannot be imported."""

    @staticmethod
    def note(depth: int) -> None:
        """Note nothing."""

    @staticmethod
    def has_awaited(depth: int) -> bool:
        """Know of nothing."""
        return depth < 0

    @staticmethod
    def warn(types: tuple[NamespaceType, ...], stacklevel: int = 0) -> None:
        """Say nothing."""

    @staticmethod
    def hint() -> str:
        """Hint at nothing."""
        return ""


def _awaiting() -> type[_Unaware]:
    try:
        return cast("type[_Unaware]", _core.awaiting)
    except ImportError:
        # As by a thread that is chrooted: it is no reason not to enter, nor to stay.
        return _Unaware


def _may_pass(result: int, types: tuple[NamespaceType, ...]) -> bool:
    """Return whether a refusal was only due to threads that are about to be gone."""
    return is_due_to_threads(-result, types) and wait_until_alone()


class Enterable:
    """
    What enters one namespace by ``with``, as fast as Python can.

    These two methods are to cost less than opening one file under ``/proc``, so they
    call the shim themselves, and what is rare is elsewhere.
    """

    __slots__ = ("_target", "_types")

    _target: Target
    _types: tuple[NamespaceType, ...]

    def __enter__(self) -> Self:
        """Move the calling thread."""
        _audit("pynamespaces.setns", self._types)
        depth = _depth()
        try:
            result = _enter(self._target)
            if result:
                _try_again(self._target, self._types, result)
            if _EVENTS in _modules:
                _awaiting().note(depth)
        except BaseException as error:
            # Also where a signal handler raised after the shim had succeeded. The
            # call is made here: a function of Python's could be interrupted at once.
            result = _undo(depth)
            if result < 0:
                raise failed_restore(result) from error
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Bring the calling thread back."""
        result = _leave(self._target)
        if result < 0:
            result = _leave_again(result)
        if result:
            # After the fact: a hook that raises must not keep a thread from home.
            _audit("pynamespaces.setns", self._types)
        if _EVENTS in _modules and _awaiting().has_awaited(_depth()) and result:
            _awaiting().warn(self._types)


def _try_again(target: Target, types: tuple[NamespaceType, ...], result: int) -> None:
    if _may_pass(result, types):
        result = lib.pyns_enter(target)
    if result < 0:
        raise refusal(result, types)


def _leave_again(result: int) -> int:
    """Go on where the shim could not yet leave, or raise what it says."""
    if result == -lib.PYNS_ETHREADS:
        try:
            wait_until_alone()
        finally:
            # Also when a signal handler raises during the wait.
            result = lib.pyns_leave_finally()
    if result == -lib.PYNS_EORDER:
        raise RuntimeError(_OUT_OF_ORDER + _awaiting().hint())
    if result < 0:
        raise failed_restore(result)
    return result


def new_owner() -> int:
    """Return a number to enter and leave by, which no one else has."""
    # A target's owner is its address, and no address is as low.
    return next(_owners)


def enter_all(
    owner: int,
    targets: list[Target],
    types: tuple[NamespaceType, ...],
    *,
    unshare_fs: bool = False,
) -> None:
    """
    Move the calling thread into several namespaces, all or none.

    Args:
        owner: The number to leave by, from `new_owner`.

        targets: At most one of each type, in any order.

        types: Theirs, for errors and audit.

        unshare_fs: Give the thread its own root, working directory and umask, for
            good, where entering mnt needs it.
    """
    if _T.MNT in types:
        _core.load_all()
    # mnt is refused most often: first, so that nothing else has to be put back. But
    # last where that takes what cannot be given back.
    mnt = _T.MNT.flag
    targets = sorted(targets, key=lambda t: (t.nstype == mnt) == unshare_fs)
    pointers = new_target_pointers(targets)
    arguments = (owner, pointers, len(targets), int(unshare_fs))
    _audit("pynamespaces.setns", types)
    depth = _depth()
    try:
        result = lib.pyns_enter_all(*arguments)
        if result < 0 and _may_pass(result, last_types(types)):
            result = lib.pyns_enter_all(*arguments)
        if result < 0:
            raise refusal(result, types)
        if _EVENTS in _modules:
            _awaiting().note(depth)
    except BaseException as error:
        result = _undo(depth)
        if result < 0:
            raise failed_restore(result) from error
        raise


def join_all(targets: list[Target], types: tuple[NamespaceType, ...]) -> None:
    """
    Move the calling thread into several namespaces for good, all or none.

    By way of entering, which can be taken back when it fails half-way; or where there
    would be no way back, after a helper task has tried it.
    """
    if _T.USER in types:
        _join_after_rehearsal(targets, types)
        return
    owner = new_owner()
    try:
        enter_all(owner, targets, types)
    except IrreversibleError:
        _join_after_rehearsal(targets, types)
    else:
        lib.pyns_stay(owner)


def _join_after_rehearsal(
    targets: list[Target], types: tuple[NamespaceType, ...]
) -> None:
    # The task has no other threads, and would be allowed what this one is not.
    if _T.USER in types and not is_alone():
        raise from_errno(errno.EINVAL, "setns", (_T.USER,))
    _refuse_threads(types, unshare_fs=False)
    fds = new_ints("int", [target.fd for target in targets])
    nstypes = new_ints("int", [target.nstype for target in targets])
    _audit("pynamespaces.setns", types)
    while (result := lib.pyns_join(fds, nstypes, len(targets), 1)) == -errno.EINTR:
        pass
    if result < 0:
        raise refusal(result, types)
    result = lib.pyns_join(fds, nstypes, len(targets), 0)
    if result < 0:
        raise failed_restore(result) if lib.pyns_lost() else refusal(result, types)


def leave(owner: int, types: tuple[NamespaceType, ...]) -> None:
    """
    Leave what the calling thread entered last, if that was for *owner*.

    Raises:
        RuntimeError: It was not; nothing is changed.

        RestoreError: The way back failed, and the thread is lost.
    """
    result = lib.pyns_leave(owner)
    if result < 0:
        result = _leave_again(result)
    if result:
        _audit("pynamespaces.setns", types)
    if _EVENTS in _modules and _awaiting().has_awaited(_depth()) and result:
        _awaiting().warn(types, stacklevel=4)


class Entry(Generic[Given]):
    """A way to enter namespaces that are some object's, which ``with`` gives."""

    __slots__ = ("_given", "_owner", "_targets", "_types", "_unshare_fs")

    def __init__(
        self,
        given: Given,
        targets: list[Target],
        *,
        unshare_fs: bool = False,
    ) -> None:
        self._given = given
        self._owner = new_owner()
        self._targets = targets
        self._types = tuple(_T.from_flag(target.nstype) for target in targets)
        self._unshare_fs = bool(unshare_fs)

    def __enter__(self) -> Given:
        """Move the calling thread."""
        enter_all(self._owner, self._targets, self._types, unshare_fs=self._unshare_fs)
        return self._given

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Bring the calling thread back."""
        leave(self._owner, self._types)


def _refuse_threads(types: tuple[NamespaceType, ...], *, unshare_fs: bool) -> None:
    """Refuse what unshare(2) would do in a process with threads, but not undo."""
    if _T.TIME in types and not wait_until_alone():
        raise from_errno(errno.EUSERS, "setns", (_T.TIME,))
    if _T.MNT not in types or unshare_fs:
        return
    if _causes.shares_fs() and not wait_until_alone():
        raise from_errno(errno.EINVAL, "setns", (_T.MNT,))


def unshare_for_now(
    owner: int, types: tuple[NamespaceType, ...], *, loopback: bool, unshare_fs: bool
) -> None:
    """
    Give the calling thread fresh namespaces until it leaves *owner*; all or none.

    A fresh mount namespace passes no mounts on to others, nor gets any from them.
    """
    if _T.USER in types:
        raise no_way_back(_T.USER)
    _refuse_threads(types, unshare_fs=unshare_fs)
    flags = int(flags_of(types))
    _audit("pynamespaces.unshare", types)
    depth = _depth()
    try:
        result = lib.pyns_unshare_scoped(owner, flags)
        if result < 0:
            raise refusal(result, types)
        if _T.MNT in types:
            check(lib.pyns_make_private(), "mount", (_T.MNT,), "/")
        if loopback:
            check(lib.pyns_loopback_up(), "ioctl(SIOCSIFFLAGS)", (_T.NET,), "lo")
        if _EVENTS in _modules:
            _awaiting().note(depth)
    except BaseException as error:
        result = _undo(depth)
        if result < 0:
            raise failed_restore(result) from error
        raise
