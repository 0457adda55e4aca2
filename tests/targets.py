"""Fresh namespaces to enter, and the threads and rights to enter them with."""

import ctypes
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

import pytest
from support import in_child, missing, own, program, status_field

from pynamespaces import Namespace, TypeLike

T = TypeVar("T")
Runner = Callable[[Callable[[], object]], object]

PER_THREAD: tuple[TypeLike, ...] = ("cgroup", "ipc", "net", "pid", "uts")
"""What a thread enters whatever the other threads do."""

PR_SET_DUMPABLE = 4
CAP_SYS_CHROOT, CAP_SYS_ADMIN = 18, 21
_CAPABILITY_VERSION_3 = 0x20080522

WAYS = r"call\(|run\(|executor"
"""What a refusal names: the ways that work."""

_OPTIONS = {"mnt": ["--mount"], "user": ["--user", "--map-root-user"]}
_OPTIONS["pid"] = ["--pid", "--fork"]
_LINKS = {"pid": "pid_for_children", "time": "time_for_children"}


@contextmanager
def holder(*types: str) -> Iterator[int]:
    """Keep a process in fresh namespaces; its children, for pid and time."""
    options = [word for type in types for word in _OPTIONS.get(type, [f"--{type}"])]
    command = [program("unshare"), *options, "cat"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # What comes back through cat says that the namespaces are there.
        process.stdin.write(b"!")
        process.stdin.flush()
        if process.stdout.read(1) != b"!":
            missing("namespaces", f"cannot make {', '.join(types)} namespaces")
        yield process.pid


@contextmanager
def fresh(type: TypeLike, *others: str) -> Iterator[Namespace]:
    """Open a fresh namespace, made by another process together with *others*."""
    with (
        holder(*others, type) as pid,
        closing(Namespace.from_path(link(pid, type), type)) as namespace,
    ):
        yield namespace


def link(pid: int, type: str) -> str:
    """Return the path of a holder's fresh namespace."""
    return f"/proc/{pid}/ns/{_LINKS.get(type, type)}"


def here(type: str) -> tuple[int, int]:
    """Return what entering moves: of pid, the namespace of the children."""
    return own("pid_for_children" if type == "pid" else type)


def in_thread(function: Callable[[], T]) -> T:
    """Run a function in a worker thread, while the main thread lives."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def beside_thread(function: Callable[[], T]) -> T:
    """Run a function in the calling thread, while another one lives."""
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        return function()
    finally:
        stop.set()
        other.join()


def without(*capabilities: int) -> None:
    """Take capabilities from the calling thread; `restore_power` gives them back."""
    effective, permitted = _capabilities()
    dropped = sum(1 << number for number in capabilities)
    _set_effective(effective & ~dropped, permitted)


def restore_power() -> None:
    """Make all permitted capabilities of the calling thread effective again."""
    _, permitted = _capabilities()
    _set_effective(permitted, permitted)


def _capabilities() -> tuple[int, int]:
    """Return the effective and the permitted set."""
    return int(status_field("CapEff"), 16), int(status_field("CapPrm"), 16)


def _set_effective(effective: int, permitted: int) -> None:
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    low, high = effective & 0xFFFFFFFF, effective >> 32
    data = struct.pack("6I", low, permitted & 0xFFFFFFFF, 0, high, permitted >> 32, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


RUNNERS = pytest.mark.parametrize("run", [in_child, in_thread, beside_thread])
TYPES = pytest.mark.parametrize("type", PER_THREAD)
POWER = pytest.mark.tier("root", "userns")
