"""Users and groups of options: by their names inside, or by number."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .. import MountNamespace
from ..errors import NamespaceError
from ..process import _users
from .failures import Failure


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
        Failure: There is no such user or group, or the files are not to be read.
    """
    uid = None if user is None else _number(user)
    own = None
    # Where both are numbers, no file is needed.
    if user is not None and (uid is None or group is None):
        uid, own = _user(user, uid, mnt)
    if group is not None:
        return uid, _group(group, mnt)
    if user is not None and own is None:
        raise Failure(
            f"which group user {user!r} has is not known in there", "give --group too"
        )
    return uid, own


def _user(
    text: str, number: int | None, mnt: MountNamespace | None
) -> tuple[int, int | None]:
    if mnt is None:
        with suppress(KeyError):
            found = pwd.getpwnam(text) if number is None else pwd.getpwuid(number)
            return found.pw_uid, found.pw_gid
    else:
        with _read_in_there():
            for entry in _users.users_of(mnt):
                if text == entry.name or number == entry.id:
                    return entry.id, entry.gid
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
        with _read_in_there():
            for entry in _users.groups_of(mnt):
                if text == entry.name:
                    return entry.id
    raise Failure(f"there is no group {text!r} in there", "give a gid")


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal()):
        return None
    if (number := _users.parse_id(text)) is None:
        raise Failure(f"{text} is no id", f"ids go from 0 to {_users.LAST_ID}")
    return number


@contextmanager
def _read_in_there() -> Iterator[None]:
    """Say of files that are not as they should be whose they are."""
    try:
        yield
    except NamespaceError:
        raise
    except OSError as error:
        message = f"{error.filename} in there: {error.strerror}"
        raise Failure(message, "give --user and --group as numbers") from None
