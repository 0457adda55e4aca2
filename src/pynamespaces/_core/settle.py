"""
Moving in for good: threads and processes that are for nothing else.

There is no way back to think of. What fails half-way is not used, and ends.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from .._lib import Target, lib, new_ints
from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import ClosedNamespaceError
from ..lowlevel._arguments import check
from .outcomes import refusal

if TYPE_CHECKING:
    from .reach import Hold

_T = NamespaceType

Joined: TypeAlias = Sequence[tuple[NamespaceType, "Hold"]]
"""What is to be joined: at most one of each type, none where one is already."""


class Member(Protocol):
    """A namespace to be joined, as an object that owns it has it."""

    @property
    def _target(self) -> Target: ...
    @property
    def _types(self) -> tuple[NamespaceType, ...]: ...
    def _record(self) -> Target: ...
    def _hold(self) -> Hold: ...
    def _is_where_children_are(self) -> bool: ...


class Function(Protocol):
    """What is to be called."""

    def __call__(self, *args: object, **kwargs: object) -> object: ...


_setns = lib.pyns_setns

_UNRUN: Final = (CoroutineType, GeneratorType, AsyncGeneratorType)

NOT_BY_THREADS: Final = frozenset({_T.USER, _T.PID, _T.TIME})
"""What a thread of a process cannot be in while others of it are not."""


def types_of(joined: Joined) -> tuple[NamespaceType, ...]:
    """Return the types of what is joined."""
    return tuple(type for type, _ in joined)


def refuse_unrun(value: object) -> object:
    """
    Return what a function returned in there, if it has run in there.

    Raises:
        TypeError: It is a coroutine or a generator, which would run in the caller.
    """
    if isinstance(value, _UNRUN):
        kind = type(value).__name__
        raise TypeError(
            f"the function returned a {kind}, which has not run yet and would do so "
            "where the caller is: call one that runs it, as asyncio.run or list do"
        )
    return value


def settle_thread(members: Sequence[Member]) -> None:
    """
    Move the calling thread.

    Of type mnt it first gets its own root, working directory and umask.

    Raises:
        SystemCallError: The kernel refused.

        ClosedNamespaceError: One has been closed meanwhile.
    """
    for member in members if len(members) == 1 else sorted(members, key=_is_mnt):
        target = member._target
        fd, type = target.fd, member._types[0]
        if type is _T.MNT:
            check(lib.pyns_unshare(lib.CLONE_FS), "unshare", (type,))
            if member._is_where_children_are():
                continue  # To enter it again would lose the root directory.
        result = _setns(fd, target.nstype)
        # Who closes it takes the number away first: while it is there, it is the right
        # one, and not another's that has been given the same.
        if target.fd != fd or fd < 0:
            raise ClosedNamespaceError(f"{member!r} is closed")
        # Without power, nobody may enter where he is.
        if result < 0 and not member._is_where_children_are():
            raise from_errno(-result, "setns", (type,), fd=fd)


def _is_mnt(member: Member) -> bool:
    # Last: the reason of a refusal is looked for in /proc.
    return member._types[0] is _T.MNT


def settle_process(joined: Joined) -> None:
    """
    Move the calling process, which is one thread; of type pid, its next children.

    In a user namespace it becomes root, if there is one, or else stays who it is.

    Raises:
        SystemCallError: The kernel refused.
    """
    ordered = sorted(joined, key=lambda pair: pair[0] is _T.MNT)
    types = types_of(ordered)
    if not types:
        return
    if _T.MNT in types:
        # Of its own already, unless a library that it has loaded has threads.
        check(lib.pyns_unshare(lib.CLONE_FS), "unshare", (_T.MNT,))
    changes_user = _T.USER in types
    if changes_user:
        _drop_groups()
    fds = new_ints("int", [hold.fileno() for _, hold in ordered])
    nstypes = new_ints("int", [type.flag for type in types])
    result = lib.pyns_join(fds, nstypes, len(types), 0)
    if result < 0:
        raise refusal(result, types)
    if changes_user:
        _drop_groups()
        _become_root()


def _drop_groups() -> None:
    """Give up supplementary groups, whose numbers mean others in there."""
    # Without the power to, or where setgroups(2) is denied, they are kept.
    with suppress(PermissionError):
        os.setgroups([])


def _become_root() -> None:
    """Become 0:0, or where that is nobody, make sure to be somebody."""
    _change(os.setresgid, os.getegid(), "setresgid")
    _change(os.setresuid, os.geteuid(), "setresuid")


def _change(call: Callable[[int, int, int], None], own: int, name: str) -> None:
    number = 0
    for id in (0, own):
        try:
            call(id, id, id)
        except OSError as error:
            number = error.errno or errno.EIO
            if number == errno.EINVAL:
                continue
            break
        return
    raise from_errno(number, name, (_T.USER,))


def hide() -> None:
    """
    Let nobody look into the memory of this process who has no power outside.

    Without it, the root of a user namespace could read what is copied into it, and
    write what it answers.
    """
    check(lib.pyns_prctl(lib.PR_SET_DUMPABLE, 0), "prctl(PR_SET_DUMPABLE)")
