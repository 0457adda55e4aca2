"""
Users and groups of the mount namespace that a program will see, by their names.

Only two files are read: what else a system may know users by is code, and would be the
target's code in this process. The files are the target's too, who may mean harm.
"""

import errno
import io
import os
from collections.abc import Iterable, Iterator
from stat import S_ISREG
from typing import Final, NamedTuple, TypeAlias

from .. import _core
from .._namespace import Namespace

LAST_ID: Final = 2**32 - 2
"""The one above it stands for no id."""

_PASSWD: Final = "/etc/passwd"
_GROUP: Final = "/etc/group"
_MOST: Final = 16 * 2**20
_LONGEST: Final = len(str(LAST_ID))

Names: TypeAlias = tuple[str | int | None, str | int | None, Iterable[str | int] | None]


class Entry(NamedTuple):
    """A line about a user, or about a group."""

    name: str
    id: int
    gid: int | None
    """Of a user, the own group's, if there is one."""


def find_ids(
    mnt: Namespace,
    user: str | int | None,
    group: str | int | None,
    extra_groups: Iterable[str | int] | None,
) -> tuple[int | None, int | None, list[int] | None]:
    """
    Return ids in place of names, by the ``/etc/passwd`` and ``/etc/group`` inside.

    Raises:
        KeyError: It knows no such user or group.

        OSError: They are no regular files, or too large.
    """
    groups = None if extra_groups is None else list(extra_groups)
    uid = _find_id(mnt, _PASSWD, user)
    gid = _find_id(mnt, _GROUP, group)
    if groups is None:
        return uid, gid, None
    gids = [_find_id(mnt, _GROUP, name) for name in groups]
    return uid, gid, [number for number in gids if number is not None]


def users_of(mnt: Namespace) -> Iterator[Entry]:
    """Give the users that a mount namespace knows, with their uids; as `find_ids`."""
    return _entries(mnt, _PASSWD)


def groups_of(mnt: Namespace) -> Iterator[Entry]:
    """Give the groups that a mount namespace knows, with their gids; as `find_ids`."""
    return _entries(mnt, _GROUP)


def parse_id(digits: str | bytes) -> int | None:
    """Return the uid or gid that is written in ASCII digits, if it can be one."""
    # Python refuses to read thousands of digits, and takes those of other scripts.
    if len(digits) > _LONGEST or not (digits.isascii() and digits.isdigit()):
        return None
    return number if (number := int(digits)) <= LAST_ID else None


def _find_id(mnt: Namespace, path: str, name: str | int | None) -> int | None:
    if not isinstance(name, str):
        return name
    for entry in _entries(mnt, path):
        if entry.name == name:
            return entry.id
    raise KeyError(f"{path} of {mnt.id} has no {name!r} with an id up to {LAST_ID}")


def _entries(mnt: Namespace, path: str) -> Iterator[Entry]:
    # As bytes: text has more ends of lines, which a user's full name may hold.
    for line in io.BytesIO(_read(mnt, path)):
        name, _, *ids = [*line.removesuffix(b"\n").split(b":", 4), b"", b"", b""][:4]
        number, gid = map(parse_id, ids)
        if name and number is not None:
            yield Entry(os.fsdecode(name), number, gid if path == _PASSWD else None)


def _read(mnt: Namespace, path: str) -> bytes:
    try:
        with mnt._hold() as held:
            fd = _core.elsewhere.open_file(held, path, os.O_RDONLY | os.O_NONBLOCK, 0)
    except FileNotFoundError:
        return b""
    try:
        # A FIFO would be waited for.
        if not S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "no regular file, so it is not read", path)
        with open(fd, "rb", closefd=False) as file:
            data = file.read(_MOST + 1)
    finally:
        os.close(fd)
    if len(data) > _MOST:
        raise OSError(errno.EFBIG, "more than 16 MiB, so it is not read", path)
    return data
