"""
The file with the init and the guard in it: the extension module itself.

The kernel can execute it as a small program of its own (``_shim/resident.c``), so there
is nothing else to install, and nothing to search for in a foreign mount namespace.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .._lib import FILE

_PATH: Final = os.path.abspath(FILE)
_READ: Final = os.O_RDONLY | os.O_CLOEXEC


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


_IMPORTED: Final = _identity(os.stat(_PATH))

_kept: list[bytes] = []


def keep() -> None:
    """
    Keep what is in the file.

    To be called before a thread goes where another file may be in its place. Where it
    is out of reach already, as in a chroot, there will be no init.

    Raises:
        OSError: There is no room to open it.
    """
    if _kept:
        return
    try:
        fd = _open()
    except FileNotFoundError:
        return
    with open(fd, "rb") as file:
        _kept.append(file.read())


@contextmanager
def opened() -> Iterator[int]:
    """Lend a descriptor of the file, or of a copy where that cannot be executed."""
    fd = _open_copy(_kept[0]) if _kept else _open()
    try:
        if not _kept and not os.access(_PATH, os.X_OK, effective_ids=True):
            size = os.fstat(fd).st_size
            original, fd = fd, _open_copy(os.pread(fd, size, 0))
            os.close(original)
        yield fd
    finally:
        os.close(fd)


def _open() -> int:
    """Open what this process has imported, and no other that is in its place."""
    fd = os.open(_PATH, _READ)
    if _identity(os.fstat(fd)) != _IMPORTED:
        os.close(fd)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), _PATH)
    return fd


def _open_copy(content: bytes) -> int:
    fd = os.memfd_create("pynamespaces", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
    except BaseException:
        os.close(fd)
        raise
    return fd
