"""How each row of the table about files, ioctls and the rest is provoked."""

import errno
import os
import resource
from collections.abc import Callable

from old_kernels import become_old
from provoking import (
    ENOTTY,
    FakeLib,
    closed_fd,
    dead_pid,
    drop_capabilities,
    hide_proc,
    own_user,
    refusal,
    refuse_calls,
    replace,
)
from refusals_of_setns import POWER, Case, child, fd_of
from support import TIER

from pynamespaces import (
    Namespace,
    NamespaceLimitError,
    NamespacePermissionError,
    NamespaceType,
    NoSuchNamespaceError,
    NoSuchProcessError,
    NotANamespaceError,
    UnsupportedError,
    WrongTypeError,
    _causes,
    _proc,
    lowlevel,
)
from pynamespaces._core import reach
from pynamespaces.lowlevel import _nsfs


def ask(function: Callable[[int], object], name: str) -> Callable[[], object]:
    """Ask something of a namespace of this thread."""
    return child(lambda: function(fd_of(name)))


def _ask_pipe(function: Callable[[int], object]) -> Callable[[], object]:
    return child(lambda: function(os.pipe()[0]))


def _ask_pidfd_of_old_kernel() -> None:
    replace(_nsfs, lib=FakeLib(pyns_ioctl=refusal(errno.EINVAL)))
    lowlevel.ns_get_nstype(os.pidfd_open(os.getpid()))


def _ask_old_kernel() -> None:
    replace(_nsfs, lib=FakeLib(pyns_ioctl_u64=ENOTTY))
    lowlevel.ns_get_id(fd_of("net"))


def powerful() -> int:
    """Give up all power, and return a process that may then not be looked into."""
    drop_capabilities()
    return 1 if TIER == "plain" else os.getppid()


def _look_into_process() -> None:
    lowlevel.pidfd_get_net_namespace(lowlevel.pidfd_open(powerful()))


def _open_of_process() -> None:
    Namespace.from_path(f"/proc/{powerful()}/ns/net")


def _take_descriptor() -> None:
    lowlevel.pidfd_getfd(lowlevel.pidfd_open(powerful()), 0)


def _open_without_proc() -> None:
    own_user()
    hide_proc()
    Namespace.from_path("/proc/self/ns/net")


def _open_lacking_type() -> None:
    replace(reach, lib=FakeLib(pyns_own_namespace=lambda *_: -errno.ENOENT))
    replace(_proc, namespace_types=lambda: ["net", "uts"])
    Namespace.current("time")


def _without_descriptors(function: Callable[[], object]) -> Callable[[], object]:
    def provoke() -> None:
        number = closed_fd()
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))
        function()

    return child(provoke)


def _call_filtered() -> None:
    refuse_calls(pidfd_open=errno.ENOSYS)
    lowlevel.pidfd_open(os.getpid())


def _call_of_later() -> None:
    replace(_causes, kernel_version=lambda: (5, 2))
    _call_filtered()


def _ask_of_later() -> None:
    replace(_causes, kernel_version=lambda: (6, 17))
    _ask_old_kernel()


def _unshare_missing() -> None:
    refuse_calls(unshare=errno.ENOSYS)
    lowlevel.unshare(lowlevel.CLONE_FS)


def _open_handle_filtered() -> None:
    refuse_calls(open_by_handle_at=errno.EPERM)
    lowlevel.open_by_handle_at(bytes(16))


def _open_pending_pid() -> None:
    become_old("5.10")
    lowlevel.unshare(lowlevel.CLONE_NEWPID)
    reach.open_current(NamespaceType.PID, for_children=True)


_PATH = "/proc/thread-self/ns/net"


def _pipe() -> int:
    """Return a descriptor that ends with the test."""
    reader, writer = os.pipe()
    os.close(writer)
    return reader


def _open_handle_before() -> None:
    become_old("6.17")
    lowlevel.open_by_handle_at(bytes(16))


