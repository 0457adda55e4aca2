"""Others who exchange files for links, as fast as they can."""

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provoking import libc

_RENAME_EXCHANGE, _AT_FDCWD = 2, -100


def exchange(one: str | Path, other: str | Path) -> None:
    """Let two files have each other's names, in one step."""
    names = os.fsencode(one), os.fsencode(other)
    libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)


@contextmanager
def busy(work: Callable[[], object]) -> Iterator[None]:
    """Have a process that does something all the time."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os.write(writer, b".")
            while True:
                work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writer)
    try:
        with open(reader, "rb") as file:
            assert file.read(1) == b".", "the other could not begin"
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
