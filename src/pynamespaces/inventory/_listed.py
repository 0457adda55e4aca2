"""
Namespaces that the kernel lists by itself (Linux 6.19).

What keeps them may be out of sight: a message on its way that has a descriptor, or a
mount that was detached.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from typing import Final

from .. import lowlevel
from .._types import NamespaceType
from ..errors import NamespaceError
from ._kin import Family

# The handle of a namespace: its id; its type and inode number, which may be left out.
_HANDLE: Final = struct.Struct("=QII")


def meet_listed(family: Family, types: Iterable[NamespaceType]) -> None:
    """Ask the namespaces that were found in no other way, as far as the caller may."""
    known = {id.unique for id in family.ids.values()}
    for type in types:
        try:
            listed = lowlevel.listns(type.flag)
        except NamespaceError:
            return  # The kernel is older, or a filter forbids the call.
        for unique in listed:
            if unique not in known:
                _meet(family, unique)


def _meet(family: Family, unique: int) -> None:
    try:
        fd = lowlevel.open_by_handle_at(_HANDLE.pack(unique, 0, 0))
    except NamespaceError:
        return  # It has died since, or may not be opened from here.
    try:
        family.meet(fd)
    finally:
        os.close(fd)
