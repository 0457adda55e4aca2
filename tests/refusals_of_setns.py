"""How each row of the table about ``setns`` is provoked."""

import errno
import os
from collections.abc import Callable
from typing import NamedTuple

from provoking import (
    CAP_SYS_ADMIN,
    CAP_SYS_CHROOT,
    CAP_SYS_PTRACE,
    another_thread,
    closed_fd,
    drop_capabilities,
    own_user,
    refuse_calls,
    sharing,
)
from support import in_child

from pynamespaces import (
    MultithreadedError,
    Namespace,
    NamespacePermissionError,
    NamespaceType,
    NotANamespaceError,
    SystemCallError,
    WrongTypeError,
    lowlevel,
)

POWER = ("root", "userns")


class Case(NamedTuple):
    """A refusal: the row it is for, how it comes about, and what is to be told."""

    row: str
    provoke: Callable[[], object]
    error: type[SystemCallError]
    number: int
    syscall: str
    types: tuple[str, ...] = ()
    says: str | None = None
    hints: str | None = None
    tiers: tuple[str, ...] = ()
    own_user: bool = False


def child(function: Callable[[], object]) -> Callable[[], object]:
    """Have the provoking done in a child, which cannot undo it."""
    return lambda: in_child(function)


def fd_of(name: str, flags: int = 0) -> int:
    """Open a namespace of this thread by its link."""
    return os.open(f"/proc/thread-self/ns/{name}", os.O_RDONLY | flags)


def enter_own(name: str) -> None:
    """Ask to enter the namespace where this thread is."""
    lowlevel.setns(fd_of(name), Namespace.current(NamespaceType(name)).type.flag)


def _enter_pipe() -> None:
    lowlevel.setns(os.pipe()[0], lowlevel.CLONE_NEWNET)


def _enter_as_other_type() -> None:
    lowlevel.setns(fd_of("net"), lowlevel.CLONE_NEWUTS)


def _enter_by_path_only() -> None:
    lowlevel.setns(fd_of("net", os.O_PATH), lowlevel.CLONE_NEWNET)


def _ask_by_path_only() -> None:
    lowlevel.ns_get_id(fd_of("net", os.O_PATH))


def _enter_own_with_threads(name: str) -> Callable[[], None]:
    def provoke() -> None:
        with another_thread():
            enter_own(name)

    return provoke


def _unshare_user_with_threads() -> None:
    with another_thread():
        lowlevel.unshare(lowlevel.CLONE_NEWUSER)


def _enter_own_sharing(name: str, flags: int) -> Callable[[], None]:
    def provoke() -> None:
        with sharing(flags):
            enter_own(name)

    return provoke


def _enter_pid_above() -> None:
    above = fd_of("pid")
    lowlevel.unshare(lowlevel.CLONE_NEWPID)
    in_child(lambda: lowlevel.setns(above, lowlevel.CLONE_NEWPID))


def enter_from_within_own_user(name: str) -> Callable[[], None]:
    """Make a user namespace, and ask for what is outside."""

    def provoke() -> None:
        outside = Namespace.current(NamespaceType(name))
        own_user()
        lowlevel.setns(outside, outside.type.flag)

    return provoke


def _enter_own_without(capability: int, name: str) -> Callable[[], None]:
    def provoke() -> None:
        drop_capabilities(capability)
        enter_own(name)

    return provoke


def _enter_process_unseen() -> None:
    parent = lowlevel.pidfd_open(os.getppid())
    drop_capabilities(CAP_SYS_PTRACE)
    lowlevel.setns(parent, lowlevel.CLONE_NEWUTS)


def _enter_filtered() -> None:
    refuse_calls(setns=errno.EPERM)
    enter_own("uts")


