"""What tells a namespace from all others, and from those that get its inode number."""

import errno
import os
from typing import Final, NamedTuple

from .. import _proc, lowlevel
from .._lib import lib, new_ints, read_int
from .._refusals import from_errno
from .._types import NamespaceId, NamespaceType
from ..errors import (
    NamespaceError,
    NamespaceGoneError,
    NamespaceLimitError,
    SystemCallError,
)
from . import reach

# No handles of namespaces before Linux 6.18; nor where a filter forbids the calls, as
# container runtimes do.
_NO_HANDLES: Final = (
    *(errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES),
    errno.EBADF,  # To open one, before Linux 6.18.
)

_last_boot: Final[dict[str, bytes]] = {}


class Marks(NamedTuple):
    """What is known of one namespace: plain data."""

    id: NamespaceId

    handle: bytes = b""
    """Its file handle; empty before Linux 6.18, or where the caller gets none."""

    number: int | None = None
    """Before Linux 6.18, an id of its type's own that is never given twice."""


def marks_of(fd: int) -> Marks:
    """Ask all that there is to know of a namespace."""
    identity = reach.identify(fd)[1]
    if identity.unique is None:
        return Marks(identity, _handle(fd), _number(fd, identity))
    return Marks(identity, _handle(fd))


def fits(fd: int, marks: Marks) -> bool:
    """
    Return whether a descriptor is the namespace that *marks* are of.

    It is certain by any of the ids that are never given twice, where the caller can
    ask for it, too. Else it is by device and inode number.
    """
    known, found = marks.id, reach.identify(fd)[1]
    if (known.type, known.dev, known.ino) != (found.type, found.dev, found.ino):
        return False
    if known.unique is not None and found.unique is not None:
        return known.unique == found.unique
    if marks.handle and (handle := _handle(fd)):
        return handle == marks.handle
    if marks.number is not None:
        return _number(fd, found) in (marks.number, None)
    return True


def open_by_handle(marks: Marks) -> int | None:
    """Open the namespace by its handle; None where that does not lead to it."""
    if not marks.handle:
        return None
    try:
        return lowlevel.open_by_handle_at(marks.handle)
    except NamespaceGoneError:
        return None  # Dead, or only not to be opened in this way.
    except SystemCallError as error:
        if error.errno not in _NO_HANDLES:
            raise
        return None


def _handle(fd: int) -> bytes:
    try:
        return lowlevel.name_to_handle_at(fd)
    except SystemCallError as error:
        if error.errno not in _NO_HANDLES:
            raise
        return b""


def _number(fd: int, identity: NamespaceId) -> int | None:
    """Return the type's own id of a mount or network namespace, where it is told."""
    if identity.type is NamespaceType.NET:
        return _cookie(fd, identity)
    out = new_ints("uint64_t", [0])
    # Other types have none, and mount namespaces have it since Linux 6.11.
    result = lib.pyns_ioctl_u64(fd, lib.NS_GET_MNTNS_ID, out)
    return read_int(out) if result >= 0 else None


def _cookie(fd: int, identity: NamespaceId) -> int | None:
    """Return the cookie of a network namespace (Linux 5.14)."""
    from . import elsewhere

    here = reach.open_current(NamespaceType.NET)
    try:
        if reach.identify(here)[1] == identity:
            return _own_cookie()
    finally:
        os.close(here)
    try:
        return elsewhere.netns_cookie(fd)
    except NamespaceLimitError:
        raise
    except NamespaceError:
        return None


def _own_cookie() -> int | None:
    import socket

    out = new_ints("uint64_t", [0])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        result = lib.pyns_netns_cookie(own.fileno(), out)
    return read_int(out) if result >= 0 else None


def boot_id() -> bytes | None:
    """
    Return the id of this boot; None where it could never be read.

    What was read last still holds for a process that has lost sight of ``/proc``.
    """
    try:
        found = _proc.boot_id()
    except OSError as error:
        raise from_errno(error.errno or errno.EIO, "open", (), _proc.BOOT_ID) from None
    if found is not None:
        _last_boot["id"] = found
    return _last_boot.get("id")
