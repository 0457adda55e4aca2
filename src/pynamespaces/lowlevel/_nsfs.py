"""The ioctls on namespaces, each by its name. See :manpage:`ioctl_nsfs(2)`."""

from typing import Final, NamedTuple

from .._lib import lib, new_ints, new_mnt_info, read_int, read_ints
from .._types import NamespaceType
from ._arguments import INT_MAX, Descriptor, check, descriptor, in_range

_BATCH: Final = 1024


class MountNamespaceInfo(NamedTuple):
    """What ``NS_MNT_GET_INFO`` tells of a mount namespace."""

    nr_mounts: int
    """How many mounts it has."""

    mnt_ns_id: int
    """Its id, as statmount(2) and listmount(2) take it."""


def _ask(fd: Descriptor, name: str, request: int, argument: int = 0) -> int:
    number = descriptor(fd)
    result = lib.pyns_ioctl(number, request, argument)
    return check(result, f"ioctl({name})", fd=number)


def ns_get_userns(fd: Descriptor) -> int:
    """
    Open the user namespace that owns a namespace; of a user namespace, its parent.

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NamespacePermissionError: It lies outside the caller's own user namespace.
    """
    return _ask(fd, "NS_GET_USERNS", lib.NS_GET_USERNS)


def ns_get_parent(fd: Descriptor) -> int:
    """
    Open the parent of a user or pid namespace.

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NamespacePermissionError: It has none, or it lies outside the caller's own.

        WrongTypeError: The namespace is of another type.
    """
    return _ask(fd, "NS_GET_PARENT", lib.NS_GET_PARENT)


def ns_get_nstype(fd: Descriptor) -> int:
    """
    Return the ``CLONE_NEW*`` flag of a namespace.

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NotANamespaceError: The descriptor is something else.
    """
    return _ask(fd, "NS_GET_NSTYPE", lib.NS_GET_NSTYPE)


def ns_get_owner_uid(fd: Descriptor) -> int:
    """
    Return the uid that made a user namespace, as the caller's one has it.

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        WrongTypeError: The namespace is of another type.
    """
    number = descriptor(fd)
    uid = new_ints("uint32_t", [0])
    result = lib.pyns_ioctl_u32(number, lib.NS_GET_OWNER_UID, uid)
    types = (NamespaceType.USER,)
    check(result, "ioctl(NS_GET_OWNER_UID)", types, fd=number)
    return read_int(uid)


def _ask_u64(fd: Descriptor, name: str, request: int) -> int:
    number = descriptor(fd)
    value = new_ints("uint64_t", [0])
    result = lib.pyns_ioctl_u64(number, request, value)
    check(result, f"ioctl({name})", fd=number)
    return read_int(value)


def ns_get_mntns_id(fd: Descriptor) -> int:
    """
    Return the id of a mount namespace (Linux 6.11).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        WrongTypeError: The namespace is of another type.
    """
    return _ask_u64(fd, "NS_GET_MNTNS_ID", lib.NS_GET_MNTNS_ID)


def ns_get_id(fd: Descriptor) -> int:
    """
    Return the id of a namespace, which is never given twice (Linux 6.18).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NotANamespaceError: The descriptor is something else.

        UnsupportedError: The kernel is older.
    """
    return _ask_u64(fd, "NS_GET_ID", lib.NS_GET_ID)


def _translate(fd: Descriptor, name: str, request: int, pid: int) -> int:
    in_range("pid", pid, 1, INT_MAX)
    return _ask(fd, name, request, pid)


def ns_get_pid_from_pidns(fd: Descriptor, pid: int) -> int:
    """
    Return the caller's name for the thread *pid* of a pid namespace (6.11).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NoSuchProcessError: The namespace, or the caller's own, has none of that id.

        WrongTypeError: The namespace is of another type.
    """
    request = lib.NS_GET_PID_FROM_PIDNS
    return _translate(fd, "NS_GET_PID_FROM_PIDNS", request, pid)


