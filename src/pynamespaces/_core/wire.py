"""What a reference to a namespace is as bytes."""

import struct
from binascii import crc32
from typing import Final

from .._types import NamespaceId, NamespaceType
from .marks import Marks

_MAGIC: Final = b"pyns-ref"
_VERSION: Final = 1

# Magic, version, which of unique, number and boot there are, length of the handle; the
# flag of the type, dev, ino, unique, number, boot. Then the handle, and a CRC of all.
_HEAD: Final = struct.Struct(">8sBBH I QQQQ 16s")
_CRC: Final = struct.Struct(">I")
_HAS_UNIQUE, _HAS_NUMBER, _HAS_BOOT = 1, 2, 4

_NO_REF: Final = (
    "these are not the bytes of a NamespaceRef, or damaged, or of a version that this "
    "one does not know"
)


def pack(marks: Marks, boot: bytes | None) -> bytes:
    """Write what tells a namespace from all others, and of which boot that is."""
    identity, handle, number = marks
    has = _HAS_UNIQUE if identity.unique is not None else 0
    has |= _HAS_NUMBER if number is not None else 0
    has |= _HAS_BOOT if boot is not None else 0
    head = _HEAD.pack(
        _MAGIC, _VERSION, has, len(handle), identity.type.flag, identity.dev,
        identity.ino, identity.unique or 0, number or 0, boot or b"",
    )  # fmt: skip
    return head + handle + _CRC.pack(crc32(head + handle))


def unpack(data: bytes) -> tuple[Marks, bytes | None]:
    """
    Read what `pack` has written.

    Raises:
        ValueError: It is something else, or was damaged.
    """
    try:
        fields = _HEAD.unpack_from(data)
        type = NamespaceType.from_flag(fields[4])
    except (struct.error, ValueError):
        raise ValueError(_NO_REF) from None
    _, _, has, length, _, dev, ino, unique, number, boot = fields
    identity = NamespaceId(type, dev, ino, unique if has & _HAS_UNIQUE else None)
    handle = data[_HEAD.size : _HEAD.size + length]
    marks = Marks(identity, handle, number if has & _HAS_NUMBER else None)
    read = marks, (boot if has & _HAS_BOOT else None)
    # There is one way to write each, so what comes out the same was read right.
    if pack(*read) != data:
        raise ValueError(_NO_REF)
    return read
