"""Types that can no more than any other."""

from .._namespace import Namespace
from .._types import NamespaceType


class CgroupNamespace(Namespace, type=NamespaceType.CGROUP):
    """A cgroup namespace: roots of cgroup paths (:manpage:`cgroup_namespaces(7)`)."""

    __slots__ = ()


class IpcNamespace(Namespace, type=NamespaceType.IPC):
    """
    An ipc namespace: System V IPC and POSIX queues (:manpage:`ipc_namespaces(7)`).

    Entering applies what the thread had registered with ``SEM_UNDO`` at once.
    """

    __slots__ = ()
