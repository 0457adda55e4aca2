"""What the tests of making namespaces share: types, checks, a caller's state."""

import errno
import fcntl
import os
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest
from provoking import _SYSCALLS, _install, _load, _return_where
from support import identity, in_child, own_all
from watching import unchanged

from pynamespaces import (
    Namespace,
    NamespaceSet,
    NamespaceType,
    NetNamespace,
    TypeLike,
    setns,
)

_RET_KILL_PROCESS = 0x80000000

T = TypeVar("T")
Kind = TypeVar("Kind", bound=Namespace)

POWER = pytest.mark.tier("root", "userns")

TYPES: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "time", "user", "uts")
"""What can be made without an init."""

OWNED: tuple[TypeLike, ...] = tuple(type for type in TYPES if type != "user")
"""What a user namespace owns."""


def descriptors() -> dict[int, str]:
    """Return what is open, but for the directory that says so."""
    # The library keeps a pidfd of each thread, from its first use on.
    Namespace.current("net").close()
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def children() -> list[str]:
    """Return the children of all threads of this process, zombies too."""
    found: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        # A thread may have ended by now.
        with suppress(FileNotFoundError, ProcessLookupError):
            found += (task / "children").read_text().split()
    return found


@contextmanager
def nothing_happens() -> Iterator[None]:
    """Check that the body moves no thread, and leaves no process or descriptor."""
    before = children()
    with unchanged():
        yield
        assert children() == before


def check_member(namespace: Namespace, type: TypeLike) -> None:
    """Check that a namespace is what it says, and that the caller is not in it."""
    fd, id = namespace.fileno(), namespace.id
    assert namespace.type == type
    assert identity(fd) == (id.dev, id.ino)
    assert os.readlink(f"/proc/self/fd/{fd}") == str(id)
    assert not os.get_inheritable(fd)
    assert str(id) not in own_all().values()
    assert not namespace.is_current()
    assert [kind for kind in Namespace.__subclasses__() if isinstance(namespace, kind)]


def check_set(fresh: NamespaceSet, types: tuple[TypeLike, ...]) -> None:
    """Check that a set is made of fresh namespaces of these types, all different."""
    assert tuple(fresh) == types
    assert len({namespace.id for namespace in fresh.values()}) == len(types)
    for type, namespace in fresh.items():
        check_member(namespace, type)
        with_owner = fresh.get("user") if type is not NamespaceType.USER else None
        owner = namespace.owner()
        assert owner.is_current() if with_owner is None else owner == with_owner
        owner.close()


def member(made: NamespaceSet, kind: type[Kind]) -> Kind:
    """Return the member of a set that is of a class."""
    return next(each for each in made.values() if isinstance(each, kind))


def inside(target: Namespace | NamespaceSet, function: Callable[[], T]) -> T:
    """Run a function in a child that has joined first."""

    def join() -> T:
        setns(target)
        return function()

    return in_child(join)


def loopback_is_up(net: NetNamespace) -> bool:
    """Return whether ``lo`` of a network namespace is up."""
    with net.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, 0x8913, request)  # SIOCGIFFLAGS
    return bool(struct.unpack("16sH14x", answer)[1] & 1)


def numbers(error: OSError) -> tuple[str, str]:
    """Return errno and call of an error, by name."""
    return errno.errorcode[error.errno or 0], getattr(error, "syscall", "")


def kill_calls(name: str) -> None:
    """Have the kernel kill whoever makes a system call, and no other, for good."""
    program = _load(0) + _return_where(_SYSCALLS[name], _RET_KILL_PROCESS)
    # Where no one looks, there is no core dump of the memory that others share.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _install(program)
