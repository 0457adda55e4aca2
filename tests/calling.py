"""What the tests of calls have called; fresh interpreters import this, not pytest."""

import os
import signal
import stat
import sys
import threading
from contextlib import closing, suppress
from typing import Final, NoReturn

from provoking import libc

from pynamespaces import Namespace, TypeLike

ALL: Final = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
PR_GET_DUMPABLE = 3
BY_THREADS: Final = ("cgroup", "ipc", "mnt", "net", "uts")


class OddError(Exception):
    """An error that needs more than its text to be made."""

    def __init__(self, number: int, *, reason: str) -> None:
        super().__init__(f"{number}: {reason}")


class Unprintable:
    """What cannot be pickled, nor shown."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("not to be pickled")

    def __repr__(self) -> NoReturn:
        raise ValueError("not to be shown")


class Vanishing:
    """What is pickled, but cannot be made again."""

    def __reduce__(self) -> tuple[object, ...]:
        return vanish, ()


def vanish() -> NoReturn:
    """Fail, where something was to be made."""
    raise LookupError("it has vanished")


def where() -> dict[str, str]:
    """Return the namespaces of the calling thread."""
    return {type: os.readlink(f"/proc/thread-self/ns/{type}") for type in ALL}


def who() -> tuple[int, int, list[int]]:
    """Return user, group and groups."""
    return os.getuid(), os.getgid(), os.getgroups()


def which() -> tuple[int, int]:
    """Return which process and which thread this is."""
    return os.getpid(), threading.get_native_id()


def echo(*args: object, **kwargs: object) -> tuple[object, object]:
    """Return what is given."""
    return args, kwargs


def fail(text: str) -> NoReturn:
    """Raise an error."""
    raise KeyError(text)


def fail_oddly() -> NoReturn:
    """Raise an error that pickle does not bring back."""
    raise OddError(7, reason="odd")


def leave(code: object) -> NoReturn:
    """End, as Python does it."""
    sys.exit(code)  # type: ignore[arg-type]


def leave_at_once(code: int) -> NoReturn:
    """End, as the kernel does it."""
    os._exit(code)


def be_killed(number: int) -> None:
    """End by a signal."""
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def much(size: int) -> bytes:
    """Return that many bytes."""
    return bytes(range(256)) * (size // 256)


def call_again(path: str, type: TypeLike) -> tuple[dict[str, str], dict[str, str]]:
    """Call from within a call."""
    with closing(Namespace.from_path(path, type)) as namespace:
        return where(), namespace.call(where)


def wait_for_ever() -> None:
    """Wait for nothing."""
    while True:
        signal.pause()


def mask() -> set[int]:
    """Return the signals that the calling thread blocks."""
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def leave_a_thread() -> tuple[int, int]:
    """Start a thread that does not end."""
    threading.Thread(target=threading.Event().wait).start()
    return which()


def leave_a_child() -> int:
    """Fork a child that holds all that this process has open."""
    pid = os.fork()
    if pid == 0:
        wait_for_ever()
    return pid


def dumpable() -> int:
    """Return whether others may look into this process."""
    return int(libc.prctl(PR_GET_DUMPABLE))


def low_sockets() -> list[int]:
    """Return which numbers of standard streams are sockets."""
    found = []
    for fd in range(3):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found.append(fd)
    return found


def fork_and_wait() -> str:
    """Return in two processes, the child first."""
    pid = os.fork()
    if pid == 0:
        return "child" * 100_000
    os.waitpid(pid, 0)
    return "parent"
