"""Users and groups of options: by their names inside, or by number."""

from __future__ import annotations

import grp
import pwd
from contextlib import suppress
from typing import Final

from .. import MountNamespace
from .failures import Failure

_MOST: Final = 16 * 2**20
_NOBODY: Final = 2**32 - 1


def find(
    user: str | None, group: str | None, mnt: MountNamespace | None
) -> tuple[int | None, int | None]:
    """
    Return a uid and a gid; without a group, that which the user has.

    Args:
        user: A name or a uid.

        group: A name or a gid.

        mnt: Whose ``/etc/passwd`` and ``/etc/group`` tell them, if not the caller's.

    Raises:
        Failure: There is no such user or group.
    """
    uid, own = (None, None) if user is None else _user(user, mnt)
    if group is not None:
        return uid, _group(group, mnt)
    if user is not None and own is None:
        raise Failure(
            f"which group user {user!r} has is not known in there", "give --group too"
        )
    return uid, own


def _user(text: str, mnt: MountNamespace | None) -> tuple[int, int | None]:
    number = _number(text)
    if mnt is None:
        with suppress(KeyError):
            found = pwd.getpwnam(text) if number is None else pwd.getpwuid(number)
            return found.pw_uid, found.pw_gid
    else:
        for name, uid, gid in _users_of(mnt):
            if text == name or number == uid:
                return uid, gid
    if number is None:
        raise Failure(f"there is no user {text!r} in there", "give a uid")
    return number, None


def _group(text: str, mnt: MountNamespace | None) -> int:
    number = _number(text)
    if number is not None:
        return number
    if mnt is None:
        with suppress(KeyError):
            return grp.getgrnam(text).gr_gid
    else:
        for name, gid in _groups_of(mnt):
            if text == name:
                return gid
    raise Failure(f"there is no group {text!r} in there", "give a gid")


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal()):
        return None
    if (number := int(text)) >= _NOBODY:
        raise Failure(f"{text} is no id", f"ids go from 0 to {_NOBODY - 1}")
    return number


def _users_of(mnt: MountNamespace) -> list[tuple[str, int, int]]:
    return [
        (fields[0], int(fields[2]), int(fields[3]))
        for fields in _entries(mnt, "/etc/passwd")
        if fields[3:] and fields[2].isdecimal() and fields[3].isdecimal()
    ]


def _groups_of(mnt: MountNamespace) -> list[tuple[str, int]]:
    return [
        (fields[0], int(fields[2]))
        for fields in _entries(mnt, "/etc/group")
        if fields[2].isdecimal()
    ]


def _entries(mnt: MountNamespace, path: str) -> list[list[str]]:
    """Read a file of there; who else may be known is told by code, which is not run."""
    try:
        fd = mnt.open(path)
    except FileNotFoundError:
        return []
    with open(fd, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read(_MOST).splitlines()
    return [fields for line in lines if len(fields := line.split(":")) > 2]
