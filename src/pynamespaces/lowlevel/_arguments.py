"""What every function here does with its arguments, and with what comes back."""

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from .._refusals import from_errno
from .._types import NamespaceType, shown

INT_MAX = 2**31 - 1


class HasFileno(Protocol):
    """Whatever lends a descriptor."""

    def fileno(self) -> int: ...


Descriptor: TypeAlias = int | HasFileno
"""A descriptor, or an object with ``fileno()``; it stays its owner's."""


def in_range(name: str, value: int, low: int, high: int) -> int:
    """
    Return *value*.

    Raises:
        TypeError: It is no int.

        ValueError: It is outside *low* to *high*.
    """
    # What only says that it is an int, by __class__, is none for the shim either.
    if type(value) is bool or not issubclass(type(value), int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name} {shown(value)} is out of range: {low} to {high}")
    return value


def descriptor(fd: Descriptor) -> int:
    """
    Return the number of a descriptor.

    Raises:
        TypeError: It is neither an int nor an object with ``fileno()``.
    """
    if isinstance(fd, int):
        return in_range("fd", fd, 0, INT_MAX)
    fileno = getattr(fd, "fileno", None)
    if not callable(fileno) or isinstance(fd, type):
        kind = type(fd).__name__
        raise TypeError(f"a descriptor is an int or has fileno(), unlike {kind}")
    return in_range("fd", fd.fileno(), 0, INT_MAX)


def check(
    result: int,
    syscall: str,
    types: Iterable[NamespaceType] = (),
    filename: str | bytes | None = None,
    *,
    fd: int | None = None,
) -> int:
    """Return what a function of the shim returned, or raise what it means."""
    if result < 0:
        raise from_errno(-result, syscall, types, filename, fd=fd)
    return result
