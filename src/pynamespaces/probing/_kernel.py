"""What can be tried that is not about one type of namespace."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .. import _proc, lowlevel
from .._core import mountinfo, registry
from .._core.idmap import IdMap
from .._lib import lib, new_buffer, new_ints, read_int
from .._namespace import Namespace
from .._refusals import from_errno
from .._set import NamespaceSet
from .._types import NamespaceType
from ..errors import NamespacePermissionError, SystemCallError, UnsupportedError
from ..lowlevel._arguments import check
from ._tries import (
    hide_mounts,
    mount_on_file,
    start,
    start_with_user,
    try_to_mount,
)

if TYPE_CHECKING:
    from ._tasks import Subject

_T = NamespaceType
_SIZE: Final = 4096
_SB_BASIC: Final = 1  # STATMOUNT_SB_BASIC of linux/mount.h


def clone3(subject: Subject) -> None:
    subject.be_like_caller()
    # A flag that clone(2) has not, which would be used in its place.
    pid, _ = lowlevel.clone3(lowlevel.CLONE_CLEAR_SIGHAND)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def cgroup(subject: Subject) -> None:
    subject.be_like_caller()
    start(cgroup=_own_cgroup())


def _own_cgroup() -> int:
    """Open the directory of this process's cgroup."""
    text = _proc.cgroup("self")
    if text is None:
        raise from_errno(errno.ENOENT, "open", (), "/proc/self/cgroup")
    lines = text.splitlines()
    places = [os.fsdecode(line[3:]) for line in lines if line.startswith(b"0::")]
    for mount in mountinfo.parse(_proc.mountinfo() or b""):
        for place in places if mount.type == "cgroup2" else ():
            path = os.path.join(mount.path, os.path.relpath(place, mount.root))
            with suppress(OSError):
                return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    raise UnsupportedError(
        errno.ENOENT,
        os.strerror(errno.ENOENT),
        syscall="open(cgroup)",
        reason="no cgroup of version 2 is mounted here that this process is in",
    )


def pidfd_open(subject: Subject) -> None:
    subject.be_like_caller()
    lowlevel.pidfd_open(os.getpid())


def pidfd_namespaces(subject: Subject) -> None:
    subject.be_like_caller()
    lowlevel.pidfd_get_mnt_namespace(lowlevel.pidfd_open(os.getpid()))


def ids(subject: Subject) -> None:
    subject.be_like_caller()
    lowlevel.ns_get_id(Namespace.current(_T.MNT))


def handles(subject: Subject) -> None:
    subject.be_like_caller()
    own = Namespace.current(_T.MNT)
    lowlevel.open_by_handle_at(lowlevel.name_to_handle_at(own))


def statmount(subject: Subject) -> None:
    subject.be_like_caller()
    found = new_ints("uint64_t", [0])
    count = check(lib.pyns_listmount(0, 0, found, 1), "listmount", (_T.MNT,))
    if count:  # Who is chrooted sees none.
        room = new_buffer(_SIZE)
        result = lib.pyns_statmount(0, read_int(found), _SB_BASIC, room, _SIZE)
        check(result, "statmount", (_T.MNT,))


def id_map(subject: Subject) -> None:
    subject.be_like_caller()
    same = IdMap.current()
    Namespace.new(_T.USER, uid_map=same, gid_map=same)


def subids(subject: Subject) -> None:
    subject.be_like_caller()
    ids = IdMap.subids()
    Namespace.new(_T.USER, uid_map=ids, gid_map=ids)


def mount_proc(subject: Subject) -> None:
    subject.be_like_caller()
    start_with_user(_T.PID, _T.MNT)


def loopback(subject: Subject) -> None:
    subject.be_like_caller()
    try:
        Namespace.new(_T.NET)
    except NamespacePermissionError as error:
        if error.syscall not in ("unshare", "clone"):
            raise
        NamespaceSet.new(_T.USER, _T.NET)


def listns(subject: Subject) -> None:
    subject.be_like_caller()
    lowlevel.listns(lowlevel.CLONE_NEWUTS)


def names(subject: Subject) -> None:
    subject.be_like_caller()
    fresh = Namespace.new(_T.NET, loopback=False)
    folder = registry.DIRECTORY
    if not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    _try_to_make_file(folder)
    try_to_mount(fresh)
    try:
        hide_mounts()
    except SystemCallError as error:
        if error.syscall != "unshare":
            raise
        return  # A limit: what is mounted would be seen by others.
    path = folder.encode()
    check(lib.pyns_bind(path, path), "mount", (_T.NET,), folder)
    check(lib.pyns_make_shared(path), "mount", (_T.NET,), folder)
    # Not on a file without a name, where nothing can be mounted.
    mount_on_file(fresh)


def _try_to_make_file(folder: str) -> None:
    """Make a file without a name, which leaves no trace."""
    try:
        os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        number = error.errno or errno.EIO
        # Not every file system has such files.
        if number in (errno.EOPNOTSUPP, errno.EISDIR) and os.access(folder, os.W_OK):
            return
        raise from_errno(number, "open(O_CREAT)", (_T.NET,), folder) from None