def ns_get_tgid_from_pidns(fd: Descriptor, pid: int) -> int:
    """
    Return the caller's name for the process *pid* of a pid namespace (6.11).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NoSuchProcessError: The namespace, or the caller's own, has none of that id.

        WrongTypeError: The namespace is of another type.
    """
    request = lib.NS_GET_TGID_FROM_PIDNS
    return _translate(fd, "NS_GET_TGID_FROM_PIDNS", request, pid)


def ns_get_pid_in_pidns(fd: Descriptor, pid: int) -> int:
    """
    Return what a pid namespace calls the caller's thread *pid* (6.11).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NoSuchProcessError: The namespace, or the caller's own, has none of that id.

        WrongTypeError: The namespace is of another type.
    """
    return _translate(fd, "NS_GET_PID_IN_PIDNS", lib.NS_GET_PID_IN_PIDNS, pid)


def ns_get_tgid_in_pidns(fd: Descriptor, pid: int) -> int:
    """
    Return what a pid namespace calls the caller's process *pid* (6.11).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NoSuchProcessError: The namespace, or the caller's own, has none of that id.

        WrongTypeError: The namespace is of another type.
    """
    return _translate(fd, "NS_GET_TGID_IN_PIDNS", lib.NS_GET_TGID_IN_PIDNS, pid)


def _ask_mnt(fd: Descriptor, name: str, request: int) -> tuple[int, MountNamespaceInfo]:
    number = descriptor(fd)
    info = new_mnt_info()
    result = lib.pyns_ns_mnt_ioctl(number, request, info)
    check(result, f"ioctl({name})", (NamespaceType.MNT,), fd=number)
    return result, MountNamespaceInfo(info.nr_mounts, info.mnt_ns_id)


def ns_mnt_get_info(fd: Descriptor) -> MountNamespaceInfo:
    """
    Return how many mounts a mount namespace has, and its id (Linux 6.12).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        WrongTypeError: The namespace is of another type.
    """
    return _ask_mnt(fd, "NS_MNT_GET_INFO", lib.NS_MNT_GET_INFO)[1]


def ns_mnt_get_next(fd: Descriptor) -> tuple[int, MountNamespaceInfo]:
    """
    Open the mount namespace with the next higher id (Linux 6.12).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NoSuchNamespaceError: This was the last.

        NamespacePermissionError: The caller lacks CAP_SYS_ADMIN over all of them.
    """
    return _ask_mnt(fd, "NS_MNT_GET_NEXT", lib.NS_MNT_GET_NEXT)


def ns_mnt_get_prev(fd: Descriptor) -> tuple[int, MountNamespaceInfo]:
    """
    Open the mount namespace with the next lower id (Linux 6.12).

    See :manpage:`ioctl_nsfs(2)`.

    Raises:
        NoSuchNamespaceError: This was the first.

        NamespacePermissionError: The caller lacks CAP_SYS_ADMIN over all of them.
    """
    return _ask_mnt(fd, "NS_MNT_GET_PREV", lib.NS_MNT_GET_PREV)


def listns(nstype: int = 0) -> list[int]:
    """
    Return the ids (``NS_GET_ID``) of all namespaces that the caller may know of.

    Those are the ones that it is in or has power over. They are in use: a process is
    in them, or they are kept. Since Linux 6.19; the manual has no page of it yet, and
    for the ids see :manpage:`ioctl_nsfs(2)`.

    Args:
        nstype: One ``CLONE_NEW*``, or 0 for all types.

    Raises:
        UnsupportedError: The kernel is older.
    """
    in_range("nstype", nstype, 0, INT_MAX)
    found: list[int] = []
    batch = new_ints("uint64_t", [0] * _BATCH)
    count = _BATCH
    while count == _BATCH:
        last = found[-1] if found else 0
        count = check(lib.pyns_listns(nstype, last, batch, _BATCH), "listns")
        found += read_ints(batch, count)
    return found
