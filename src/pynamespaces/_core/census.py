"""
Reading all of ``/proc`` in one pass: rows of numbers, by threads of the shim's.

Who makes objects of them is above. What ends meanwhile is left out; what may not be
read is a row of its own.
"""

import errno
import os
import struct
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from .._lib import Tally, lib, new_buffer, new_census, read_buffer, read_rows
from .._refusals import from_errno
from .._types import NamespaceType
from ..lowlevel._arguments import check
from . import engines

Progress: TypeAlias = Callable[[int, int], object]
"""Is told how many processes were read, and of how many."""

PROCESS: Final = struct.Struct("=QiiII10I8I")
THREAD: Final = struct.Struct("=ii10I")
FILE: Final = struct.Struct("=iiII")
NAMESPACE: Final = struct.Struct("=4Q6I")
MOUNT: Final = struct.Struct("=IIIi")
REFUSAL: Final = struct.Struct("=iiII")
DOUBT: Final = struct.Struct("=I")

LINKS: Final = tuple(NamespaceType)
"""The types in the order in which rows have them; then pid and time of children."""

_CHILDREN: Final = (NamespaceType.PID, NamespaceType.TIME)

# How long Python's handlers of signals may have to wait, in milliseconds.
_PAUSE: Final = 100

_CGROUPS: Final = 16384

# What pyns_census_wait answers.
_PART: Final = 1
_END: Final = 2

Row: TypeAlias = tuple[int, ...]


class Part(NamedTuple):
    """
    A part of what a worker has found: rows as the structures above unpack them.

    A namespace comes in the same part as the processes in it, or in an earlier one.
    """

    # Rows are unpacked each time anew: to keep thousands of tuples costs more.
    packed_processes: bytes
    packed_threads: bytes
    packed_files: bytes
    packed_namespaces: bytes
    packed_mounts: bytes
    packed_refusals: bytes
    packed_doubts: bytes
    text: bytes

    @property
    def processes(self) -> Iterator[Row]:
        """The processes."""
        return PROCESS.iter_unpack(self.packed_processes)

    @property
    def threads(self) -> Iterator[Row]:
        """The threads that are elsewhere than the first of their process."""
        return THREAD.iter_unpack(self.packed_threads)

    @property
    def files(self) -> Iterator[Row]:
        """The descriptors and sockets."""
        return FILE.iter_unpack(self.packed_files)

    @property
    def namespaces(self) -> Iterator[Row]:
        """The namespaces."""
        return NAMESPACE.iter_unpack(self.packed_namespaces)

    @property
    def mounts(self) -> Iterator[Row]:
        """The lines of mountinfos."""
        return MOUNT.iter_unpack(self.packed_mounts)

    @property
    def refusals(self) -> Iterator[Row]:
        """What could not be read."""
        return REFUSAL.iter_unpack(self.packed_refusals)

    @property
    def doubts(self) -> Iterator[Row]:
        """Inode numbers that may have passed from one namespace to the next."""
        return DOUBT.iter_unpack(self.packed_doubts)


def pack(layout: struct.Struct, rows: Iterable[Row]) -> bytes:
    """Write rows as a worker does."""
    return b"".join(layout.pack(*row) for row in rows)


class Wish(NamedTuple):
    """What to read."""

    types: tuple[NamespaceType, ...]
    threads: bool = True
    descriptors: bool = True
    mounts: bool = True
    arguments: bool = True


def take(
    wish: Wish, known: engines.Known, progress: Progress | None
) -> Generator[Part, None, None]:
    """
    Read all processes; no thread of the caller's is moved, and none is left.

    It goes on while the caller works on a part. Close the iterator to end it before.

    Args:
        wish: What to read. Namespaces of the types mnt and pid always are.

        known: The containers that engines know of.

        progress: Called a few times a second.

    Raises:
        NoSuchNamespaceError: There is no ``/proc``.

        NamespaceLimitError: There was no room, or no descriptor left.
    """
    census = new_census()
    census.links = _links(wish.types)
    census.want = _want(wish, known)
    census.most = len(os.sched_getaffinity(0))
    try:
        _checked(lib.pyns_census_start(census))
        while (state := _checked(lib.pyns_census_wait(census, _PAUSE))) != _END:
            if progress is not None:
                progress(census.done, census.total)
            if state == _PART:
                yield _part(census.tally)
    finally:
        lib.pyns_census_end(census)


def _checked(result: int) -> int:
    if result == -errno.ECHILD:
        raise RuntimeError("this process was forked during a scan, and cannot go on")
    if result == -errno.ENOENT:
        raise from_errno(errno.ENOENT, "open", (), "/proc")
    return check(result, "open", (), "/proc")


def _links(types: tuple[NamespaceType, ...]) -> int:
    # By mnt it is seen who may be in a container, by pid who is called otherwise.
    wanted = {*types, NamespaceType.MNT, NamespaceType.PID}
    bits = sum(1 << LINKS.index(type) for type in wanted)
    for number, type in enumerate(_CHILDREN, len(LINKS)):
        bits |= (type in types) << number
    return bits


def _want(wish: Wish, known: engines.Known) -> int:
    want = lib.PYNS_WANT_THREADS if wish.threads else 0
    want |= lib.PYNS_WANT_DESCRIPTORS if wish.descriptors else 0
    if wish.descriptors and NamespaceType.NET in wish.types:
        want |= lib.PYNS_WANT_SOCKETS
    want |= lib.PYNS_WANT_MOUNTS if wish.mounts else 0
    want |= lib.PYNS_WANT_ARGUMENTS if wish.arguments else 0
    if _is_in_container(known):
        want |= lib.PYNS_WANT_OWN_CGROUPS
    return want


def _is_in_container(known: engines.Known) -> bool:
    room = new_buffer(_CGROUPS)
    size = lib.pyns_own_cgroups(room, _CGROUPS)
    return size > 0 and known.of_cgroup(read_buffer(room, size)) is not None


def _part(tally: Tally) -> Part:
    return Part(
        read_rows(tally.processes, tally.process_count),
        read_rows(tally.threads, tally.thread_count),
        read_rows(tally.files, tally.file_count),
        read_rows(tally.namespaces, tally.namespace_count),
        read_rows(tally.mounts, tally.mount_count),
        read_rows(tally.refusals, tally.refusal_count),
        read_rows(tally.doubts, tally.doubt_count),
        read_rows(tally.text, tally.text_size),
    )
