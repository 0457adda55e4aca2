"""The tracepoints of the calls: which there are, and what numbers they have here."""

from __future__ import annotations

import os
import struct
from collections.abc import Collection
from contextlib import suppress
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from .. import lowlevel
from .._lib import lib, new_held, read_int
from .._types import NamespaceType

Syscall: TypeAlias = Literal["setns", "unshare", "clone", "clone3"]
SYSCALLS: Final[tuple[Syscall, ...]] = get_args(Syscall)

# Where tracefs is, and where it was before it had a place of its own.
_MOUNTED: Final = "/sys/kernel/tracing"
_MOUNTED_BEFORE: Final = "/sys/kernel/debug/tracing"

_NAMESPACES: Final = sum(type.flag for type in NamespaceType)
# The low byte is the signal at the end: clone(2) cannot make time namespaces.
_BY_CLONE: Final = _NAMESPACES & ~lowlevel.CLONE_NEWTIME


class Point(NamedTuple):
    """One tracepoint: a call begins, or returns."""

    syscall: Syscall
    is_exit: bool

    @property
    def name(self) -> str:
        """What the kernel calls it."""
        return f"sys_{'exit' if self.is_exit else 'enter'}_{self.syscall}"

    @property
    def filter(self) -> str | None:
        """What the kernel is to leave out itself: what has nothing to do with us."""
        if self == ("clone", False):
            return f"clone_flags & {_BY_CLONE:#x}"
        if self.is_exit and self.syscall in ("clone", "clone3"):
            return "ret != 0"  # That is the child's.
        return None

    @property
    def has_stack(self) -> bool:
        """Whether its argument is most often on the stack of who calls."""
        return self == ("clone3", False)


def points_of(syscalls: Collection[Syscall]) -> list[Point]:
    """Return the tracepoints of some calls."""
    return [Point(name, is_exit) for name in syscalls for is_exit in (False, True)]


def read_numbers(points: Collection[Point]) -> dict[Point, int]:
    """
    Read the numbers from tracefs, whether or not it is mounted.

    Raises:
        OSError: The caller may neither read it nor mount it.
    """
    try:
        return _read_numbers(_MOUNTED, points)
    except OSError:
        with suppress(OSError):
            return _read_numbers(_MOUNTED_BEFORE, points)
        place = new_held()
        try:
            if lib.pyns_open_tracefs(place) < 0:
                raise
            return _read_numbers(".", points, read_int(place))
        finally:
            lib.pyns_release(place)


def _read_numbers(
    tracefs: str, points: Collection[Point], directory: int | None = None
) -> dict[Point, int]:
    def opener(path: str, flags: int) -> int:
        return os.open(path, flags, dir_fd=directory)

    found = {}
    for point in points:
        path = f"{tracefs}/events/syscalls/{point.name}/id"
        with open(path, "rb", opener=opener) as file:
            found[point] = int(file.read())
    return found


# --- struct perf_event_attr, as of PERF_ATTR_SIZE_VER5 --------------------------------

_ATTR: Final = struct.Struct("=IIQQQQQIIQQQQIiQIHH")

_SOFTWARE: Final = 1
_DUMMY: Final = 9
_TRACEPOINT: Final = 2

_DISABLED: Final = 1 << 0
_INHERIT: Final = 1 << 1
_EXCLUDE_KERNEL: Final = 1 << 5
_COMM: Final = 1 << 9
_TASK: Final = 1 << 13
_WATERMARK: Final = 1 << 14
_SAMPLE_ID_ALL: Final = 1 << 18
_COMM_EXEC: Final = 1 << 24
_USE_CLOCKID: Final = 1 << 25
_RECORD_NAMESPACES: Final = 1 << 28

_SAMPLE_TID: Final = 1 << 1
_SAMPLE_TIME: Final = 1 << 2
_SAMPLE_RAW: Final = 1 << 10
_SAMPLE_REGS_USER: Final = 1 << 12
_SAMPLE_STACK_USER: Final = 1 << 13
_SAMPLE_IDENTIFIER: Final = 1 << 16
_SAMPLE: Final = _SAMPLE_IDENTIFIER | _SAMPLE_TID | _SAMPLE_TIME

_FORMAT_ID: Final = 1 << 2
_FORMAT_LOST: Final = 1 << 4

_MONOTONIC: Final = 1

# Which of the registers is the stack pointer; elsewhere clone3's flags stay unknown.
_STACK_POINTER: Final = {"x86_64": 7, "aarch64": 31}
_STACK_BYTES: Final = 512


class Manner(NamedTuple):
    """How all events of a trace are opened."""

    is_own: bool
    """Without privilege: of own tasks only, and what the kernel does not count."""

    wakes_each: bool
    """Whether each record wakes the reader, else a quarter of a ring."""

    size: int
    """Of a ring, in bytes."""

    tells_lost: bool = True
    """Whether the kernel counts what each event has lost (Linux 6.0)."""


def _attributes(
    manner: Manner, kind: int, number: int, sample: int, flags: int, stack: int = 0
) -> bytes:
    flags |= _DISABLED | _SAMPLE_ID_ALL | _USE_CLOCKID
    if manner.is_own:
        flags |= _INHERIT | _EXCLUDE_KERNEL
    wakeup = 1
    if not manner.wakes_each:
        flags |= _WATERMARK
        wakeup = manner.size // 4
    size_of_stack = _STACK_BYTES if stack else 0
    return _ATTR.pack(
        *(kind, _ATTR.size, number, 1, sample),
        _FORMAT_ID | (_FORMAT_LOST if manner.tells_lost else 0),
        *(flags, wakeup, 0, 0, 0, 0, stack, size_of_stack, _MONOTONIC, 0, 0, 0, 0),
    )


def leader(manner: Manner) -> bytes:
    """Describe the event that has the ring: namespaces, births, ends and names."""
    # The kernel tells of namespaces system wide only if it is to tell of tasks, too.
    flags = _TASK | _COMM | _COMM_EXEC
    if not manner.is_own:
        flags |= _RECORD_NAMESPACES
    return _attributes(manner, _SOFTWARE, _DUMMY, _SAMPLE, flags)


def follower(manner: Manner, point: Point, number: int, machine: str) -> bytes:
    """Describe the event of a tracepoint."""
    sample, stack = _SAMPLE | _SAMPLE_RAW, 0
    if point.has_stack and machine in _STACK_POINTER:
        sample |= _SAMPLE_REGS_USER | _SAMPLE_STACK_USER
        stack = 1 << _STACK_POINTER[machine]
    return _attributes(manner, _TRACEPOINT, number, sample, 0, stack)


def counter(number: int) -> bytes:
    """Describe an event that only counts how often its opener passes a tracepoint."""
    manner = Manner(is_own=True, wakes_each=True, size=0, tells_lost=False)
    return _attributes(manner, _TRACEPOINT, number, _SAMPLE, 0)
