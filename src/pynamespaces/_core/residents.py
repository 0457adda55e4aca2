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

# The caller's want of room says nothing of the file.
_WANTS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

_kept: list[int] = []


def keep() -> None:
    """
    Keep the file open for good.

    To be called before a thread goes where another file may be in its place. Where it
    is out of reach already, as in a chroot, there will be no init.
    """
    if _kept:
        return
    try:
        _kept.append(_open())
    except OSError as error:
        if error.errno in _WANTS:
            raise


@contextmanager
def opened() -> Iterator[int]:
    """Lend a descriptor of the file."""
    if _kept:
        yield _kept[0]
        return
    fd = _open()
    try:
        yield fd
    finally:
        os.close(fd)


def _open() -> int:
    """Open what this process has imported, or a copy where that cannot be executed."""
    fd = os.open(_PATH, _READ)
    try:
        if _identity(os.fstat(fd)) != _IMPORTED:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), _PATH)
        if os.access(_PATH, os.X_OK, effective_ids=True):
            return fd
        copy = os.memfd_create("pynamespaces", os.MFD_CLOEXEC)
        try:
            os.sendfile(copy, fd, 0, os.fstat(fd).st_size)
        except BaseException:
            os.close(copy)
            raise
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return copy
