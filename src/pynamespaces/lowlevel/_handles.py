"""File handles of namespaces: names that do not keep them alive (Linux 6.18)."""

import errno

from .._lib import lib, new_buffer, read_buffer
from ..errors import NamespaceGoneError, SystemCallError
from ._arguments import Descriptor, check, descriptor

_LEAST, _ROOM = 16, 64


def name_to_handle_at(fd: Descriptor) -> bytes:
    """
    Return the file handle of a namespace, which any process may open again.

    See :manpage:`open_by_handle_at(2)`. Since Linux 6.18.

    Raises:
        UnsupportedError: The kernel has no handles for namespaces.

        NotANamespaceError: The descriptor is something else.
    """
    number = descriptor(fd)
    room = new_buffer(_ROOM)
    result = lib.pyns_name_to_handle(number, room, _ROOM)
    return read_buffer(room, check(result, "name_to_handle_at", fd=number))


def open_by_handle_at(handle: bytes) -> int:
    """
    Open the namespace that a file handle names.

    The kernel allows it for the calling thread's own namespaces, and else to a caller
    with CAP_SYS_ADMIN over the owner, in the first pid namespace. Since Linux 6.18. See
    :manpage:`open_by_handle_at(2)`.

    Raises:
        NamespaceGoneError: The namespace is dead, or not the caller's to open: the
            kernel does not tell these apart.

        ValueError: *handle* is no handle of a namespace.
    """
    if not isinstance(handle, bytes):
        raise TypeError(f"a handle is bytes, not {type(handle).__name__}")
    if not _LEAST <= len(handle) <= _ROOM:
        raise ValueError(f"a handle of {len(handle)} bytes is none of a namespace")
    result = lib.pyns_open_by_handle(handle, len(handle))
    try:
        return check(result, "open_by_handle_at")
    except SystemCallError as error:
        if error.errno == errno.ESTALE:
            raise NamespaceGoneError(
                "the namespace has died, or is not the caller's to open"
            ) from error
        raise
