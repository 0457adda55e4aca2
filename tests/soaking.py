"""What a soak does all at once, in threads of one process."""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from killable import OPERATIONS
from starting import makable
from support import TIER

from pynamespaces import Namespace, NamespaceSet, NetNamespace, Popen, scan, unpin

Act = Callable[[], object]


class Activity(NamedTuple):
    """What one thread does again and again."""

    name: str
    act: Act


def _enter() -> None:
    # Who has no power enters where it is.
    make = Namespace.current if TIER == "plain" else Namespace.new
    with closing(make("net")) as net, closing(make("uts")) as uts:
        with net, uts:
            assert net.is_current()
            assert uts.is_current()


def _connect() -> None:
    with ExitStack() as stack:
        new = NamespaceSet.new("user", "net")
        stack.callback(new.close)
        net = new["net"]
        assert isinstance(net, NetNamespace)
        server = stack.enter_context(net.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(net.create_connection(server.getsockname()))
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"x")
            assert accepted.recv(1) == b"x"
        stack.enter_context(net.socket(socket.AF_INET, socket.SOCK_DGRAM))


def _scan() -> None:
    assert scan().namespaces("net")


def _pin() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with closing(Namespace.new("uts")) as namespace:
            namespace.pin(Path(folder, "pin"))
        unpin(Path(folder, "pin"))


def _fail() -> None:
    with pytest.raises(FileNotFoundError):
        Popen(["/none"], new=makable("uts", "pid"), die_with_parent=True)


_SLOW: Final = {"process pool", "call from threads", "call in user", "call"}
"""What starts interpreters."""


def activities(*, is_short: bool = False) -> list[Activity]:
    """Return what this tier can do; for a short time, only what is done often."""
    left_out = {"pin", "name", "cgroup", "cgroup guarded", "new ranges", "perf"}
    left_out |= _SLOW if is_short else set()
    found = [
        Activity(one.name, one.act)
        for one in OPERATIONS
        if TIER in one.tiers and one.name not in left_out
    ]
    found.append(Activity("enter", _enter))
    found.append(Activity("connect", _connect))
    found.append(Activity("scan", _scan))
    found.append(Activity("fail to start", _fail))
    if TIER != "plain":
        found.append(Activity("pin", _pin))
    return found


# --- leaks, to see that they are found ----------------------------------------------

_kept: list[object] = []


def leaking(figure: str) -> Activity:
    """Return what leaks so that a figure is not flat, a hundred times a second."""

    def leak() -> None:
        LEAKS[figure]()
        time.sleep(0.01)

    return Activity(figure, leak)


def _leak_descriptor() -> None:
    os.dup(0)


def _leak_thread() -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def _leak_child() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)


def _leak_namespace() -> None:
    _kept.append(NamespaceSet.new(*makable("uts")))


LEAKS: Final[dict[str, Act]] = {
    "descriptors": _leak_descriptor,
    "threads": _leak_thread,
    "children": _leak_child,
    "namespaces": _leak_namespace,
    "memory": lambda: _kept.append(os.urandom(10**6)),
    "objects": lambda: _kept.append([[] for _ in range(1000)]),
}
"""What leaks, by the figure that must not be flat then."""
