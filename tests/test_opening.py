"""The ways to open a namespace, and to be refused."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from provoking import (
    FakeLib,
    closed_fd,
    refuse_ioctl,
)
from support import ALL_TYPES, identity, in_child, own

from pynamespaces import (
    CgroupNamespace,
    IpcNamespace,
    MountNamespace,
    Namespace,
    NamespaceError,
    NamespaceType,
    NetNamespace,
    NotANamespaceError,
    PidNamespace,
    SystemCallError,
    TimeNamespace,
    TypeLike,
    UnsupportedError,
    UserNamespace,
    UtsNamespace,
    WrongTypeError,
    lowlevel,
)
from pynamespaces._core import reach
from pynamespaces._lib import lib

POWER = pytest.mark.tier("root", "userns")
UTS = lowlevel.CLONE_NEWUTS
KINDS: dict[str, type[Namespace]] = {
    "cgroup": CgroupNamespace,
    "ipc": IpcNamespace,
    "mnt": MountNamespace,
    "net": NetNamespace,
    "pid": PidNamespace,
    "time": TimeNamespace,
    "user": UserNamespace,
    "uts": UtsNamespace,
}


def link(type: str, pid: int | str = "thread-self") -> str:
    """Return the path of a namespace."""
    return f"/proc/{pid}/ns/{type}"


def _from_fd(type: str) -> Namespace:
    with open(link(type)) as file:
        return Namespace.from_fd(file, NamespaceType(type))


def _from_pidfd(type: str) -> Namespace:
    pidfd = lowlevel.pidfd_open(os.getpid())
    try:
        return Namespace.from_pidfd(pidfd, NamespaceType(type))
    finally:
        os.close(pidfd)


WAYS: dict[str, Callable[[str], Namespace]] = {
    "from_pid": lambda type: Namespace.from_pid(os.getpid(), NamespaceType(type)),
    "from_pidfd": _from_pidfd,
    "from_path": lambda type: Namespace.from_path(link(type)),
    "from_path_typed": lambda type: Namespace.from_path(
        link(type), NamespaceType(type)
    ),
    "from_fd": _from_fd,
    "current": lambda type: Namespace.current(NamespaceType(type)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("type", ALL_TYPES)
def test_every_type_every_way(type: str, way: str) -> None:
    """Each way opens the very namespace, as the subclass of its type."""
    with_link = identity(link(type))
    namespace = WAYS[way](type)
    assert (namespace.id.dev, namespace.id.ino) == with_link
    assert identity(namespace.fileno()) == with_link
    assert namespace.type is NamespaceType(type)
    assert namespace.__class__ is KINDS[type]
    assert not os.get_inheritable(namespace.fileno())


@pytest.mark.parametrize("type", ALL_TYPES)
def test_from_the_subclass(type: str) -> None:
    """A subclass opens its own type, without being told."""
    kind = KINDS[type]
    for namespace in (
        kind.from_path(link(type)),
        kind.from_pid(os.getpid(), type),  # type: ignore[call-overload]
        kind.current(type),  # type: ignore[call-overload]
    ):
        assert namespace.__class__ is kind


@pytest.mark.parametrize("type", ALL_TYPES)
def test_from_another_subclass(type: str) -> None:
    """A subclass opens no other: by name a ValueError, by file a WrongTypeError."""
    other = NetNamespace if type != "net" else UtsNamespace
    with pytest.raises(ValueError, match=f"{other.__name__} is of type"):
        other.from_pid(os.getpid(), type)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="use Namespace for any type"):
        other.current(type)  # type: ignore[call-overload]
    with pytest.raises(WrongTypeError, match=f"it is a {type} namespace") as caught:
        other.from_path(link(type))
    assert caught.value.filename == link(type)
    assert caught.value.types == (other._type,)
    with open(link(type)) as file, pytest.raises(WrongTypeError):
        other.from_fd(file)


@pytest.mark.parametrize("type", ["network", "NET", ""])
def test_unknown_type(type: str) -> None:
    """An unknown type is a ValueError that lists the eight, whichever the way."""
    wanted = cast("TypeLike", type)
    calls: tuple[Callable[[], Namespace], ...] = (
        lambda: Namespace.from_pid(1, wanted),
        lambda: Namespace.from_pidfd(0, wanted),
        lambda: Namespace.from_path("/", wanted),
        lambda: Namespace.from_fd(0, wanted),
        lambda: Namespace.current(wanted),
    )
    for call in calls:
        with pytest.raises(ValueError, match="use one of 'cgroup', 'ipc'"):
            call()


# --- from_fd ---


def test_fd_is_duplicated() -> None:
    """The caller keeps its descriptor, and the object has another."""
    fd = os.open(link("net"), os.O_RDONLY)
    namespace = Namespace.from_fd(fd)
    assert namespace.fileno() != fd
    namespace.close()
    assert identity(fd) == own("net")
    second = Namespace.from_fd(fd)
    os.close(fd)
    assert identity(second.fileno()) == own("net")


@pytest.mark.parametrize(
    ("make", "error", "number"),
    [
        (closed_fd, SystemCallError, errno.EBADF),
        (lambda: os.open(link("net"), os.O_PATH), SystemCallError, errno.EBADF),
        (lambda: lowlevel.pidfd_open(1), NotANamespaceError, errno.ENOTTY),
        (lambda: os.open("/dev/null", os.O_RDONLY), NotANamespaceError, errno.ENOTTY),
        (lambda: os.pipe()[0], NotANamespaceError, errno.ENOTTY),
    ],
    ids=["closed", "path-only", "pidfd", "device", "pipe"],
)
def test_fd_of_something_else(
    make: Callable[[], int], error: type[SystemCallError], number: int
) -> None:
    """A descriptor of something else is refused, and stays the caller's."""

    def refused() -> tuple[object, int | None, bool]:
        fd = make()
        before = sorted(os.listdir("/proc/self/fd"))
        with pytest.raises(SystemCallError) as caught:
            Namespace.from_fd(fd)
        same = sorted(os.listdir("/proc/self/fd")) == before
        return type(caught.value), caught.value.errno, same

    assert in_child(refused) == (error, number, True)


