"""Populations for scans: processes in namespaces, and what a scan says of them."""

import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from provoking import another_process, libc, mount, need_own_user, own_mounts, own_user
from support import TIER, identity, in_child, missing

from pynamespaces import Namespace, NamespaceId, NamespaceType, TypeLike, lowlevel
from pynamespaces.inventory import Inventory, NamespaceRecord

T = TypeVar("T")

TYPES = tuple(NamespaceType)


def empower() -> None:
    """Become root in a user namespace of one's own, where power is wanting."""
    if TIER == "plain":
        own_user()


def powerful(function: Callable[[], T]) -> T:
    """Run in a child that may make namespaces."""
    if TIER == "plain":
        need_own_user()

    def inside() -> T:
        empower()
        return function()

    return in_child(inside)


def alone(function: Callable[[], T]) -> T:
    """Run as the init of a pid namespace with its own /proc: nobody else is there."""

    def inside() -> T:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        return in_child(mounted)

    def mounted() -> T:
        own_mounts()
        try:
            mount("proc", "/proc", "proc")
        except PermissionError as error:
            missing("proc", str(error))
        return function()

    return powerful(inside)


def leave_for(*types: TypeLike) -> None:
    """Move this process to fresh namespaces, if need be by owning them."""
    empower()
    for type in types:
        if type == "user":
            own_user()
        else:
            lowlevel.unshare(NamespaceType(type).flag)


@contextmanager
def process_in(*types: TypeLike) -> Iterator[int]:
    """Have a process in fresh namespaces; of pid and time, only its children are."""
    if TIER == "plain":
        need_own_user()
    with another_process(lambda: leave_for(*types)) as pid:
        yield pid


def start_thread(prepare: Callable[[], object]) -> None:
    """Start a thread of this process that runs *prepare*, and then stays."""
    ready = threading.Event()

    def stand() -> None:
        prepare()
        ready.set()
        threading.Event().wait()

    threading.Thread(target=stand, daemon=True).start()
    assert ready.wait(10), "the thread could not be prepared"


@contextmanager
def thread_that(prepare: Callable[[], object]) -> Iterator[tuple[int, int]]:
    """Have a process with a second thread, which alone has run *prepare*."""
    if TIER == "plain":
        need_own_user()

    def start() -> None:
        empower()
        start_thread(prepare)

    with another_process(start) as pid:
        (tid,) = {int(name) for name in os.listdir(f"/proc/{pid}/task")} - {pid}
        yield pid, tid


@contextmanager
def leaderless(prepare: Callable[[], object]) -> Iterator[tuple[int, int]]:
    """Have a process whose first thread has ended, while another lives on."""
    if TIER == "plain":
        need_own_user()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            prepare()
            start_thread(int)
            os.write(writer, b"!")
            # Python's own ways end the process; this is but the end of a thread.
            libc.syscall(_EXIT, 0)
        finally:
            os._exit(1)
    os.close(writer)
    try:
        assert os.read(reader, 1) == b"!", "the child could not be prepared"
        while state_of(pid) != "Z":
            os.sched_yield()
        (tid,) = {int(name) for name in os.listdir(f"/proc/{pid}/task")} - {pid}
        yield pid, tid
    finally:
        os.close(reader)
        end(pid)


_EXIT = 60 if platform.machine() == "x86_64" else 93


def state_of(pid: int) -> str:
    """Return the state of a process: one letter."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def end(pid: int) -> None:
    """End a child, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def known(inventory: Inventory, path: str | int) -> NamespaceRecord:
    """Return the one record of the namespace that a path or a descriptor leads to."""
    record = find(inventory, *identity(path))
    assert record is not None, f"{path} was not found"
    return record


def find(inventory: Inventory, dev: int, ino: int) -> NamespaceRecord | None:
    """Return the one record of a namespace, if it has any."""
    found = [r for r in inventory if (r.id.dev, r.id.ino) == (dev, ino)]
    assert len(found) <= 1, found
    return found[0] if found else None


def id_of(path: str | int) -> NamespaceId:
    """Return which namespace a path or a descriptor leads to, as the kernel says it."""
    opened = Namespace.from_fd(path) if isinstance(path, int) else None
    with closing(opened or Namespace.from_path(str(path))) as namespace:
        return namespace.id


HOLDING = (
    "processes",
    "threads",
    "for_children",
    "descriptors",
    "sockets",
    "pins",
)
"""The fields of a record that say what keeps it."""


def held_by(record: NamespaceRecord) -> dict[str, object]:
    """Return what keeps a namespace, but for what does not."""
    return {
        name: getattr(record, name) for name in HOLDING if getattr(record, name) != ()
    }


def comm(pid: int) -> str:
    """Return the name of a process."""
    with open(f"/proc/{pid}/comm") as file:
        return file.read().rstrip("\n")
