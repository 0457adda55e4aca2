"""How each row of the table about acting elsewhere is provoked."""

import errno
import os
import socket
from contextlib import closing

from provoking import FakeLib, drop_capabilities, own_user, refusal, replace
from refusals_of_setns import Case, child

from pynamespaces import (
    Namespace,
    NamespaceExistsError,
    NamespacePermissionError,
    NetNamespace,
    SystemCallError,
    UnsupportedError,
    trace,
)
from pynamespaces._core import elsewhere


def _make_packet_socket() -> None:
    drop_capabilities()
    Namespace.current("net").socket(socket.AF_PACKET, socket.SOCK_RAW)


def _ask_old_kernel_for_cookie() -> None:
    fake = FakeLib(pyns_netns_cookie=refusal(errno.ENOPROTOOPT))
    replace(elsewhere, lib=fake)
    assert Namespace.current("net").cookie


def _look_at_socket() -> None:
    own_user()
    with closing(Namespace.new("net")) as foreign, foreign.socket() as sock:
        drop_capabilities()
        NetNamespace.from_socket(sock)


def _open(path: str, flags: int = os.O_RDONLY) -> None:
    with closing(Namespace.current("mnt")) as own:
        own.open(path, flags)


def _watch_the_machine() -> None:
    drop_capabilities()
    trace()


REACHING = [
    Case("perf-power", child(_watch_the_machine), NamespacePermissionError,
         errno.EACCES, "perf_event_open", (), "CAP_PERFMON"),
    Case("socket-power", child(_make_packet_socket), NamespacePermissionError,
         errno.EPERM, "socket", ("net",), "CAP_NET_RAW"),
    Case("no-cookie", child(_ask_old_kernel_for_cookie), UnsupportedError,
         errno.ENOPROTOOPT, "getsockopt", ("net",), "older than Linux 5.14"),
    Case("socket-look", child(_look_at_socket), NamespacePermissionError,
         errno.EPERM, "ioctl(SIOCGSKNS)", ("net",), "CAP_NET_ADMIN", own_user=True),
    Case("no-socket", child(lambda: NetNamespace.from_socket(os.pipe()[0])),
         SystemCallError, errno.ENOTTY, "ioctl(SIOCGSKNS)", ("net",), "is no socket"),
    Case("magic-link", lambda: _open("/proc/self/root"), SystemCallError,
         errno.ELOOP, "openat2", ("mnt",), "could lead out"),
    Case("file-exists", lambda: _open("/dev/null", os.O_CREAT | os.O_EXCL),
         NamespaceExistsError, errno.EEXIST, "openat2", ("mnt",), "the file exists"),
]  # fmt: skip
