"""From a process, a path, a descriptor or the calling thread to a namespace file."""

import errno
import os
from collections.abc import Callable
from typing import TypeAlias

from .. import _proc, lowlevel
from .._lib import Target, lib, new_held, new_ints, new_target, read_int
from .._refusals import from_errno, wrong_type
from .._types import NamespaceId, NamespaceType
from ..errors import NoSuchProcessError, SystemCallError
from ..lowlevel._arguments import Descriptor, check, descriptor

Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

_T = NamespaceType
_PIDFD_REQUESTS: dict[NamespaceType, Callable[[Descriptor], int]] = {
    _T.CGROUP: lowlevel.pidfd_get_cgroup_namespace,
    _T.IPC: lowlevel.pidfd_get_ipc_namespace,
    _T.MNT: lowlevel.pidfd_get_mnt_namespace,
    _T.NET: lowlevel.pidfd_get_net_namespace,
    _T.PID: lowlevel.pidfd_get_pid_namespace,
    _T.TIME: lowlevel.pidfd_get_time_namespace,
    _T.USER: lowlevel.pidfd_get_user_namespace,
    _T.UTS: lowlevel.pidfd_get_uts_namespace,
}


class Hold:
    """A descriptor, or -1, that is closed at the end of a ``with`` statement."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        # Closes it also if nobody else does.
        self._held = new_held()

    def duplicate(self, fd: int) -> None:
        """Hold what another descriptor is of."""
        check(lib.pyns_duplicate(fd, self._held), "fcntl", fd=fd)

    def fileno(self) -> int:
        """Lend the descriptor, or -1."""
        return read_int(self._held)

    def __enter__(self) -> int:
        return read_int(self._held)

    def __exit__(self, *_: object) -> None:
        lib.pyns_release(self._held)

    def close(self) -> None:
        """Close it. Closing twice is allowed."""
        lib.pyns_release(self._held)


def channel() -> tuple[Hold, Hold]:
    """Make a pair of connected sockets."""
    ours, theirs = Hold(), Hold()
    check(lib.pyns_socketpair(ours._held, theirs._held), "socketpair")
    return ours, theirs


def send(channel: Hold, data: bytes) -> None:
    """
    Send all of something by a socket.

    Raises:
        BrokenPipeError: Nobody is at the other end; and no SIGPIPE.
    """
    sent = 0
    while sent < len(data):
        count = lib.pyns_send(channel.fileno(), data, sent, len(data) - sent)
        if count in (-errno.EPIPE, -errno.ECONNRESET):
            raise BrokenPipeError(-count, os.strerror(-count))
        if count != -errno.EINTR:
            sent += check(count, "send")


def identify(fd: int) -> tuple[Target, NamespaceId]:
    """
    Say which namespace a descriptor is, to the shim and to Python.

    Raises:
        NotANamespaceError: It is none.
    """
    target = new_target()
    check(lib.pyns_identify(fd, target), "ioctl(NS_GET_NSTYPE)", fd=fd)
    type = NamespaceType.from_flag(target.nstype)
    return target, NamespaceId(type, target.dev, target.ino, target.unique or None)


def open_current(type: NamespaceType, *, for_children: bool = False) -> int:
    """Open a namespace of the calling thread, or the one its children will have."""
    result = lib.pyns_own_namespace(type.flag, for_children)
    return _checked_own(result, type, for_children=for_children)


def _checked_own(result: int, type: NamespaceType, *, for_children: bool) -> int:
    name = f"{type}_for_children" if for_children else type
    return check(result, "open", (type,), _proc.namespace_path("thread-self", name))


def is_current(identity: NamespaceId, *, for_children: bool = False) -> bool:
    """Return whether the calling thread is in a namespace, or its children will be."""
    result = lib.pyns_is_current(
        identity.type.flag, for_children, identity.dev, identity.ino
    )
    return bool(_checked_own(result, identity.type, for_children=for_children))


def has_children_elsewhere() -> bool:
    """Return whether children are born in another pid namespace than the thread is."""
    fd = open_current(NamespaceType.PID)
    try:
        _, identity = identify(fd)
    finally:
        os.close(fd)
    return not is_current(identity, for_children=True)


def pin_process(pid: int) -> int:
    """
    Open a pidfd of a process or thread, so that its id cannot pass to another.

    Raises:
        NoSuchProcessError: There is none.

        SystemCallError: EINVAL: *pid* is a thread, and the kernel older than 6.9.
    """
    try:
        return lowlevel.pidfd_open(pid)
    except SystemCallError as error:
        # The id of a thread that leads no process; EINVAL before Linux 6.16.
        if error.errno not in (errno.ENOENT, errno.EINVAL):
            raise
    return lowlevel.pidfd_open(pid, lowlevel.PIDFD_THREAD)


def open_of_pid(pid: int, type: NamespaceType) -> int:
    """Open a namespace of a process or thread, of that one and no later one."""
    try:
        pidfd = pin_process(pid)
    except SystemCallError as error:
        if error.errno != errno.EINVAL:
            raise
        return _open_of_thread(pid, type)
    try:
        return open_of_pidfd(pidfd, type)
    finally:
        os.close(pidfd)


def open_of_pidfd(pidfd: Descriptor, type: NamespaceType) -> int:
    """Open a namespace of a pidfd's process."""
    try:
        return _PIDFD_REQUESTS[type](pidfd)
    except SystemCallError as error:
        # The request is unknown before Linux 6.11.
        if error.errno not in (errno.ENOTTY, errno.EINVAL):
            raise
    return _open_by_link(descriptor(pidfd), type)