@pytest.mark.parametrize("fd", [None, "3", 3.5])
def test_fd_that_is_none(fd: object) -> None:
    """What is no descriptor, nor lends one, is a TypeError."""
    with pytest.raises(TypeError):
        Namespace.from_fd(fd)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        Namespace.from_pidfd(fd, "net")  # type: ignore[call-overload]


def test_fd_of_another_namespace() -> None:
    """A Namespace lends its descriptor like any object."""
    first = Namespace.current("uts")
    second = Namespace.from_fd(first)
    assert second == first
    assert second.fileno() != first.fileno()
    first.close()
    with pytest.raises(NamespaceError, match="is closed"):
        Namespace.from_fd(first)


# --- current ---


@POWER
def test_current_is_of_the_thread() -> None:
    """In a thread that has moved, it is that thread's, and not the process's."""

    def compare() -> tuple[bool, ...]:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lowlevel.unshare, lowlevel.CLONE_NEWNET).result()
            there = pool.submit(Namespace.current, "net").result()
            seen = pool.submit(own, "net").result()
            return (
                (there.id.dev, there.id.ino) == seen,
                seen == identity("/proc/self/ns/net"),
                there == Namespace.current("net"),
                pool.submit(there.is_current).result(),
                there.is_current(),
            )

    assert in_child(compare) == (True, False, False, True, False)


@POWER
@pytest.mark.parametrize("type", ["pid", "time"])
def test_current_is_not_of_the_children(type: str) -> None:
    """Of pid and time it is where the thread is, not where its children will be."""

    def ask() -> bool:
        before = own(type)
        lowlevel.unshare(NamespaceType(type).flag)
        now = Namespace.current(NamespaceType(type))
        return (now.id.dev, now.id.ino) == before and now.is_current()

    assert in_child(ask)


def test_current_that_the_kernel_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that the kernel was built without is an UnsupportedError."""
    fake = FakeLib(pyns_own_namespace=lambda *_: -errno.ENOENT)
    monkeypatch.setattr(reach, "lib", fake)
    monkeypatch.setattr("pynamespaces._proc.namespace_types", lambda: ["net"])
    with pytest.raises(UnsupportedError, match="built without it"):
        Namespace.current("time")


# --- failures half-way leave nothing open ---


@pytest.mark.parametrize("way", WAYS)
def test_failure_to_identify(way: str) -> None:
    """If what was opened cannot be identified, it is closed again."""

    def fail() -> tuple[int | None, bool]:
        # What the library keeps open of each thread, it has from here on.
        Namespace.current("net").close()
        before = sorted(os.listdir("/proc/self/fd"))
        refuse_ioctl(lib.NS_GET_NSTYPE, errno.EIO)
        with pytest.raises(SystemCallError) as caught:
            WAYS[way]("net")
        return caught.value.errno, sorted(os.listdir("/proc/self/fd")) == before

    assert in_child(fail) == (errno.EIO, True)


def test_kernel_without_unique_ids() -> None:
    """Before Linux 6.18 an id has no unique part, and all else works."""

    def compare() -> tuple[int | None, bool, bool, bool]:
        refuse_ioctl(lib.NS_GET_ID, errno.ENOTTY)
        namespace = Namespace.current("net")
        again = Namespace.from_path(link("net"))
        same = (namespace.id.dev, namespace.id.ino) == own("net")
        return namespace.id.unique, same, namespace.is_current(), namespace == again

    assert in_child(compare) == (None, True, True, True)
