"""Pins: files that namespaces are mounted on, which keeps them alive."""

import errno
import time
from typing import Final

from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import NoSuchNamespaceError
from .place import Place, looks_made
from .reach import Path

_PATIENCE: Final = 0.1
"""How long a caller may take from detaching a namespace to removing its file, in s."""
_PAUSE: Final = 0.001


def _wait_for_another(place: Place) -> None:
    """
    Wait for a caller that has detached the namespace, and is to remove the file.

    Raises:
        NoSuchNamespaceError: It has done so.
    """
    deadline = time.monotonic() + _PATIENCE
    # Files of other kinds were not made by `pin`, so nobody is about to remove them.
    while looks_made(place.facts()) and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def pin(fd: int, type: NamespaceType, path: Path) -> None:
    """
    Make a file and mount a namespace on it, in the thread's mount namespace.

    If it fails, no file is left. The descriptor stays the caller's.
    """
    with Place(path, "open(O_CREAT)", (type,)) as place:
        place.fill(type, lambda: fd)


def unpin(path: Path, *, missing_ok: bool = False) -> None:
    """
    Detach the namespace that is pinned at a path, and remove the file.

    This happens in the mount namespace of the calling *thread*, and in those that
    its mounts propagate to. The namespace lives on while anything else holds it. Of
    callers at the same time, one unpins it, and the others find it missing. See
    :manpage:`umount(2)`.

    Args:
        path: What `Namespace.pin` or another program has mounted a namespace on.
            Links are not followed.

        missing_ok: Allow that there is no such file.

    Raises:
        NotANamespaceError: No namespace is pinned there: it is a link, as those in
            ``/proc/PID/ns``, or a directory, or a file with nothing mounted on it.
            Nothing was changed.

        NoSuchNamespaceError: There is no such file.

        NamespacePermissionError: The caller has no CAP_SYS_ADMIN over the thread's
            mount namespace, or may not remove the file.
    """
    try:
        with Place(path, "open") as place:
            _remove(place)
    except NoSuchNamespaceError:
        if not missing_ok:
            raise


def _remove(place: Place) -> None:
    if not place.is_pin():
        if place.remove_half_made():
            raise from_errno(errno.ENOENT, "umount2", (), place.path)
        _wait_for_another(place)
        raise from_errno(errno.EINVAL, "umount2", (), place.path)
    if not place.remove():
        raise from_errno(errno.ENOENT, "umount2", (), place.path)
