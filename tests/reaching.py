"""Watchers of what must not happen while something is done elsewhere."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

from support import own_all

from pynamespaces import (
    MountNamespace,
    Namespace,
    NamespaceSet,
    NetNamespace,
    UtsNamespace,
)

PATIENCE: Final = 20.0
"""How long what must come may take, in seconds."""


class Watcher:
    """A thread that reads the namespaces of all threads, over and over."""

    def __init__(self) -> None:
        self._home = own_all()
        self._stop = threading.Event()
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._watch)
        self.rounds = 0
        self.strangers: set[str] = set()
        """What some thread was seen in, that is not home."""

    def _look(self) -> None:
        for task in os.listdir("/proc/self/task"):
            for link, home in self._home.items():
                # A thread that has just ended has none, or may not be looked into.
                with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                    found = os.readlink(f"/proc/self/task/{task}/ns/{link}")
                    if found != home:
                        self.strangers.add(found)

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._look()
            with self._turn:
                self.rounds += 1
                self._turn.notify_all()

    def see(self) -> None:
        """Return when the watcher has looked at all threads once more."""
        with self._turn:
            goal = self.rounds + 2
            assert self._turn.wait_for(lambda: self.rounds >= goal, PATIENCE)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look while the body runs."""
        self._thread.start()
        try:
            self.see()
            yield
            self.see()
        finally:
            self._stop.set()
            self._thread.join()


@contextmanager
def nobody_leaves() -> Iterator[Watcher]:
    """Check that no thread of the process is ever away while the body runs."""
    watcher = Watcher()
    with watcher.watching():
        yield watcher
    assert watcher.strangers == set()


class Places:
    """A namespace of each kind that something is reached in."""

    def __init__(self) -> None:
        with closing(NamespaceSet.new("user", "mnt", "net", "uts")) as made:
            self.mnt: MountNamespace = Namespace.from_fd(made["mnt"], "mnt")
            self.net: NetNamespace = Namespace.from_fd(made["net"], "net")
            self.uts: UtsNamespace = Namespace.from_fd(made["uts"], "uts")

    def close(self) -> None:
        """Close all of them."""
        for namespace in (self.mnt, self.net, self.uts):
            namespace.close()


ACTS: dict[str, Callable[[Places], object]] = {
    "socket": lambda places: places.net.socket().close(),
    "server": lambda places: places.net.create_server(("", 0)).close(),
    "cookie": lambda places: places.net.cookie,
    "open": lambda places: os.close(places.mnt.open("/")),
    "hostname": lambda places: places.uts.hostname,
    "own socket": lambda _: Namespace.current("net").socket().close(),
    "own open": lambda _: os.close(Namespace.current("mnt").open("/")),
    "own hostname": lambda _: Namespace.current("uts").hostname,
}
"""What is done in them by a helper task; and in the caller's own."""


def count_open() -> int:
    """Return how many descriptors are open."""
    return len(os.listdir("/proc/self/fd"))


def is_of(sock: socket.socket, net: NetNamespace) -> bool:
    """Return whether a socket belongs to a network namespace, by its identity."""
    found = NetNamespace.from_socket(sock)
    try:
        return found == net and os.path.sameopenfile(found.fileno(), net.fileno())
    finally:
        found.close()


def mappings() -> int:
    """Return how many mappings this process has."""
    with open("/proc/self/maps") as file:
        return len(file.readlines())


def data_size() -> int:
    """Return how many bytes of memory this process has of its own."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[5]) * os.sysconf("SC_PAGESIZE")
