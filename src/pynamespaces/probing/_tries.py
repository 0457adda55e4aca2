"""What can be tried of each type; each in a process of its own, which then ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from .. import lowlevel
from .._core.outcomes import no_way_back
from .._lib import lib
from .._namespace import Namespace
from .._set import NamespaceSet
from .._types import NamespaceType
from ..errors import (
    NamespaceGoneError,
    NamespacePermissionError,
    SpawnError,
    SystemCallError,
)
from ..lowlevel._arguments import check
from ..process import Popen
from ._grounds import made, made_or_current

if TYPE_CHECKING:
    from ._tasks import Subject

_T = NamespaceType

_FILES: Final = (__file__, "/proc/version", "/etc/passwd", "/etc/hostname")
"""Of which one will be there, to mount something on where nobody sees it."""


def start(
    join: Iterable[Namespace] = (),
    new: Iterable[NamespaceType] = (),
    cgroup: int | None = None,
) -> None:
    """
    Start a program in namespaces, all but the program.

    It has a name that no file can have, so nothing is ever executed, whatever is there.
    """
    try:
        Popen([""], env={"PATH": ""}, join=[*join], new=[*new], cgroup=cgroup)
    except SpawnError as error:
        if (error.syscall, error.errno) != ("execve", errno.ENOENT):
            raise


def start_with_user(*types: NamespaceType) -> None:
    """Start a program in fresh namespaces, with a user namespace if need be."""
    try:
        start(new=types)
    except SpawnError as error:
        if error.step != "clone" or error.errno != errno.EPERM:
            raise
        start(new=(_T.USER, *types))


def exists(subject: Subject) -> None:
    subject.be_like_caller()
    Namespace.current(subject.type)


def new(subject: Subject) -> None:
    subject.be_like_caller()
    if subject.type is _T.PID:
        start(new=[_T.PID])
    else:
        Namespace.new(subject.type, loopback=False)


def new_with_user(subject: Subject) -> None:
    subject.be_like_caller()
    if subject.type is _T.PID:
        start(new=[_T.USER, _T.PID])
    else:
        NamespaceSet.new(_T.USER, subject.type, loopback=False)


def enter(subject: Subject) -> None:
    try:
        fresh = made(subject.type)[0]
    except SystemCallError:
        if subject.type is _T.USER:
            raise no_way_back(_T.USER) from None
        subject.be_like_caller()
        _reenter(subject.type)
        return
    subject.be_like_caller()
    with fresh:
        pass


def _reenter(type: NamespaceType) -> None:
    """Enter the namespace where this process is, which needs the same rights."""
    lowlevel.setns(Namespace.current(type), type.flag)


def join(subject: Subject) -> None:
    try:
        fresh = made(subject.type)
    except SystemCallError:
        if subject.type is _T.USER:
            raise  # One's own cannot be joined.
        subject.be_like_caller()
        _reenter(subject.type)
        return
    subject.be_like_caller()
    start(join=fresh)


def enter_given(subject: Subject) -> None:
    given = NamespaceSet(Namespace.from_fd(fd) for fd in subject.task.fds)
    subject.be_like_caller()
    with given:
        pass


def join_given(subject: Subject) -> None:
    given = [Namespace.from_fd(fd) for fd in subject.task.fds]
    subject.be_like_caller()
    start(join=given)


def pin(subject: Subject) -> None:
    type = subject.type
    # This takes calls that to pin does not, and a filter may kill who makes them.
    can_hide = type is _T.MNT or _is_survived(hide_mounts)
    subject.be_like_caller()
    namespace = Namespace.current(type)
    try_to_mount(namespace)
    if not can_hide:
        return  # A limit, or a filter: what it takes, it has.
    hide_mounts()
    if type is _T.MNT:
        namespace = Namespace.new(type)
    mount_on_file(namespace)


def hide_mounts() -> None:
    """Let nobody else see what is mounted from here on."""
    lowlevel.unshare(lowlevel.CLONE_NEWNS)
    check(lib.pyns_make_private(), "mount", (_T.MNT,), "/")


def _is_survived(attempt: Callable[[], None]) -> bool:
    """Return whether something works, for a child that may be killed for it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            attempt()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


def mount_on_file(namespace: Namespace) -> None:
    """Mount a namespace on a file, where nobody else sees it."""
    path = next(filter(os.path.isfile, _FILES))
    target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    check(lib.pyns_attach(namespace.fileno(), target), "move_mount", (namespace.type,))


def try_to_mount(namespace: Namespace) -> None:
    """Ask the kernel to mount a namespace on nothing, which it may only then refuse."""
    result = lib.pyns_attach(namespace.fileno(), -1)
    if result != -errno.EBADF:
        check(result, "move_mount", (namespace.type,))


def handle(subject: Subject) -> None:
    target = made_or_current(subject.type)
    subject.be_like_caller()
    try:
        lowlevel.open_by_handle_at(lowlevel.name_to_handle_at(target))
    except NamespaceGoneError as error:
        raise NamespacePermissionError(
            errno.ESTALE,
            os.strerror(errno.ESTALE),
            syscall="open_by_handle_at",
            types=(subject.type,),
            reason="namespaces that are not its own are opened by handle only to a "
            "caller in the first pid namespace with CAP_SYS_ADMIN over their owner",
            hint="NamespaceRef.resolve looks for it in /proc then",
        ) from error
