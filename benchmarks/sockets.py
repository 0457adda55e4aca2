"""Acting elsewhere: a socket of another network, and fresh namespaces."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from typing import Final

from pynamespaces import Namespace, NamespaceType, NetNamespace

from .measure import (
    ROOT,
    Loop,
    Row,
    Sample,
    Times,
    batch_of,
    compare,
    in_turn,
    one_cpu,
    output_of_python,
    print_times,
    read_times,
)
from .place import Place

_SOCKET: Final = "`net_ns.socket()`"
_PYROUTE2: Final = "pyroute2 `netns.create_socket(path)`"

_TYPES: Final = ("net", "uts")

_THREADS: Final = 50
_MEMORY: Final = 2 << 30
_PAGE: Final = 4096
# A batch is short: many of them, for each round of processes.
_PAIRS: Final = 10
# What the kernel leaves for others while a process has touched that much.
_NEEDED: Final = _MEMORY * 5 // 4


def rows(place: Place) -> Iterator[Row]:
    """Measure both."""
    against = _PYROUTE2
    times = None
    if find_spec("pyroute2") is None:
        against += ": pyroute2 is not installed"
    else:
        names = (str(place.netns()), str(place.rounds))
        times = read_times(output_of_python("sockets", "beside", *names))
    yield Row(_SOCKET, against, times, 0.05)
    yield from _fresh_rows(place)


def _fresh_rows(place: Place) -> Iterator[Row]:
    for type in _TYPES:
        against = f"`subprocess.run(['unshare', '--{type}', 'true'])`"
        text = output_of_python("sockets", "unshare", type, str(place.rounds))
        yield Row(f"`Namespace.new('{type}')`", against, read_times(text))
    small = "the same in a small process"
    for type in _TYPES:
        what = f"`Namespace.new('{type}')`: {_THREADS} threads, 2 GiB touched"
        if _available() < _NEEDED:
            yield Row(what, f"{small}: too little memory here", None, 1.2)
            continue
        with one_cpu(), _maker(type, "big") as ours, _maker(type, "small") as theirs:
            times = Times(*in_turn([ours, theirs], _PAIRS * place.rounds))
        yield Row(what, small, times, 1.2)


def _available() -> int:
    """Return how much memory there is to take, in bytes."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def _maker(type: str, size: str) -> Iterator[Sample]:
    """Start a process that makes namespaces, a batch for each sample."""
    command = [sys.executable, "-m", "benchmarks.sockets", size, type]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT
    ) as process:
        assert process.stdin
        assert process.stdout
        asking, answering = process.stdin, process.stdout

        def sample() -> float:
            asking.write("\n")
            asking.flush()
            return float(answering.readline())

        yield sample
        asking.close()


def _socket(netns: NetNamespace) -> Loop:
    def loop(count: int) -> None:
        for _ in repeat(None, count):
            netns.socket().close()

    return loop


def _pyroute2(path: str) -> Loop:
    from pyroute2 import netns  # noqa: PLC0415 - may be missing

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            netns.create_socket(path).close()

    return loop


def _new(name: str) -> Loop:
    type = NamespaceType(name)

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            Namespace.new(type).close()

    return loop


def _unshare(type: str) -> Loop:
    command = ["unshare", f"--{type}", "true"]

    def loop(count: int) -> None:
        for _ in repeat(None, count):
            subprocess.run(command, check=True)

    return loop


def _answer(type: str) -> None:
    """Time a batch for each line that is read."""
    sample = batch_of(_new(type))
    for _ in sys.stdin:
        print(sample(), flush=True)


def _answer_big(type: str) -> None:
    """Do so as a process that is costly to copy."""
    memory = bytearray(_MEMORY)
    memory[::_PAGE] = b"x" * (_MEMORY // _PAGE)
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    try:
        _answer(type)
    finally:
        end.set()
        for thread in threads:
            thread.join()
    del memory


def main() -> None:
    """Do what `rows` asks for, in a process of its own."""
    what, *arguments = sys.argv[1:]
    if what == "beside":
        path, rounds = arguments
        ours = _socket(Namespace.from_path(path, "net"))
        print_times(compare(ours, _pyroute2(path), int(rounds)))
    elif what == "unshare":
        type, rounds = arguments
        print_times(compare(_new(type), _unshare(type), int(rounds)))
    elif what == "big":
        _answer_big(*arguments)
    else:
        _answer(*arguments)


if __name__ == "__main__":
    main()
