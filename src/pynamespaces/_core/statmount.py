"""The mounts of a namespace by listmount(2) and statmount(2) (Linux 6.15)."""

import errno
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from .._lib import (
    lib,
    new_buffer,
    new_ints,
    read_buffer,
    read_int,
    read_ints,
)
from .mountinfo import Mount, unescape_options

_BATCH: Final = 512
_SIZE: Final = 4096
_LARGEST: Final = 1 << 20

# What follows is from linux/mount.h, which older systems do not have.
_SB_BASIC: Final = 0x1
_MNT_BASIC: Final = 0x2
_MNT_ROOT: Final = 0x8
_MNT_POINT: Final = 0x10
_FS_TYPE: Final = 0x20
_MNT_OPTS: Final = 0x80
_FS_SUBTYPE: Final = 0x100
_SB_SOURCE: Final = 0x200
_SUPPORTED_MASK: Final = 0x1000

_WANTED: Final = (
    _SB_BASIC
    | _MNT_BASIC
    | _MNT_ROOT
    | _MNT_POINT
    | _FS_TYPE
    | _MNT_OPTS
    | _FS_SUBTYPE
    | _SB_SOURCE
    | _SUPPORTED_MASK
)

# In the order in which mountinfo writes them.
_OPTIONS: Final = (
    (0x2, "nosuid"),
    (0x4, "nodev"),
    (0x8, "noexec"),
    (0x10, "noatime"),
    (0x80, "nodiratime"),
    (0, "relatime"),
    (0x200000, "nosymfollow"),
    (0x100000, "idmapped"),
)
_RDONLY: Final = 0x1
_ATIME: Final = 0x70
_SUPER_OPTIONS: Final = ((0x10, b"sync"), (0x80, b"dirsync"), (1 << 25, b"lazytime"))
_UNBINDABLE: Final = 1 << 17

_STRINGS: Final = 512
_FACTS: Final = struct.Struct("=IIQIIQIIQQIIQQQQQIIQIIIIIIQ")


class _Facts(NamedTuple):
    """``struct statmount``; its strings are offsets, each where the mask says so."""

    size: int
    mnt_opts: int
    mask: int
    sb_dev_major: int
    sb_dev_minor: int
    sb_magic: int
    sb_flags: int
    fs_type: int
    mnt_id: int
    mnt_parent_id: int
    mnt_id_old: int
    mnt_parent_id_old: int
    mnt_attr: int
    mnt_propagation: int
    mnt_peer_group: int
    mnt_master: int
    propagate_from: int
    mnt_root: int
    mnt_point: int
    mnt_ns_id: int
    fs_subtype: int
    sb_source: int
    opt_num: int
    opt_array: int
    opt_sec_num: int
    opt_sec_array: int
    supported_mask: int


class _UntoldError(Exception):
    """The kernel cannot tell all, or will not tell this caller."""


def list_mounts(fd: int) -> list[Mount] | None:
    """
    List the mounts of the namespace open at *fd*; None where the kernel cannot.

    It lists what lies below a mount that it takes for the root of the namespace, and
    of the calling thread's own, what lies below the thread's root.
    """
    value = new_ints("uint64_t", [0])
    if lib.pyns_ioctl_u64(fd, lib.NS_GET_MNTNS_ID, value) < 0:
        return None
    namespace = read_int(value)
    reader = _Reader(namespace)
    try:
        mounts = [reader.read(id) for id in _ids(namespace)]
    except _UntoldError:
        return None
    return [mount for mount in mounts if mount is not None]


def _ids(namespace: int) -> Iterator[int]:
    batch = new_ints("uint64_t", [0] * _BATCH)
    last, count = 0, _BATCH
    while count == _BATCH:
        count = lib.pyns_listmount(namespace, last, batch, _BATCH)
        if count < 0:
            raise _UntoldError
        ids = read_ints(batch, count)
        yield from ids
        last = ids[-1] if ids else last


class _Reader:
    """Asks for one mount after the other, with one buffer."""

    def __init__(self, namespace: int) -> None:
        self._namespace = namespace
        self._grow(_SIZE)

    def _grow(self, size: int) -> None:
        self._size = size
        self._buffer = new_buffer(size)

    def read(self, id: int) -> Mount | None:
        """Return a mount, or None if it is gone by now."""
        while (result := self._ask(id)) == -errno.EOVERFLOW and self._size < _LARGEST:
            self._grow(2 * self._size)
        if result == -errno.ENOENT:
            return None
        if result < 0:
            raise _UntoldError
        data = read_buffer(self._buffer, self._size)
        facts = _Facts._make(_FACTS.unpack_from(data))
        # A bit is missing also where a text is empty, so what the kernel can tell it
        # must say itself.
        if not facts.mask & _SUPPORTED_MASK or _WANTED & ~facts.supported_mask:
            raise _UntoldError
        # No longer below the root: it has been moved away.
        return _mount(facts, data) if facts.mask & _MNT_POINT else None

    def _ask(self, id: int) -> int:
        buffer, size = self._buffer, self._size
        return lib.pyns_statmount(self._namespace, id, _WANTED, buffer, size)


def _mount(facts: _Facts, data: bytes) -> Mount:
    def text(bit: int, offset: int) -> bytes:
        if not facts.mask & bit:
            return b""
        start = _STRINGS + offset
        return data[start : data.index(b"\0", start)]

    type = text(_FS_TYPE, facts.fs_type)
    subtype = text(_FS_SUBTYPE, facts.fs_subtype)
    return Mount(
        id=facts.mnt_id_old,
        parent_id=facts.mnt_parent_id_old,
        unique_id=facts.mnt_id,
        device=(facts.sb_dev_major, facts.sb_dev_minor),
        root=os.fsdecode(text(_MNT_ROOT, facts.mnt_root)),
        path=os.fsdecode(text(_MNT_POINT, facts.mnt_point)),
        type=os.fsdecode(type + b"." + subtype if subtype else type),
        source=os.fsdecode(text(_SB_SOURCE, facts.sb_source)) or None,
        options=_options(facts.mnt_attr),
        super_options=_super_options(facts.sb_flags, text(_MNT_OPTS, facts.mnt_opts)),
        shared=facts.mnt_peer_group or None,
        master=facts.mnt_master or None,
        unbindable=bool(facts.mnt_propagation & _UNBINDABLE),
    )


def _options(attributes: int) -> tuple[str, ...]:
    access = "ro" if attributes & _RDONLY else "rw"
    is_relatime = not attributes & _ATIME
    named = [name for bit, name in _OPTIONS if attributes & bit or not bit]
    return access, *(name for name in named if name != "relatime" or is_relatime)


def _super_options(flags: int, text: bytes) -> tuple[str, ...]:
    """Return flags and the file system's own; only these are escaped as there."""
    options = [b"ro" if flags & _RDONLY else b"rw"]
    options += [name for bit, name in _SUPER_OPTIONS if flags & bit]
    return unescape_options(options + (text.split(b",") if text else []))
