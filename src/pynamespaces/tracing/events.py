"""What is told of a call that makes or enters namespaces: plain, immutable tuples."""

from typing import Literal, NamedTuple, TypeAlias

from .._types import NamespaceId, NamespaceType

Certainty: TypeAlias = Literal["kernel", "confirmed", "observed"]
"""
How sure `changes` are: ``"kernel"``, the kernel itself said so at the moment of the
change; ``"confirmed"``, read from ``/proc`` while nothing could have changed since;
``"observed"``, read from ``/proc`` a moment too late or too early to be sure.
"""


class NamespaceChange(NamedTuple):
    """One namespace that a thread has left for another, or a newborn is not in."""

    type: NamespaceType
    """The type."""

    before: NamespaceId | None
    """Where it was, or its parent; ``None`` where that was not known."""

    after: NamespaceId | None
    """Where it is; ``None`` where that was not known."""

    created: bool | None
    """Whether the namespace was made by this call; ``None`` where nobody knows."""


class SetnsEvent(NamedTuple):
    """A call of :manpage:`setns(2)`."""

    time_ns: int
    """When it returned, by CLOCK_MONOTONIC, in nanoseconds."""

    pid: int
    """The process that called."""

    tid: int
    """The thread that called."""

    ppid: int | None
    """The parent of the process, if it is known."""

    comm: str
    """The name of the thread; empty if it is not known."""

    fd: int
    """The argument: a descriptor of a namespace, or a pidfd."""

    nstype: int
    """The argument: one type, several of a pidfd's process, or 0 for any."""

    types: tuple[NamespaceType, ...]
    """What *nstype* means; where that is 0, what it came to, if that could be seen."""

    result: int | None
    """What the call returned: 0 or -1. ``None``: it has not, or that was not seen."""

    error: str | None
    """Why it failed, as ``"EPERM"``."""

    certainty: Certainty
    """How sure `changes` are."""

    changes: tuple[NamespaceChange, ...]
    """What has changed for the thread; nothing where it entered what it was in."""

    target: NamespaceId | None = None
    """What *fd* was, as far as somebody looked; it may have been replaced since."""

    denied: bool = False
    """Whether `supervise` has refused it: the kernel has not seen it."""


class UnshareEvent(NamedTuple):
    """A call of :manpage:`unshare(2)`; what has no comment is as in `SetnsEvent`."""

    time_ns: int
    pid: int
    tid: int
    ppid: int | None
    comm: str

    flags: int
    """The argument, as it was given."""

    types: tuple[NamespaceType, ...]
    """The namespaces among *flags*; those of types pid and time are for children."""

    result: int | None
    error: str | None
    certainty: Certainty
    changes: tuple[NamespaceChange, ...]
    denied: bool = False


class CloneEvent(NamedTuple):
    """
    A call of :manpage:`clone(2)` or clone3 that was to make namespaces, or has.

    What has no comment is as in `SetnsEvent`; `changes` are those of the child against
    its parent.
    """

    time_ns: int
    pid: int
    tid: int
    ppid: int | None
    comm: str

    syscall: Literal["clone", "clone3"]
    """Which of the two."""

    flags: int | None
    """The flags; ``None`` where clone3's could not be read."""

    types: tuple[NamespaceType, ...]
    """The namespaces among *flags*; where those are not known, of what was seen."""

    child: int | None
    """The new process or thread; ``None`` if there is none, or it was not seen."""

    result: int | None
    """What it returned to the parent: the id of the child there, or -1."""

    error: str | None
    certainty: Certainty
    changes: tuple[NamespaceChange, ...]
    denied: bool = False


class ChangeEvent(NamedTuple):
    """
    Namespaces that have changed, while nobody saw the call.

    Where only changes are watched; in the first child that is born into a pid
    namespace; and where a call came by another way than the usual, as ``int 0x80`` on
    x86-64. What has no comment is as in `SetnsEvent`.
    """

    time_ns: int
    pid: int
    tid: int
    ppid: int | None
    comm: str

    child: int | None
    """Whose namespaces they are, if it is a newborn; else they are the thread's own."""

    certainty: Certainty
    changes: tuple[NamespaceChange, ...]


class LostEvent(NamedTuple):
    """
    Something was lost, since nobody read fast enough.

    What is known of threads is forgotten then, and `NamespaceChange.before` is ``None``
    until it is known anew.
    """

    time_ns: int
    """When it was noticed."""

    count: int  # type: ignore[assignment] # pyright: ignore[reportIncompatibleMethodOverride]
    """
    How many calls there is no event of, exactly (Linux 6.0). By the backend ``"perf"``,
    of the whole machine, whatever is watched. Calls of clone3 are counted whether or
    not they would have made namespaces. Where only changes are watched, it is 0.
    """

    records: int
    """How many records the kernel could not write: up to three a call."""


TraceEvent: TypeAlias = SetnsEvent | UnshareEvent | CloneEvent | ChangeEvent | LostEvent
