"""
Why the kernel refused: questions about the caller, asked after a failure.

A refusal has one errno for many causes. Each function here answers one question that
tells two of them apart, from what can be read at that moment; ``_table.py`` puts them
together.
"""

import errno
import os
from _thread import get_native_id
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from . import _proc
from ._lib import lib
from ._types import NamespaceType

CAP_SYS_CHROOT: Final = 18
CAP_SYS_ADMIN: Final = 21


class Failure(NamedTuple):
    """A system call that failed: what is known of it."""

    number: int
    syscall: str
    types: tuple[NamespaceType, ...] = ()
    filename: str | bytes | None = None
    fd: int | None = None


Cause: TypeAlias = Callable[[Failure], bool]

_SINCE: Final = {
    "clone3": (5, 3),
    "ioctl(NS_GET_ID)": (6, 18),
    "ioctl(NS_GET_MNTNS_ID)": (6, 11),
    "listmount": (6, 8),
    "listns": (6, 19),
    "name_to_handle_at": (6, 18),
    "pidfd_getfd": (5, 6),
    "pidfd_open": (5, 3),
    "pidfd_send_signal": (5, 1),
    "statmount": (6, 8),
}
"""Of which version of Linux on there is a call, as this package uses it."""


def kernel_version() -> tuple[int, int]:
    """Return the first two numbers of the kernel's version; large if it has none."""
    words = os.uname().release.split(".", 2)
    numbers = [int(word) for word in words[:2] if word.isdecimal()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (1 << 16, 0)


def since(syscall: str) -> str:
    """Return the version of Linux that a call came with, if that is known here."""
    return ".".join(map(str, _SINCE.get(syscall, ())))


def kernel_is_older(failure: Failure) -> bool:
    """This kernel is older than the call."""
    return kernel_version() < _SINCE.get(failure.syscall, (0, 0))


def call_is_hidden(failure: Failure) -> bool:
    """A seccomp filter watches, and a kernel of this version has the call."""
    return (
        failure.syscall in _SINCE
        and not kernel_is_older(failure)
        and _proc.is_filtered()
    )


def threads(failure: Failure) -> bool:
    """This process has other threads."""
    return lib.pyns_is_alone() == 0 or len(_proc.task_ids() or ()) > 1


def shares_fs(failure: Failure | None = None) -> bool:
    """
    Another thread of this process shares the calling thread's root and cwd.

    Where it cannot be found out, threads are taken to share them.
    """
    if lib.pyns_is_alone() == 1:
        return False
    own, tasks = get_native_id(), _proc.task_ids()
    # Without /proc, or with that of another pid namespace, they cannot be compared.
    if tasks is None or own not in tasks:
        return True
    answers = [lib.pyns_kcmp(own, task, lib.KCMP_FS) for task in tasks if task != own]
    # 1, 2 and 3 are three ways of being different.
    return any(answer not in (1, 2, 3, -errno.ESRCH) for answer in answers)


def lacks_sys_admin(failure: Failure) -> bool:
    """The thread has no CAP_SYS_ADMIN in its own user namespace."""
    return _proc.has_capability(CAP_SYS_ADMIN) is False


def lacks_sys_chroot(failure: Failure) -> bool:
    """The thread has no CAP_SYS_CHROOT in its own user namespace."""
    return _proc.has_capability(CAP_SYS_CHROOT) is False


def seccomp(failure: Failure) -> bool:
    """A seccomp filter watches, and the call should have been allowed."""
    return _proc.is_filtered()


def unmapped(failure: Failure) -> bool:
    """The user or group id has no mapping in the thread's user namespace."""
    return (
        _proc.maps_id("uid_map", os.geteuid()) is False
        or _proc.maps_id("gid_map", os.getegid()) is False
    )


def chrooted(failure: Failure) -> bool:
    """The thread's root is not that of its mount namespace."""
    return _proc.is_chrooted()


def userns_sysctl(failure: Failure) -> bool:
    """Debian's sysctl keeps user namespaces from ordinary users."""
    return _proc.unprivileged_userns_clone() == 0 and lacks_sys_admin(failure)


def apparmor(failure: Failure) -> bool:
    """AppArmor keeps user namespaces from unconfined programs without power."""
    return _proc.apparmor_restricts_userns() and lacks_sys_admin(failure)


def undumpable(failure: Failure) -> bool:
    """The files of this process in ``/proc`` are not its user's."""
    owner = _proc.owner_of_own_files()
    return owner is not None and owner != os.geteuid()


def kernel_lacks_type(failure: Failure) -> bool:
    """The kernel was built without one of the types."""
    known = _proc.namespace_types()
    return known is not None and any(type not in known for type in failure.types)


def no_proc(failure: Failure) -> bool:
    """There is no ``/proc``, and the path was that, or in it."""
    path = os.fsencode(failure.filename or "") + b"/"
    return path.startswith(b"/proc/") and _proc.namespace_types() is None


def has_had_no_child(failure: Failure) -> bool:
    """The path is the link to where the thread's children are born; there is none."""
    path = os.fsencode(failure.filename or "")
    return path.endswith(b"/ns/pid_for_children")


def limit_is_zero(failure: Failure) -> bool:
    """A limit of this user namespace forbids one of the types."""
    return any(_proc.namespace_limit(type) == 0 for type in failure.types)


def mnt_limit_is_zero(failure: Failure) -> bool:
    """A limit of this user namespace forbids mount namespaces."""
    return _proc.namespace_limit(NamespaceType.MNT) == 0


def no_namespace(failure: Failure) -> bool:
    """The descriptor is open, and is no namespace."""
    return failure.fd is not None and lib.pyns_is_nsfs(failure.fd) == 0


def is_pidfd(failure: Failure) -> bool:
    """The descriptor is a pidfd."""
    fd = failure.fd
    return fd is not None and lib.pyns_pidfd_send_signal(fd, 0, 0) != -errno.EBADF


def nothing_to_join(failure: Failure) -> bool:
    """The descriptor is open, and neither a namespace nor a pidfd."""
    return no_namespace(failure) and not is_pidfd(failure)


def other_type(failure: Failure) -> bool:
    """The descriptor is a namespace of a type that was not meant."""
    if failure.fd is None or lib.pyns_is_nsfs(failure.fd) != 1:
        return False
    flag = lib.pyns_ioctl(failure.fd, lib.NS_GET_NSTYPE, 0)
    return flag > 0 and NamespaceType.from_flag(flag) not in failure.types


def opened_by_path(failure: Failure) -> bool:
    """The descriptor is a namespace, opened with O_PATH."""
    return failure.fd is not None and lib.pyns_is_nsfs(failure.fd) == 1


def is_link(failure: Failure) -> bool:
    """The path is a symbolic link."""
    return os.path.islink(os.fsencode(failure.filename or ""))


def nothing_pinned(failure: Failure) -> bool:
    """The path is there, and no namespace is mounted on it."""
    try:
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(os.fsencode(failure.filename or ""), flags)
    except OSError:
        return False
    try:
        return lib.pyns_is_nsfs(fd) == 0
    finally:
        os.close(fd)


def _mount_of_directory(failure: Failure) -> list[str] | None:
    path = os.fsencode(failure.filename or "")
    return _proc.mount_of(os.path.dirname(path) or b".")


def mount_elsewhere(failure: Failure) -> bool:
    """The path is on a mount of another mount namespace than the thread's."""
    return _mount_of_directory(failure) == [] and not _proc.is_chrooted()


def mount_shared(failure: Failure) -> bool:
    """The path is on a mount that passes on what is mounted there."""
    words = _mount_of_directory(failure) or []
    return any(word.startswith("shared:") for word in words)


def own_mnt(failure: Failure) -> bool:
    """The namespace is the mount namespace of the thread."""
    own = lib.pyns_own_namespace(lib.CLONE_NEWNS, 0)
    if own < 0 or failure.fd is None:
        return False
    try:
        return os.path.sameopenfile(own, failure.fd)
    finally:
        os.close(own)


def in_netns_registry(failure: Failure) -> bool:
    """The path is a name that ``ip netns`` knows."""
    return os.fsencode(failure.filename or "").startswith(b"/run/netns/")
