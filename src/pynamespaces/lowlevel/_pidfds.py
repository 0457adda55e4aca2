"""The ioctls on pidfds that open a namespace of the process (Linux 6.11)."""

from .._lib import lib
from .._types import NamespaceType
from ._arguments import Descriptor, check, descriptor


def _get(pidfd: Descriptor, name: str, request: int, type: NamespaceType) -> int:
    fd = descriptor(pidfd)
    # The argument is not optional: the kernel refuses what else lies in its place.
    result = lib.pyns_ioctl(fd, request, 0)
    return check(result, f"ioctl(PIDFD_GET_{name}_NAMESPACE)", (type,), fd=fd)


def pidfd_get_cgroup_namespace(pidfd: Descriptor) -> int:
    """
    Open the cgroup namespace of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_CGROUP_NAMESPACE
    return _get(pidfd, "CGROUP", request, NamespaceType.CGROUP)


def pidfd_get_ipc_namespace(pidfd: Descriptor) -> int:
    """
    Open the ipc namespace of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_IPC_NAMESPACE
    return _get(pidfd, "IPC", request, NamespaceType.IPC)


def pidfd_get_mnt_namespace(pidfd: Descriptor) -> int:
    """
    Open the mnt namespace of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_MNT_NAMESPACE
    return _get(pidfd, "MNT", request, NamespaceType.MNT)


def pidfd_get_net_namespace(pidfd: Descriptor) -> int:
    """
    Open the net namespace of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_NET_NAMESPACE
    return _get(pidfd, "NET", request, NamespaceType.NET)


def pidfd_get_pid_namespace(pidfd: Descriptor) -> int:
    """
    Open the pid namespace of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_PID_NAMESPACE
    return _get(pidfd, "PID", request, NamespaceType.PID)


def pidfd_get_pid_for_children_namespace(pidfd: Descriptor) -> int:
    """
    Open the pid namespace of the children of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE
    return _get(pidfd, "PID_FOR_CHILDREN", request, NamespaceType.PID)


def pidfd_get_time_namespace(pidfd: Descriptor) -> int:
    """
    Open the time namespace of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_TIME_NAMESPACE
    return _get(pidfd, "TIME", request, NamespaceType.TIME)


def pidfd_get_time_for_children_namespace(pidfd: Descriptor) -> int:
    """
    Open the time namespace of the children of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE
    return _get(pidfd, "TIME_FOR_CHILDREN", request, NamespaceType.TIME)


def pidfd_get_user_namespace(pidfd: Descriptor) -> int:
    """
    Open the user namespace of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_USER_NAMESPACE
    return _get(pidfd, "USER", request, NamespaceType.USER)


def pidfd_get_uts_namespace(pidfd: Descriptor) -> int:
    """
    Open the uts namespace of a pidfd's process (Linux 6.11).

    See :manpage:`pidfd_open(2)`.

    Raises:
        NamespacePermissionError: The caller may not look into the process.

        NoSuchProcessError: It is dead.
    """
    request = lib.PIDFD_GET_UTS_NAMESPACE
    return _get(pidfd, "UTS", request, NamespaceType.UTS)
