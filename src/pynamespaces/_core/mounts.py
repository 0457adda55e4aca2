"""
The mounts of a namespace, without moving a thread.

The kernel has two ways to tell, and of the root of a namespace it has three notions.
listmount(2) starts at the calling thread's root, if it is in the namespace; else at the
oldest mount on the lowest one, which need not be what anybody there has for a root.
Who enters comes to the mount on top. That is what the list is to start from, so a
helper task enters, to see whether listmount was right; if not, it gets a ``mountinfo``.

What tells the peer group that mounts come from beyond the next (``propagate_from``) is
left out: of another namespace, statmount(2) does not see that group.
"""

import os
import sys

from .. import _proc
from .._lib import lib
from .._types import NamespaceType
from . import elsewhere, mountinfo, statmount
from .mountinfo import Mount as Mount
from .tasks import run_for_descriptor

_T = NamespaceType


def list_mounts(fd: int) -> list[Mount]:
    """
    List the mounts of the mount namespace open at *fd*, in the order of the kernel.

    Paths start at the root that who enters the namespace gets. Who has no power to
    enter can list the namespace of the calling thread, from the thread's own root on.

    Raises:
        NamespacePermissionError: It is another, and the caller has no power over it.
    """
    listed = statmount.list_mounts(fd)
    if listed is not None and _is_from_the_top(fd, listed):
        return listed
    return mountinfo.parse(_read_inside(fd))


def _is_from_the_top(fd: int, mounts: list[Mount]) -> bool:
    """Return whether the root of a list is known to be where entering leads to."""
    try:
        top = elsewhere.open_file(fd, "/", os.O_PATH | os.O_DIRECTORY, 0)
    except OSError:  # Some seccomp filters do not know openat2(2).
        return False
    try:
        roots = [mount.id for mount in mounts if mount.path == "/"]
        return roots == [_proc.mount_id(top)]
    finally:
        os.close(top)


def _read_inside(fd: int) -> bytes:
    """Read the ``mountinfo`` of a process that entered."""
    sys.audit("pynamespaces.setns", (_T.MNT,))
    info = run_for_descriptor(
        lambda opened: lib.pyns_mountinfo_in(fd, opened), int, _T.MNT
    )
    with open(info, "rb") as file:
        return file.read()
