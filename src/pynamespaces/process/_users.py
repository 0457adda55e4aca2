"""Users and groups of the mount namespace that a program will see, by their names."""

import os
from collections.abc import Iterable
from typing import Final, TypeAlias

from .. import _core
from .._namespace import Namespace

_MOST: Final = 16 * 2**20

Names: TypeAlias = tuple[str | int | None, str | int | None, Iterable[str | int] | None]


def find_ids(
    mnt: Namespace,
    user: str | int | None,
    group: str | int | None,
    extra_groups: Iterable[str | int] | None,
) -> tuple[int | None, int | None, list[int] | None]:
    """
    Return ids in place of names, by the ``/etc/passwd`` and ``/etc/group`` inside.

    Only these files are read: what else a system may know users by is code, and would
    be the target's code in this process.

    Raises:
        KeyError: It knows no such user or group.
    """
    groups = None if extra_groups is None else list(extra_groups)
    uid = _find_id(mnt, "/etc/passwd", user)
    gid = _find_id(mnt, "/etc/group", group)
    if groups is None:
        return uid, gid, None
    gids = [_find_id(mnt, "/etc/group", name) for name in groups]
    return uid, gid, [number for number in gids if number is not None]


def _find_id(mnt: Namespace, path: str, name: str | int | None) -> int | None:
    if not isinstance(name, str):
        return name
    for line in _lines(mnt, path):
        fields = line.split(":")
        if fields[0] != name or len(fields) < 3 or not fields[2].isdecimal():
            continue
        if (number := int(fields[2])) < 2**32 - 1:
            return number
    raise KeyError(f"{path} of {mnt.id} has no {name!r}")


def _lines(mnt: Namespace, path: str) -> list[str]:
    try:
        with mnt._hold() as held:
            fd = _core.elsewhere.open_file(held, path, os.O_RDONLY, 0)
    except FileNotFoundError:
        return []
    with open(fd, encoding="utf-8", errors="surrogateescape") as file:
        return file.read(_MOST).splitlines()
