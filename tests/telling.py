"""What workers tell of themselves, and of where they are; workers import this."""

import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from working import LIMIT, Links, links

from pynamespaces import get_context

if TYPE_CHECKING:
    from working import Pipe


def getpid(_: object = None) -> int:
    """Return the id of the process, as it knows it."""
    return os.getpid()


def hostname() -> str:
    """Return the name of the host."""
    return os.uname().nodename


def loopback_answers() -> bytes:
    """Return what comes by a connection to this host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), LIMIT) as client:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"here")
            return client.recv(4)


def status(name: str) -> str:
    """Return a field of the status of the calling thread."""
    lines = Path("/proc/thread-self/status").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith(name))


def effective() -> str:
    """Return the capabilities of this process."""
    return status("CapEff")


def no_new_privs() -> str:
    """Return whether this process cannot get more than it has."""
    return status("NoNewPrivs")


def processes() -> list[int]:
    """Return the processes that are in ``/proc``."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def boottime() -> float:
    """Return how long the system has been running, as this process sees it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def ids() -> tuple[int, int]:
    """Return who one is."""
    return os.getuid(), os.getgid()


def tell(connection: "Pipe", function: Callable[[], object]) -> None:
    """Send what a function returns."""
    connection.send(function())


def parent_is_alive() -> bool:
    """Return whether the process that has started this one is there."""
    parent = multiprocessing.parent_process()
    return parent is not None and parent.is_alive()


def links_of_child() -> Links:
    """Return the namespaces of a process that this one has started."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=tell, args=[writer, links])
    process.start()
    assert reader.poll(LIMIT)
    found: Links = reader.recv()
    process.join(LIMIT)
    assert process.exitcode == 0
    return found


def imported(name: str) -> str:
    """Return the name of a module that is imported only now, or why it is not."""
    try:
        return import_module(name).__name__
    except ModuleNotFoundError as error:
        return str(error)


CONTEXT: Final = get_context(new=("user", "uts"), hostname="of-a-class")


class Worker(CONTEXT.Process):  # type: ignore[name-defined, misc]
    """A process object with something of its own."""

    def __init__(self, connection: "Pipe", word: str) -> None:
        super().__init__(name=f"worker-{word}")
        self.connection = connection
        self.word = word

    def run(self) -> None:
        """Tell what one is, and where."""
        kind = type(self).__name__
        self.connection.send((kind, self.name, self.word, hostname()))