SETNS = [
    Case("setns-no-namespace", child(_enter_pipe),
         NotANamespaceError, errno.EINVAL, "setns", ("net",), "is no namespace"),
    Case("setns-other-type", child(_enter_as_other_type),
         WrongTypeError, errno.EINVAL, "setns", ("uts",), "of another type"),
    Case("opened-by-path", child(_enter_by_path_only), SystemCallError, errno.EBADF,
         "setns", ("net",), "opened with O_PATH", "O_RDONLY"),
    Case("opened-by-path", child(_ask_by_path_only), SystemCallError, errno.EBADF,
         "ioctl(NS_GET_ID)", (), "opened with O_PATH", "O_RDONLY"),
    Case("not-open", lambda: lowlevel.setns(closed_fd(), lowlevel.CLONE_NEWNET),
         SystemCallError, errno.EBADF, "setns", ("net",), "not open"),
    Case("not-open", lambda: lowlevel.ns_get_nstype(closed_fd()),
         SystemCallError, errno.EBADF, "ioctl(NS_GET_NSTYPE)", (), "not open"),
    Case("not-open", lambda: lowlevel.pidfd_get_net_namespace(closed_fd()),
         SystemCallError, errno.EBADF, "ioctl(PIDFD_GET_NET_NAMESPACE)", ("net",),
         "not open"),
    Case("not-open", lambda: Namespace.from_fd(closed_fd()),
         SystemCallError, errno.EBADF, "fcntl", (), "not open"),
    Case("not-open", lambda: lowlevel.pidfd_send_signal(closed_fd(), 0),
         SystemCallError, errno.EBADF, "pidfd_send_signal", (), "not open"),
    Case("not-open", lambda: lowlevel.pidfd_getfd(closed_fd(), 0),
         SystemCallError, errno.EBADF, "pidfd_getfd", (), "not open"),
    Case("user-threads", child(_unshare_user_with_threads), MultithreadedError,
         errno.EINVAL, "unshare", ("user",), "process with threads", "program"),
    Case("user-threads", child(_enter_own_with_threads("user")), MultithreadedError,
         errno.EINVAL, "setns", ("user",), "process with threads", "program"),
    Case("mnt-threads", child(_enter_own_with_threads("mnt")), MultithreadedError,
         errno.EINVAL, "setns", ("mnt",), "share one root", "unshare_fs=True", POWER),
    Case("time-threads", child(_enter_own_with_threads("time")), MultithreadedError,
         errno.EUSERS, "setns", ("time",), "process with threads", "program"),
    Case("time-memory", child(_enter_own_sharing("time", lowlevel.CLONE_VM)),
         SystemCallError, errno.EUSERS, "setns", ("time",), "shares the memory"),
    Case("user-own", child(lambda: enter_own("user")),
         SystemCallError, errno.EINVAL, "setns", ("user",), "is in this user namesp"),
    Case("mnt-shared-fs", child(_enter_own_sharing("mnt", lowlevel.CLONE_FS)),
         SystemCallError, errno.EINVAL, "setns", ("mnt",), "another process shares",
         None, POWER),
    Case("pid-not-below", child(_enter_pid_above), SystemCallError, errno.EINVAL,
         "setns", ("pid",), "nor below it", "from a process that is outside", POWER),
    Case("setns-process-look", child(_enter_process_unseen),
         NamespacePermissionError, errno.EPERM, "setns", ("uts",), "ptrace access",
         None, POWER),
    Case("user-power", child(enter_from_within_own_user("user")),
         NamespacePermissionError, errno.EPERM, "setns", ("user",),
         "no CAP_SYS_ADMIN in the user namespace", own_user=True),
    Case("setns-own-power", child(_enter_own_without(CAP_SYS_ADMIN, "uts")),
         NamespacePermissionError, errno.EPERM, "setns", ("uts",),
         "no CAP_SYS_ADMIN in its own user namespace", "become root"),
    Case("mnt-chroot-power", child(_enter_own_without(CAP_SYS_CHROOT, "mnt")),
         NamespacePermissionError, errno.EPERM, "setns", ("mnt",),
         "no CAP_SYS_CHROOT", None, POWER),
    Case("setns-seccomp", child(_enter_filtered), NamespacePermissionError,
         errno.EPERM, "setns", ("uts",), "seccomp filter", None, POWER),
    Case("setns-owner-power", child(enter_from_within_own_user("uts")),
         NamespacePermissionError, errno.EPERM, "setns", ("uts",),
         "in the user namespace that owns it", own_user=True),
]  # fmt: skip
