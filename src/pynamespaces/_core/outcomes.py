"""What the shim's answers mean: an exception for each, built right after the call."""

import errno
import os
from collections.abc import Callable
from typing import Final, TypeAlias

from .._lib import lib
from .._refusals import from_errno, is_explained
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
    lib.PYNS_STEP_CLONE: ("clone", None),
    lib.PYNS_STEP_SOCKET: ("socket", None),
    lib.PYNS_STEP_OPEN: ("openat2", None),
    lib.PYNS_STEP_PROC: ("open", "/proc/self"),
    lib.PYNS_STEP_NAME: ("sethostname", None),
    lib.PYNS_STEP_SETGROUPS: ("write", "/proc/self/setgroups"),
    lib.PYNS_STEP_UID_MAP: ("write", "/proc/self/uid_map"),
    lib.PYNS_STEP_GID_MAP: ("write", "/proc/self/gid_map"),
    lib.PYNS_STEP_PROPAGATION: ("mount", "/"),
    lib.PYNS_STEP_TIME_OFFSETS: ("write", "/proc/self/timens_offsets"),
    lib.PYNS_STEP_LOOPBACK: ("ioctl(SIOCSIFFLAGS)", "lo"),
}

# What a helper task did in the caller's name: its errors are those that the caller
# knows from doing it itself.
_BY_ORDER: Final = (lib.PYNS_STEP_SOCKET, lib.PYNS_STEP_OPEN)


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


def refusal(
    result: int,
    types: tuple[NamespaceType, ...],
    filename: str | bytes | None = None,
) -> Exception:
    """Build the exception for what the shim returned, right after it did."""
    number = -result
    step = lib.pyns_last_step()
    syscall, path = _STEPS.get(step, ("setns", None))
    types = last_types(types)
    if number in _OWN_REFUSALS:
        return _OWN_REFUSALS[number](types, path)
    if path:
        filename = path.format(type=types[0])
    if step in _BY_ORDER and not is_explained(number, syscall, types):
        return OSError(number, os.strerror(number), filename)
    return from_errno(number, syscall, types, filename)


def _cannot_search(path: str | None) -> IrreversibleError:
    return IrreversibleError(
        f"the caller may not search its own directory {path!r}, so it could not "
        "come back to it"
    )


def _would_be_init() -> IrreversibleError:
    return IrreversibleError(
        "the next child of this thread will be the init of a fresh pid namespace, and "
        "that must not be a helper task, which ends at once; start that init first, "
        "or leave the pid namespace, or use another thread"
    )


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


_Types: TypeAlias = tuple[NamespaceType, ...]

# What the shim refuses of itself: by the types, and the path of the step.
_OWN_REFUSALS: Final[dict[int, Callable[[_Types, str | None], Exception]]] = {
    lib.PYNS_ELOST: lambda types, _: _lost_thread(types),
    lib.PYNS_EONEWAY: lambda types, _: no_way_back(types[0]),
    lib.PYNS_EPENDING: lambda types, _: _cannot_put_back(types[0]),
    lib.PYNS_ESEARCH: lambda _, path: _cannot_search(path),
    lib.PYNS_EINIT: lambda *_: _would_be_init(),
    lib.PYNS_ECLOSED: lambda types, _: ClosedNamespaceError(
        f"the {types[0]} namespace has been closed"
    ),
}


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
