"""
The file with the init and the guard in it: the extension module itself.

The kernel can execute it as a small program of its own (``_shim/resident.c``), so there
is nothing else to install, and nothing to search for in a foreign mount namespace.
"""

import errno
import os
from typing import Final

from .._lib import FILE, Spawn, lib

_PATH: Final = os.path.abspath(FILE)
_FACTS: Final = os.stat(_PATH)
_IMPORTED: Final = (_FACTS.st_dev, _FACTS.st_ino)

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
        with open(_PATH, "rb") as file:
            facts = os.fstat(file.fileno())
            if (facts.st_dev, facts.st_ino) == _IMPORTED:
                # Other threads may be here, too: it is the file once.
                _kept[:] = [file.read()]
    except FileNotFoundError:
        return


def open_for(spawn: Spawn) -> None:
    """
    Open the file for a program to be started, or a copy where it cannot be executed.

    Raises:
        OSError: The file is out of reach, or there is no room.
    """
    if not _kept:
        result = lib.pyns_spawn_open(spawn, os.fsencode(_PATH), *_IMPORTED)
        if result == -errno.ESTALE:
            result = -errno.ENOENT
        if result >= 0:
            return
        if result != -errno.EACCES:
            raise OSError(-result, os.strerror(-result), _PATH)
        keep()
    content = b"".join(_kept)
    result = lib.pyns_spawn_copy(spawn, content, len(content))
    if result < 0:
        raise OSError(-result, os.strerror(-result), "memfd")
