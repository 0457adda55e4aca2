"""Which namespaces threads and processes are in: asked without the library."""

from __future__ import annotations

import fcntl
import os
from _thread import get_native_id
from typing import Final

from old_kernels import PIDFD_REQUESTS, PIDFD_THREAD
from support import identity

from pynamespaces import Namespace, TypeLike

_LINKS: Final = (
    *("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time"),
    *("time_for_children", "user", "uts"),
)
_REQUESTS: Final = dict(zip(_LINKS, PIDFD_REQUESTS, strict=True))

TYPES: Final[tuple[TypeLike, ...]] = (
    *("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"),
)

Place = tuple[int, int]


def own(link: str) -> Place:
    """Return which namespace the calling thread is in, also without ``/proc``."""
    try:
        return identity(f"/proc/thread-self/ns/{link}")
    except OSError:
        return _asked(os.pidfd_open(get_native_id(), PIDFD_THREAD), link)


def of(pid: int, link: str) -> Place:
    """Return which namespace a process is in, also without ``/proc``."""
    try:
        return identity(f"/proc/{pid}/ns/{link}")
    except OSError:
        return _asked(os.pidfd_open(pid), link)


def _asked(pidfd: int, link: str) -> Place:
    try:
        fd = fcntl.ioctl(pidfd, _REQUESTS[link], 0)
    finally:
        os.close(pidfd)
    try:
        return identity(fd)
    finally:
        os.close(fd)


def place(namespace: Namespace) -> Place:
    """Return which namespace it is."""
    return identity(namespace.fileno())


def link_of(type: TypeLike) -> str:
    """Return the link that moves when a thread enters."""
    return "pid_for_children" if type == "pid" else str(type)
