"""What the kernel's refusals are in Python: built by the table in ``_table.py``."""

import errno
import os
from collections.abc import Iterable

from . import _causes
from ._causes import Failure
from ._table import TABLE, Row
from ._types import NamespaceType
from .errors import SpawnError, SystemCallError, WrongTypeError


def _is_call(call: str, wanted: str) -> bool:
    """Return whether *wanted* means a call: ``ioctl``, or its requests by ``*``."""
    if wanted.endswith("*"):
        return call.startswith(wanted.removesuffix("*"))
    return wanted in (call, call.partition("(")[0])


def _holds(row: Row, failure: Failure) -> bool:
    calls, types = row.calls, row.types
    return (
        failure.number in row.numbers
        and (not calls or any(_is_call(failure.syscall, call) for call in calls))
        and (not types or any(type in types for type in failure.types))
        and (row.cause is None or row.cause(failure))
    )


def find_row(failure: Failure) -> Row | None:
    """Return the row of the table that holds for a failure."""
    return next((row for row in TABLE if _holds(row, failure)), None)


def is_explained(
    number: int, syscall: str, types: tuple[NamespaceType, ...] = ()
) -> bool:
    """Return whether the table has a row for a failure."""
    return find_row(Failure(number, syscall, types)) is not None


def from_errno(
    number: int,
    syscall: str,
    types: Iterable[NamespaceType] = (),
    filename: str | bytes | None = None,
    *,
    fd: int | None = None,
) -> SystemCallError:
    """
    Build the exception for a system call that failed, by the table.

    Changes nothing, and reads ``/proc`` to find the reason, so it should be called
    where the failure happened.
    """
    failure = Failure(number, syscall, tuple(types), filename, fd)
    row = find_row(failure)
    error: type[SystemCallError] = row.error if row else SystemCallError
    return error(
        number,
        os.strerror(number),
        filename,
        syscall=syscall,
        types=failure.types,
        reason=_reason(row, failure),
        hint=row.hint if row else None,
    )


def _reason(row: Row | None, failure: Failure) -> str | None:
    if row is None or row.reason is None:
        return None
    sysctls = ", ".join(f"user.max_{type}_namespaces" for type in failure.types)
    return row.reason.format(
        types=", ".join(failure.types),
        sysctls=sysctls,
        since=_causes.since(failure.syscall),
    )


def spawn_error(
    number: int,
    step: str,
    syscall: str,
    types: Iterable[NamespaceType] = (),
    filename: str | bytes | None = None,
) -> SpawnError:
    """Build the exception for a program that could not be started, by the table."""
    failure = Failure(number, syscall, tuple(types), filename)
    row = find_row(failure)
    return SpawnError(
        number,
        os.strerror(number),
        filename,
        step=step,
        syscall=syscall,
        types=failure.types,
        reason=_reason(row, failure),
        hint=row.hint if row else None,
    )


def wrong_type(
    actual: NamespaceType,
    wanted: NamespaceType,
    filename: str | bytes | None = None,
) -> WrongTypeError:
    """Build the exception for a namespace that is not of the type asked for."""
    return WrongTypeError(
        errno.EINVAL,
        os.strerror(errno.EINVAL),
        filename,
        syscall="ioctl(NS_GET_NSTYPE)",
        types=(wanted,),
        reason=f"it is a {actual} namespace, not a {wanted} namespace",
    )
