"""What the shim's answers mean: an exception for each, built right after the call."""

import errno
import os
from typing import Final

from .._lib import lib
from .._refusals import from_errno
from .._types import NamespaceType, types_of
from ..errors import ClosedNamespaceError, IrreversibleError, RestoreError

_T = NamespaceType

_WAYS: Final = (
    "run a function there with call(), start a program there with run(join=...), "
    "or use an executor"
)

# Which call a step of the shim is, and the path that it is about.
_STEPS: Final = {
    lib.PYNS_STEP_HOME: ("open", "/proc/thread-self/ns/{type}"),
    lib.PYNS_STEP_ROOT: ("open", "/"),
    lib.PYNS_STEP_CWD: ("open", "."),
    lib.PYNS_STEP_SETNS: ("setns", None),
    lib.PYNS_STEP_UNSHARE: ("unshare", None),
    lib.PYNS_STEP_FCHDIR: ("fchdir", None),
    lib.PYNS_STEP_CHROOT: ("chroot", None),
    lib.PYNS_STEP_MEMORY: ("malloc", None),
}


def last_types(types: tuple[NamespaceType, ...]) -> tuple[NamespaceType, ...]:
    """Return the type at which the shim stopped, or all where it is not one."""
    return types_of(lib.pyns_last_type()) or types


def no_way_back(type: NamespaceType) -> IrreversibleError:
    if type is _T.USER:
        why = "a user namespace can never be left"
    else:
        why = (
            f"the {type} namespace where this thread is belongs to a user namespace "
            "that the caller has no power over, so it could not come back"
        )
    return IrreversibleError(f"{why}; {_WAYS}")


def _cannot_put_back(type: NamespaceType) -> IrreversibleError:
    return IrreversibleError(
        f"the children of this thread are due in another {type} namespace than its "
        f"own, and that could not be put back; leave that one first, or {_WAYS}"
    )


def refusal(result: int, types: tuple[NamespaceType, ...]) -> Exception:
    """Build the exception for what the shim returned, right after it did."""
    number = -result
    step, path = _STEPS.get(lib.pyns_last_step(), ("setns", None))
    types = last_types(types)
    if number == lib.PYNS_ELOST:
        return _lost_thread(types)
    if number == lib.PYNS_EONEWAY:
        return no_way_back(types[0])
    if number == lib.PYNS_EPENDING:
        return _cannot_put_back(types[0])
    if number == lib.PYNS_ESEARCH:
        return IrreversibleError(
            f"the caller may not search its own directory {path!r}, so it could not "
            "come back to it"
        )
    if number == lib.PYNS_ECLOSED:
        return ClosedNamespaceError(f"the {types[0]} namespace has been closed")
    filename = path.format(type=types[0]) if path else None
    return from_errno(number, step, types, filename)


def _lost_thread(types: tuple[NamespaceType, ...]) -> RestoreError:
    number = lib.pyns_lost()
    return RestoreError(
        number,
        os.strerror(number),
        syscall="setns",
        types=types,
        reason="this thread is lost since an earlier way back failed",
        hint="let it end, and use another",
    )


def failed_restore(result: int) -> RestoreError:
    number = -result
    syscall, _ = _STEPS.get(lib.pyns_last_step(), ("setns", None))
    return RestoreError(
        number,
        os.strerror(number),
        syscall=syscall,
        types=last_types(()),
        reason="the way back failed: this thread is lost",
        hint="let it end, and use another",
    )


_BY_THREADS: Final = {
    (errno.EINVAL, _T.MNT),
    (errno.EINVAL, _T.USER),
    (errno.EUSERS, _T.TIME),
}


def is_due_to_threads(number: int, types: tuple[NamespaceType, ...]) -> bool:
    """Return whether an errno is what the kernel says to a process with threads."""
    return any((number, type) in _BY_THREADS for type in types)
