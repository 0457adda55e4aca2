"""What is held to be fast, and that it is let go of, and taken for nothing else."""

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType

import pytest
from newer import need
from provoking import mount, own_mounts, told_by_clone
from support import identity, in_child, own_all, program, run_python

from pynamespaces import (
    Namespace,
    NamespaceGoneError,
    NamespaceSet,
    UnsupportedError,
    lowlevel,
    setns,
    unshare,
    unshared,
)

powerful = pytest.mark.tier("root", "userns")

SETTLE = 5.0
"""How long the kernel may take to end a namespace, in seconds."""

MOST = 500_000
"""How many files may be made until one has a wanted inode number."""


def in_new_python(function: object, *args: str) -> None:
    """Run a function of this module where the library has not been used yet."""
    assert isinstance(function, FunctionType)
    folder, module = str(Path(__file__).parent), Path(__file__).stem
    code = (
        f"import sys; sys.path.insert(0, {folder!r});"
        f"from {module} import {function.__name__} as function;"
        "function(*sys.argv[1:])"
    )
    # In a network namespace that nobody else is in.
    prefix = [program("unshare"), "--net"]
    done = run_python(code, *args, prefix=prefix, check=False)
    assert done.returncode == 0, done.stderr


def held(start: str = "net:[") -> list[int]:
    """Return the descriptors that lead to network namespaces, or to what is named."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # The directory that is being listed.
        if link.startswith(start):
            found.append(int(name))
    return found


def use() -> None:
    """Use the library, as a program does that enters in a loop."""
    uts = Namespace.current("uts")
    with unshared("uts"):
        with uts:
            pass
    uts.close()


# --- children ---


def fork_and_see() -> None:
    """Fork at several moments, and see what the children hold."""

    def use_and_see() -> list[int]:
        use()
        return held()

    use()
    assert len(held()) == 1
    assert in_child(held) == []
    assert in_child(use_and_see) == []
    assert in_child(lambda: in_child(use_and_see)) == []
    assert len(held()) == 1


@powerful
def test_forked_child() -> None:
    """A forked child holds no network namespace, and neither does using it."""
    in_new_python(fork_and_see)


def clone_and_see() -> None:
    """Clone into the same and into fresh namespaces, and see what children hold."""
    use()
    assert len(held()) == 1
    for flags in (0, lowlevel.CLONE_NEWNET, lowlevel.CLONE_NEWUTS):
        assert told_by_clone(held, flags) == "[]"
    assert len(held()) == 1


@powerful
def test_cloned_child() -> None:
    """A child by clone3 holds none of its parent's, though no atfork handler ran."""
    in_new_python(clone_and_see)


# --- moves ---


def _move(how: str) -> None:
    with unshared("net") as fresh:
        target = Namespace.from_fd(fresh["net"])
    libc = ctypes.CDLL(None)
    ways: dict[str, Callable[[], object]] = {
        "unshare": lambda: unshare("net"),
        "setns": lambda: setns(target),
        "setns of a set": lambda: setns(NamespaceSet([target])),
        "lowlevel.unshare": lambda: lowlevel.unshare(lowlevel.CLONE_NEWNET),
        "lowlevel.setns": lambda: lowlevel.setns(target),
        "lowlevel.setns by pidfd": lambda: _setns_by_pidfd(target),
        "another library": lambda: libc.unshare(lowlevel.CLONE_NEWNET),
    }
    ways[how]()
    target.close()
    if how == "another library":
        # It is noticed as soon as a network namespace is entered.
        with unshared("net"):
            pass


def _setns_by_pidfd(target: Namespace) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(writer)
            setns(target)
            os.read(reader, 1)
        finally:
            os._exit(0)
    pidfd = lowlevel.pidfd_open(pid)
    link = f"/proc/{pid}/ns/net"
    while identity(link) != identity(target.fileno()):
        os.sched_yield()
    lowlevel.setns(pidfd, lowlevel.CLONE_NEWNET)
    for fd in (pidfd, reader, writer):
        os.close(fd)
    os.waitpid(pid, 0)


def move_and_see(how: str) -> None:
    """Move the main thread for good, and see that the old namespace dies."""
    use()
    (number,) = held()
    old = own_all()["net"]
    try:
        handle = lowlevel.name_to_handle_at(number)
    except UnsupportedError:
        handle = None
    _move(how)
    assert own_all()["net"] != old
    assert held(old) == []
    deadline = time.monotonic() + SETTLE
    while handle is not None and is_alive(handle):
        assert time.monotonic() < deadline, "the old namespace lives on"


def is_alive(handle: bytes) -> bool:
    """Return whether a handle still leads to a namespace."""
    try:
        os.close(lowlevel.open_by_handle_at(handle))
    except NamespaceGoneError:
        return False
    return True


@powerful
@pytest.mark.parametrize(
    "how",
    [
        "unshare",
        "setns",
        "setns of a set",
        "lowlevel.unshare",
        "lowlevel.setns",
        "lowlevel.setns by pidfd",
        "another library",
    ],
)
def test_old_namespace_dies(how: str) -> None:
    """What the process has left for good is not kept alive by the library."""
    in_new_python(move_and_see, how)


# --- numbers that are another's by now ---


def close_and_see() -> None:
    """Close everything, have the same namespace by the same numbers, and go on."""
    use()
    (number,) = held()
    os.closerange(3, 256)
    first = Namespace.current("net")
    os.dup2(first.fileno(), number)
    there = identity(number)

    def are_open() -> bool:
        return identity(number) == identity(first.fileno()) == there

    def use_and_look() -> bool:
        use()
        return are_open()

    assert in_child(are_open)
    assert in_child(use_and_look)
    assert are_open()
    unshare("net")
    use()
    assert are_open()


@powerful
def test_numbers_of_a_program_that_closes_all() -> None:
    """Descriptors of the program, of the same namespace, are not closed as ours."""
    in_new_python(close_and_see)


@powerful
def test_inode_number_of_the_pidfd(tmp_path: Path) -> None:
    """A file that has the pidfd's number and inode number is not closed as ours."""
    need("thread-pidfds")

    def visit() -> tuple[bool, bool]:
        Namespace.current("uts").close()
        (number,) = held("anon_inode:[pidfd]")
        wanted = os.fstat(number).st_ino
        file = file_with_inode(wanted)
        os.dup2(file, number)
        os.close(file)

        def is_open() -> bool:
            use()
            return os.fstat(number).st_ino == wanted

        return in_child(is_open), is_open()

    def file_with_inode(wanted: int) -> int:
        own_mounts()
        mount("none", str(tmp_path), "tmpfs")
        path = f"{tmp_path}/file"
        os.mknod(path)
        # A file system in memory counts its inodes.
        for _ in range(wanted - os.stat(path).st_ino):
            os.unlink(path)
            os.mknod(path)
        file = os.open(path, os.O_RDWR)
        assert os.fstat(file).st_ino == wanted
        return file

    if in_child(pidfd_inode) > MOST:
        pytest.skip("the kernel has counted too many processes by now")
    assert in_child(visit) == (True, True)


def pidfd_inode() -> int:
    """Return the inode number of a new thread's pidfd."""
    pidfd = lowlevel.pidfd_open(os.getpid())
    number = os.fstat(pidfd).st_ino
    os.close(pidfd)
    return number
