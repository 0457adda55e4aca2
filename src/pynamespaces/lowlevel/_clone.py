""":manpage:`clone3(2)` in the manner of fork."""

import sys
from collections.abc import Sequence

from .._forking import require_forkable
from .._lib import lib, new_ints, read_int
from .._types import CloneFlag, types_of
from ._arguments import INT_MAX, Descriptor, check, descriptor, in_range

# What these do needs memory that the child shares, or a pointer to it. With shared
# descriptors, each object that the child drops would close one of the parent's.
_REFUSED = (
    CloneFlag.CLONE_VM
    | CloneFlag.CLONE_VFORK
    | CloneFlag.CLONE_FILES
    | CloneFlag.CLONE_SIGHAND
    | CloneFlag.CLONE_THREAD
    | CloneFlag.CLONE_SETTLS
    | CloneFlag.CLONE_PARENT_SETTID
    | CloneFlag.CLONE_CHILD_SETTID
    | CloneFlag.CLONE_CHILD_CLEARTID
    | CloneFlag.CLONE_DETACHED
)


def clone3(
    flags: int = 0,
    *,
    exit_signal: int = lib.SIGCHLD,
    cgroup: Descriptor | None = None,
    set_tid: Sequence[int] = (),
) -> tuple[int, int]:
    """
    Copy the calling process, as :func:`os.fork` does, into new namespaces.

    Python's own handlers around a fork run. The parent's namespaces do not change.
    Where the kernel or a seccomp filter has no :manpage:`clone3(2)`, ``clone`` is
    called, which has no ``CLONE_NEWTIME``, no flag above 32 bits and no *set_tid*.

    What the child may do depends on the parent. From a process without other threads:
    anything. From a process with threads: only call ``os.execve`` or ``os._exit``, and
    what leads straight there. A lock that another thread held is locked in the child
    for ever, and unlike after fork(2) these include the C library's own, so that
    even allocating memory can hang. The C library also still takes the child's first
    thread for the parent's, so signals that it sends to itself go astray. Better
    start programs, and run functions, by the calls of this package made for them.

    Args:
        flags: ``CLONE_NEW*``, ``CLONE_FS``, ``CLONE_PARENT``,
            ``CLONE_CLEAR_SIGHAND`` and the like. ``CLONE_PIDFD`` is implied.

        exit_signal: What the parent gets when the child ends; 0 for none.

        cgroup: A directory of cgroup v2 where the child starts (Linux 5.7).

        set_tid: The child's process ids, in the innermost pid namespace first.

    Returns:
        In the parent the child's pid and a pidfd of it, which is the caller's to
        close. In the child 0 and -1.

    Raises:
        SystemCallError: The kernel refused, by `pynamespaces.errors`; no child is
            left.

        ValueError: A flag that would share memory or descriptors with the child.

        RuntimeError: There are subinterpreters, which no copy would have.
    """
    in_range("flags", flags, 0, 2**64 - 1)
    in_range("exit_signal", exit_signal, 0, 64)
    if refused := CloneFlag(flags) & _REFUSED:
        raise ValueError(f"a child that goes on in Python cannot have {refused!r}")
    if not isinstance(set_tid, Sequence):
        kind = type(set_tid).__name__
        raise TypeError(f"set_tid is a sequence of process ids, not {kind}")
    for tid in set_tid:
        in_range("set_tid", tid, 1, INT_MAX)
    if cgroup is None and flags & CloneFlag.CLONE_INTO_CGROUP:
        raise ValueError("CLONE_INTO_CGROUP needs the argument cgroup")
    directory = -1
    if cgroup is not None:
        flags |= CloneFlag.CLONE_INTO_CGROUP
        directory = descriptor(cgroup)

    require_forkable()
    types = types_of(flags)
    sys.audit("pynamespaces.clone3", types)
    pidfd = new_ints("int", [-1])
    tids = new_ints("int", list(set_tid) or [0])
    result = lib.pyns_clone3(flags, exit_signal, directory, tids, len(set_tid), pidfd)
    return check(result, "clone3", types), read_int(pidfd)