OPENING = [
    Case("handle-no-namespace", child(lambda: lowlevel.name_to_handle_at(_pipe())),
         NotANamespaceError, errno.EOPNOTSUPP, "name_to_handle_at", (),
         "only namespaces"),
    Case("pidfd-no-ioctl", _ask_pipe(lowlevel.pidfd_get_net_namespace),
         UnsupportedError, errno.ENOTTY, "ioctl(PIDFD_GET_NET_NAMESPACE)", ("net",),
         "older than Linux 6.11"),
    Case("no-namespace", _ask_pipe(lowlevel.ns_get_nstype), NotANamespaceError,
         errno.ENOTTY, "ioctl(NS_GET_NSTYPE)", (), "it is no namespace"),
    Case("open-no-namespace", lambda: Namespace.from_path("/dev/null", "net"),
         NotANamespaceError, errno.ENOTTY, "open", ("net",), "file is no namespace"),
    Case("old-ioctl", child(_ask_of_later), UnsupportedError, errno.ENOTTY,
         "ioctl(NS_GET_ID)", (), "came with Linux 6.18, and this is older"),
    Case("no-ioctl", child(_ask_old_kernel), UnsupportedError, errno.ENOTTY,
         "ioctl(NS_GET_ID)", (), "no such request"),
    Case("ioctl-pidfd", child(_ask_pidfd_of_old_kernel), NotANamespaceError,
         errno.EINVAL, "ioctl(NS_GET_NSTYPE)", (), "is a pidfd, and no namespace"),
    Case("ioctl-other-type", ask(lowlevel.ns_get_parent, "uts"), WrongTypeError,
         errno.EINVAL, "ioctl(NS_GET_PARENT)", (), "of this type do not have it"),
    Case("ioctl-other-type", ask(lowlevel.ns_get_owner_uid, "net"), WrongTypeError,
         errno.EINVAL, "ioctl(NS_GET_OWNER_UID)", ("user",), "do not have it"),
    Case("ioctl-other-type", ask(lowlevel.ns_get_mntns_id, "net"), WrongTypeError,
         errno.EINVAL, "ioctl(NS_GET_MNTNS_ID)", (), "do not have it"),
    Case("ioctl-other-type", ask(lowlevel.ns_mnt_get_info, "net"), WrongTypeError,
         errno.EINVAL, "ioctl(NS_MNT_GET_INFO)", ("mnt",), "do not have it"),
    Case("process-look", child(_look_into_process), NamespacePermissionError,
         errno.EACCES, "ioctl(PIDFD_GET_NET_NAMESPACE)", ("net",), "ptrace access"),
    Case("ioctl-walk", ask(lowlevel.ns_mnt_get_next, "mnt"), NamespacePermissionError,
         errno.EPERM, "ioctl(NS_MNT_GET_NEXT)", ("mnt",), "takes CAP_SYS_ADMIN over",
         None, ("userns", "plain")),
    Case("ioctl-outside", ask(lowlevel.ns_get_parent, "user"),
         NamespacePermissionError, errno.EPERM, "ioctl(NS_GET_PARENT)", (),
         "outside the caller's own"),
    Case("ioctl-outside", ask(lowlevel.ns_get_userns, "user"),
         NamespacePermissionError, errno.EPERM, "ioctl(NS_GET_USERNS)", (),
         "outside the caller's own"),
    Case("open-no-proc", child(_open_without_proc), NoSuchNamespaceError,
         errno.ENOENT, "open", (), "no /proc is mounted", own_user=True),
    Case("handle-seccomp", child(_open_handle_filtered), NamespacePermissionError,
         errno.EPERM, "open_by_handle_at", (), "forbids to open files by handles",
         "NamespaceRef.resolve"),
    Case("handle-root", child(_open_handle_before), UnsupportedError,
         errno.EBADF, "open_by_handle_at", (), "before Linux 6.18",
         "NamespaceRef.resolve"),
    Case("pid-without-init", child(_open_pending_pid), NoSuchNamespaceError,
         errno.ENOENT, "open", ("pid",), "no process yet", "start its init", POWER),
    Case("open-lacks-type", child(_open_lacking_type), UnsupportedError,
         errno.ENOENT, "open", ("time",), "kernel was built without it"),
    Case("open-refused", child(_open_of_process), NamespacePermissionError,
         errno.EACCES, "open", (), "may not look into the process"),
    Case("no-such-file", lambda: Namespace.from_path("/nonexistent/net", "net"),
         NoSuchNamespaceError, errno.ENOENT, "open", ("net",)),
    Case("no-such-process", lambda: lowlevel.pidfd_open(dead_pid()),
         NoSuchProcessError, errno.ESRCH, "pidfd_open", (), "or is dead"),
    Case("no-permission", child(_take_descriptor), NamespacePermissionError,
         errno.EPERM, "pidfd_getfd"),
    Case("descriptors", _without_descriptors(lambda: Namespace.from_path(_PATH)),
         NamespaceLimitError, errno.EMFILE, "open", (), "too many descriptors",
         "RLIMIT_NOFILE"),
    Case("descriptors", _without_descriptors(lambda: Namespace.current("net")),
         NamespaceLimitError, errno.EMFILE, "open", ("net",), "too many descriptors",
         "RLIMIT_NOFILE"),
    Case("descriptors", _without_descriptors(lambda: Namespace.from_pid(1, "net")),
         NamespaceLimitError, errno.EMFILE, "pidfd_open", (), "too many descriptors",
         "RLIMIT_NOFILE"),
    Case("old-call", child(_call_of_later), UnsupportedError, errno.ENOSYS,
         "pidfd_open", (), "came with Linux 5.3, and the kernel is older"),
    Case("hidden-call", child(_call_filtered), UnsupportedError, errno.ENOSYS,
         "pidfd_open", (), "filter hides the call, which came with Linux 5.3"),
    Case("no-call", child(_unshare_missing), UnsupportedError, errno.ENOSYS,
         "unshare", (), "or a seccomp filter, does not have it"),
]  # fmt: skip
