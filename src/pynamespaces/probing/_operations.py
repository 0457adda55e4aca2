"""The table of all that `support` tries."""

from typing import Final, NamedTuple

from .._types import NamespaceType
from . import _kernel, _tries
from ._tasks import Try


class Row(NamedTuple):
    """One operation: what it is called, what it is, and what tries it."""

    name: str
    title: str
    attempt: Try
    without: tuple[NamespaceType, ...] = ()
    """The types that do not have it."""

    is_threaded: bool = False
    """To be tried beside another thread."""


_USER: Final = (NamespaceType.USER,)

OF_TYPES: Final = (
    Row("exists", "the kernel has it", _tries.exists),
    Row("new", "make a fresh one", _tries.new),
    Row("new_with_user", "make one together with a user namespace",
        _tries.new_with_user, without=_USER),
    Row("enter", "enter and leave it, where there is one thread", _tries.enter),
    Row("enter_threaded", "enter and leave it, beside other threads", _tries.enter,
        is_threaded=True),
    Row("join", "start a program in it", _tries.join),
    Row("pin", "keep it by a file", _tries.pin),
    Row("handle", "open it by its file handle", _tries.handle),
)  # fmt: skip
"""What is tried with each type."""

OF_KERNEL: Final = (
    Row("clone3", "clone3(2)", _kernel.clone3),
    Row("pidfd_open", "pidfd_open(2)", _kernel.pidfd_open),
    Row("pidfd_namespaces", "namespaces of a pidfd (PIDFD_GET_*)",
        _kernel.pidfd_namespaces),
    Row("ids", "ids that are never given twice (NS_GET_ID)", _kernel.ids),
    Row("handles", "file handles of namespaces", _kernel.handles),
    Row("statmount", "statmount(2) and listmount(2)", _kernel.statmount),
    Row("listns", "list all namespaces (listns(2))", _kernel.listns),
    Row("cgroup", "start a program in a cgroup (CLONE_INTO_CGROUP)", _kernel.cgroup),
    Row("id_map", "map one's own ids in a user namespace", _kernel.id_map),
    Row("subids", "map subordinate ids (newuidmap)", _kernel.subids),
    Row("mount_proc", "mount the /proc of a fresh pid namespace", _kernel.mount_proc),
    Row("loopback", "bring up lo in a fresh net namespace", _kernel.loopback),
    Row("names", "create names for ip netns", _kernel.names),
)  # fmt: skip
"""What is tried once."""

TRIES: Final[dict[str, Try]] = {
    **{row.name: row.attempt for row in (*OF_TYPES, *OF_KERNEL)},
    "enter given": _tries.enter_given,
    "join given": _tries.join_given,
}
"""What tries the task of a name."""
