"""
Finding a namespace again by what is known of it: who is in it, and who has it open.

No thread moves. What is found is what the caller may look into (:manpage:`ptrace(2)`,
PTRACE_MODE_READ_FSCREDS), in the ``/proc`` and the mounts that it sees.
"""

import errno
import os
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from .. import _proc
from .._lib import lib
from .._refusals import from_errno
from .._types import NamespaceId, NamespaceType
from ..errors import SystemCallError
from . import reach
from .mountinfo import namespace_mounts

_FOR_CHILDREN: Final = (NamespaceType.PID, NamespaceType.TIME)

# The caller's own want of room says nothing of a namespace.
_WANTS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def find_members(identity: NamespaceId) -> Iterator[tuple[int, str]]:
    """
    Yield the id of each process or thread inside a namespace, and its link's path.

    All processes come before the other threads, so that finding a process is fast. Of
    the types pid and time, those whose children are born inside count as well, with
    a link ``*_for_children``. Ids are as this ``/proc`` has them.

    Only inode numbers are compared, and a process may have ended or moved since: open
    the path and verify.
    """
    links = _links(identity.type)
    known = _proc.process_ids()
    for pid in known:
        yield from _matching(identity, pid, str(pid), links)
    for pid in known:
        for tid in _proc.thread_ids(pid):
            if tid != pid:
                yield from _matching(identity, tid, f"{pid}/task/{tid}", links)


def _links(type: NamespaceType) -> list[str]:
    return [type, f"{type}_for_children"] if type in _FOR_CHILDREN else [type]


def _matching(
    identity: NamespaceId, tid: int, folder: str, links: list[str]
) -> Iterator[tuple[int, str]]:
    for link in links:
        path = _proc.namespace_path(folder, link)
        if _proc.link_text(path) == str(identity):
            yield tid, path


def find_files(identity: NamespaceId) -> Iterator[str]:
    """
    Yield paths by which a namespace may be opened though no process is inside.

    They are the caller's own descriptors, the mounts that it sees, and descriptors of
    other processes, in that order. As `find_members`, this compares inode numbers.
    """
    text = str(identity)
    yield from _descriptors("thread-self", text)
    for root, path in namespace_mounts():
        if root == text:
            yield path
    for pid in _proc.process_ids():
        yield from _descriptors(pid, text)


def _descriptors(pid: int | str, text: str) -> Iterator[str]:
    for path in _proc.descriptor_paths(pid):
        if _proc.link_text(path) == text:
            yield path


def open_found(identity: NamespaceId, is_it: Callable[[int], bool]) -> int | None:
    """
    Open a namespace wherever the caller may look for it; None if it is nowhere.

    The calling thread's own is looked at first, then `find_members`, `find_files`.

    Args:
        identity: What to look for.

        is_it: Says of a descriptor whether it is the namespace.

    Raises:
        NamespaceLimitError: There was no room to look.
    """
    try:
        for fd in _open_candidates(identity):
            if keep_if(fd, is_it):
                return fd
    except SystemCallError:
        raise
    except OSError as error:
        number = error.errno or errno.EIO
        types = (identity.type,)
        raise from_errno(number, "open", types, error.filename) from None
    return None


def keep_if(fd: int, is_it: Callable[[int], bool]) -> bool:
    """Return whether it is the namespace; close the descriptor if not."""
    found = False
    try:
        found = is_it(fd)
    finally:
        if not found:
            os.close(fd)
    return found


def _open_candidates(identity: NamespaceId) -> Iterator[int]:
    """Open what may be it; each descriptor is the taker's."""
    for link in _links(identity.type):
        try:
            yield reach.open_current(identity.type, for_children=link != identity.type)
        except SystemCallError as error:
            # Else there is none yet, or this kernel has no such type.
            if error.errno in _WANTS:
                raise
    members = (path for _, path in find_members(identity))
    for path in chain(members, find_files(identity)):
        fd = lib.pyns_open_namespace(os.fsencode(path))
        if fd >= 0:
            yield fd
        elif -fd in _WANTS:
            raise from_errno(-fd, "open", (identity.type,), path)