def _open_by_link(pidfd: int, type: NamespaceType) -> int:
    """Open the link in ``/proc``, and make sure that it was the pidfd's process."""
    # The pid as this /proc has it, which may be another pid namespace's.
    pid = _proc.pidfd_pid(pidfd)
    if pid is None:
        _require_alive(pidfd, type)
        # Alive, so it is this /proc that does not have it, or there is none.
        path = _proc.namespace_path("PID", type)
        raise from_errno(errno.ENOENT, "open", (type,), path)
    path = _proc.namespace_path(pid, type)
    try:
        fd = _open_link(path, type)
    except NoSuchProcessError:
        _require_alive(pidfd, type)
        if os.path.exists(f"/proc/{pid}"):
            raise  # A zombie.
        # Alive, and hidden from this user (hidepid=).
        raise from_errno(errno.EACCES, "open", (type,), path) from None
    try:
        # Alive now, so nobody else had its pid when the link was opened.
        _require_alive(pidfd, type)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _require_alive(pidfd: int, type: NamespaceType) -> None:
    result = lib.pyns_pidfd_send_signal(pidfd, 0, 0)
    if result != -errno.EPERM:  # That is: alive, and another user's.
        check(result, "pidfd_send_signal", fd=pidfd)
    # A zombie takes signals, and still has links of two types.
    if lib.pyns_pidfd_has_ended(pidfd) == 1:
        raise from_errno(errno.ESRCH, "open", (type,))


def _open_of_thread(tid: int, type: NamespaceType) -> int:
    """Open a thread's namespace where the kernel has no pidfds of threads."""
    path = f"/proc/{tid}"
    try:
        # This directory stays that thread's, and is empty when the thread is gone.
        directory = os.open(path, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        number = error.errno or errno.EIO
        if number == errno.ENOENT:
            number = _why_missing(tid)
        raise from_errno(number, "open", (type,), path) from None
    try:
        return _open_link(f"ns/{type}", type, directory)
    except NoSuchProcessError:
        if os.path.exists(path):
            raise
        raise from_errno(_why_missing(tid), "open", (type,), path) from None
    finally:
        os.close(directory)


def _why_missing(tid: int) -> int:
    """Return the errno for a thread of which there is nothing to see in ``/proc``."""
    try:
        os.kill(tid, 0)
    except ProcessLookupError:
        return errno.ESRCH
    except PermissionError:
        pass  # Another user's.
    # Alive: hidden from this user (hidepid=), or there is no /proc that has it.
    return errno.EACCES if _proc.shows_this_process() else errno.ENOENT


def _open_link(path: str, type: NamespaceType, directory: int | None = None) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        number = error.errno or errno.EIO
        # A zombie has lost all its namespaces but two, and the files with them.
        if number == errno.ENOENT and type in (_proc.namespace_types() or ()):
            number = errno.ESRCH
        raise from_errno(number, "open", (type,), path) from None


def open_path(path: Path, type: NamespaceType | None) -> int:
    """
    Open the namespace file at a path, and nothing but a namespace file.

    Raises:
        NotANamespaceError: The path leads to something else, which was not opened.

        WrongTypeError: The namespace is not of the type asked for.
    """
    name = os.fspath(path)
    encoded = os.fsencode(name)
    if b"\0" in encoded:
        raise ValueError(f"a path cannot contain a null byte: {name!r}")
    types = () if type is None else (type,)
    fd = check(lib.pyns_open_namespace(encoded), "open", types, name)
    return require_type(fd, type, name)


def duplicate(source: Descriptor) -> int:
    """Duplicate a descriptor; the caller keeps its own."""
    fd = descriptor(source)
    held = new_ints("int", [-1])
    check(lib.pyns_duplicate(fd, held), "fcntl", fd=fd)
    return read_int(held)


def require_type(
    fd: int, type: NamespaceType | None, filename: str | bytes | None = None
) -> int:
    """Return *fd* if it is a namespace of the type; else close it and raise."""
    try:
        actual = NamespaceType.from_flag(lowlevel.ns_get_nstype(fd))
        if type is not None and actual is not type:
            raise wrong_type(actual, type, filename)
    except BaseException:
        os.close(fd)
        raise
    return fd
