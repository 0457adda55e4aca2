"""What only newer kernels have: a test that needs it asks for it, by trying."""

import errno
import os
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Final

from support import in_child, missing

from pynamespaces import NetNamespace, SystemCallError, lowlevel

_UNKNOWN: Final = (errno.ENOTTY, errno.EINVAL, errno.ENOPROTOOPT, errno.EOPNOTSUPP)


def _ask(type: str, ask: Callable[[int], object]) -> None:
    fd = os.open(f"/proc/thread-self/ns/{type}", os.O_RDONLY)
    try:
        ask(fd)
    finally:
        os.close(fd)


def _ask_of_pidfd() -> None:
    pidfd = lowlevel.pidfd_open(os.getpid())
    try:
        os.close(lowlevel.pidfd_get_net_namespace(pidfd))
    finally:
        os.close(pidfd)


def _open_thread() -> None:
    tid = threading.get_native_id()
    os.close(lowlevel.pidfd_open(tid, lowlevel.PIDFD_THREAD))


def _ask_for_cookie() -> None:
    with closing(NetNamespace.current("net")) as own:
        assert own.cookie


def _translate(fd: int) -> int:
    return lowlevel.ns_get_pid_in_pidns(fd, os.getpid())


_SINCE: Final[dict[str, tuple[str, Callable[[], object]]]] = {
    "netns-cookies": ("5.14", _ask_for_cookie),
    "thread-pidfds": ("6.9", _open_thread),
    "mntns-ids": ("6.11", lambda: _ask("mnt", lowlevel.ns_get_mntns_id)),
    "pid-translation": ("6.11", lambda: _ask("pid", _translate)),
    "pidfd-namespaces": ("6.11", _ask_of_pidfd),
    "mntns-info": ("6.12", lambda: _ask("mnt", lowlevel.ns_mnt_get_info)),
    "nsfs-handles": ("6.18", lambda: _ask("uts", lowlevel.name_to_handle_at)),
}


def has(name: str) -> bool:
    """Return whether this kernel has something."""
    try:
        _SINCE[name][1]()
    except SystemCallError as error:
        if error.errno not in _UNKNOWN:
            raise
        return False
    return True


def need(name: str) -> None:
    """Skip the test where the kernel does not have something."""
    if not has(name):
        missing(name, f"Linux before {_SINCE[name][0]}")


def leads_to_pending() -> bool:
    """Return whether a link leads to a pid namespace before its first process."""

    def look() -> bool:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        return os.path.exists("/proc/thread-self/ns/pid_for_children")

    return in_child(look)
