"""
Acting in a namespace without switching to it.

A short-lived helper task, made in C, joins the namespace and does one thing; what it
opens is a descriptor of this process. No thread of this process is moved. Where the
caller has no power of its own over a namespace, the task first joins the user namespace
that owns it, which the caller may have made.
"""

import errno
import os
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from .. import _proc
from .._lib import (
    IntOut,
    lib,
    new_buffer,
    new_ints,
    new_names,
    read_buffer,
    read_int,
    write_int,
)
from .._lib import read_name as _read_name
from .._types import NamespaceType
from ..lowlevel._arguments import INT_MAX, Descriptor, check, descriptor, in_range
from . import reach
from .tasks import Made, run, run_for_descriptor

_T = NamespaceType
_INT_MIN: Final = -(2**31)
_OFFSETS_SIZE: Final = 128
_BILLION: Final = 10**9


def open_socket(
    netns: int, family: int, type: int, proto: int, adopt: Callable[[int], Made]
) -> Made:
    """Make a socket in a network namespace; return what *adopt* makes of it."""
    for name, value in (("family", family), ("type", type), ("proto", proto)):
        in_range(name, value, _INT_MIN, INT_MAX)
    sys.audit("pynamespaces.setns", (_T.NET,))
    return run_for_descriptor(
        lambda fd: lib.pyns_socket_in(netns, family, type, proto, fd), adopt, _T.NET
    )


def open_file(mntns: int, path: reach.Path, flags: int, mode: int) -> int:
    """Open a file of a mount namespace; the descriptor is the caller's."""
    name = os.fspath(path)
    encoded = os.fsencode(name)
    if b"\0" in encoded:
        raise ValueError(f"a path cannot contain a null byte: {name!r}")
    in_range("flags", flags, 0, INT_MAX)
    in_range("mode", mode, 0, 0o7777)
    # openat2(2) refuses a mode where nothing is made.
    makes = flags & os.O_CREAT or flags & os.O_TMPFILE == os.O_TMPFILE
    sys.audit("pynamespaces.setns", (_T.MNT,))
    mode = mode if makes else 0
    if flags & os.O_PATH:
        # open(2) takes no notice of others with it, where openat2(2) refuses them.
        flags &= os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
    return run_for_descriptor(
        lambda fd: lib.pyns_open_in(mntns, encoded, flags, mode, fd), int, _T.MNT, name
    )


class Names(NamedTuple):
    """The names of a uts namespace."""

    host: str
    domain: str


def read_names(utsns: int) -> Names:
    """Read host and domain name of a uts namespace."""
    sys.audit("pynamespaces.setns", (_T.UTS,))
    names = new_names()
    run(lambda: lib.pyns_names_in(utsns, names), _T.UTS)
    host, domain = _read_name(names.host), _read_name(names.domain)
    return Names(os.fsdecode(host), os.fsdecode(domain))


def write_name(utsns: int, name: bytes, *, is_domain: bool) -> None:
    """Set host or domain name of a uts namespace."""
    sys.audit("pynamespaces.setns", (_T.UTS,))
    run(lambda: lib.pyns_set_name_in(utsns, int(is_domain), name, len(name)), _T.UTS)


def read_offsets(timens: int) -> dict[str, float]:
    """Read the offsets of a time namespace's clocks, in seconds."""
    text = _own_offsets(timens)
    if text is None:
        sys.audit("pynamespaces.setns", (_T.TIME,))
        room = new_buffer(_OFFSETS_SIZE)
        length = run(lambda: lib.pyns_offsets_in(timens, room, _OFFSETS_SIZE), _T.TIME)
        text = read_buffer(room, length).decode()
    offsets = {}
    for line in text.splitlines():
        clock, seconds, nanoseconds = line.split()
        offsets[clock] = int(seconds) + int(nanoseconds) / _BILLION
    return offsets


def _own_offsets(timens: int) -> str | None:
    """Return the calling thread's, if that is where it and its children are."""
    _, identity = reach.identify(timens)
    for for_children in (False, True):
        if not reach.is_current(identity, for_children=for_children):
            return None
    return _proc.time_offsets()


def open_netns_of(sock: Descriptor, adopt: Callable[[int], Made]) -> Made:
    """
    Open the network namespace of a socket; return what *adopt* makes of it.

    The kernel wants power over it, but who has none can still be in it.
    """
    fd = descriptor(sock)

    def ask(netns: IntOut) -> int:
        result = lib.pyns_netns_of_socket(fd, netns)
        if result == -errno.EPERM and _is_of_here(fd):
            write_int(netns, reach.open_current(_T.NET))
            return 0
        return check(result, "ioctl(SIOCGSKNS)", (_T.NET,), fd=fd)

    return run_for_descriptor(ask, adopt, _T.NET)


def _is_of_here(sock: int) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        cookies = [_cookie(fd) for fd in (sock, own.fileno())]
    return cookies[0] == cookies[1] is not None


def _cookie(sock: int) -> int | None:
    value = new_ints("uint64_t", [0])
    return read_int(value) if lib.pyns_netns_cookie(sock, value) == 0 else None


def netns_cookie(netns: int) -> int:
    """Return the number that the kernel gives a network namespace, and no other."""
    import socket

    sock = open_socket(netns, socket.AF_UNIX, socket.SOCK_DGRAM, 0, int)
    try:
        value = new_ints("uint64_t", [0])
        check(lib.pyns_netns_cookie(sock, value), "getsockopt", (_T.NET,), fd=sock)
        return read_int(value)
    finally:
        os.close(sock)
