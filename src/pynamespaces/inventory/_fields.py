"""
Reading JSON that anybody may have written: each value is checked before it is used.

What is wrong raises ``ValueError``. Its message begins with the place, to which each
level adds its part: ``namespaces[3].owner: ...``.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias, TypeVar

Fields: TypeAlias = Mapping[str, object]
"""An object of JSON."""

T = TypeVar("T")

ID: Final = (1, 2**31 - 1)
"""Of processes and threads."""

COUNT: Final = (0, 2**31 - 1)
"""Of threads; also descriptors, and parents, of which 0 is none."""

USER: Final = (0, 2**32 - 1)
"""Of users."""

LONG: Final = (0, 2**64 - 1)
"""Of devices, inodes and namespaces; also times."""

Range: TypeAlias = tuple[int, int]


def fields(value: object) -> Fields:
    """Return a value that must be an object."""
    if not isinstance(value, dict):
        raise _misfit(value, "an object")
    return value


def get(found: Fields, key: str) -> object:
    """Return the value of a key that must be there."""
    try:
        return found[key]
    except KeyError:
        raise ValueError(f".{key}: missing") from None


def at(found: Fields, key: str, read: Callable[[object], T]) -> T:
    """Return what *read* makes of the value of a key."""
    value = get(found, key)
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f".{key}{error}") from None


def optional(found: Fields, key: str, read: Callable[[object], T]) -> T | None:
    """Return what *read* makes of the value of a key, or ``None`` for null."""
    return None if get(found, key) is None else at(found, key, read)


def each(found: Fields, key: str, read: Callable[[object], T]) -> Iterator[T]:
    """Yield what *read* makes of each value of a list."""
    values = at(found, key, _listed)
    number = 0
    try:
        for number, value in enumerate(values):  # noqa: B007 - which it was
            yield read(value)
    except ValueError as error:
        raise ValueError(f".{key}[{number}]{error}") from None


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _misfit(value, "a list")
    return value


def whole(value: object, within: Range) -> int:
    """Return a value that must be a whole number."""
    # To Python, true is one.
    if not isinstance(value, int) or isinstance(value, bool):
        raise _misfit(value, "a whole number")
    least, most = within
    if not least <= value <= most:
        raise ValueError(f": {shown(value)} is not from {least} to {most}")
    return value


def text(value: object) -> str:
    """Return a value that must be a string."""
    if not isinstance(value, str):
        raise _misfit(value, "a string")
    return value


def process_id(value: object) -> int:
    """Return a value that must be the id of a process or thread."""
    return whole(value, ID)


def count(value: object) -> int:
    """Return a value that must be a number of threads, or such."""
    return whole(value, COUNT)


def user_id(value: object) -> int:
    """Return a value that must be the id of a user."""
    return whole(value, USER)


def long(value: object) -> int:
    """Return a value that must be a number of 64 bits."""
    return whole(value, LONG)


def _misfit(value: object, wanted: str) -> ValueError:
    return ValueError(f": {shown(value)}, where {wanted} belongs")


def shown(value: object) -> str:
    """Return what a message says of a value, in a few words whatever it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return repr(value[:40]) + "..." * (len(value) > 40)
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of many digits"
    return json.dumps(value)
