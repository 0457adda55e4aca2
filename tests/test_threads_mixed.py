"""Twenty threads that do different things at once, and what each of them sees."""

import os
import random
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Final, TypeAlias

import pytest
from forking import LIMIT
from starting import POWER
from support import identity, own, own_all, run_python

import pynamespaces
from pynamespaces import Namespace, NamespaceSet, NetNamespace, check_output, unshared

pytestmark = pytest.mark.usefixtures("orphans")

THREADS: Final = 20
ROUNDS: Final = int(os.environ.get("PYNAMESPACES_MIXED_ROUNDS", "4"))

Pair: TypeAlias = tuple[Namespace, NetNamespace]
Deed: TypeAlias = Callable[[Pair, Pair], None]


def enter(one: Pair, other: Pair) -> None:
    """Enter two, and others inside."""
    with one[0], one[1]:
        assert own("uts") == identity(one[0].fileno())
        with NamespaceSet(other):
            assert own("uts") == identity(other[0].fileno())
            assert own("net") == identity(other[1].fileno())
        assert own("net") == identity(one[1].fileno())


def part(one: Pair, _: Pair) -> None:
    """Have fresh ones for a while."""
    with one[0], unshared("uts", "ipc") as made:
        assert own("uts") == identity(made["uts"].fileno())
        assert own("ipc") == identity(made["ipc"].fileno())


def call(one: Pair, other: Pair) -> None:
    """Have a function called in one of them, from within the other."""
    with other[0]:
        assert one[0].call(own, "uts") == identity(one[0].fileno())
        assert own("uts") == identity(other[0].fileno())


def start(one: Pair, other: Pair) -> None:
    """Start a program in one of them, from within the other."""
    with other[1]:
        told = check_output(["readlink", "/proc/self/ns/net"], join=one, text=True)
    assert told == f"{one[1].id}\n"


def scan(one: Pair, _: Pair) -> None:
    """Find a thread by where it is."""
    with one[0]:
        found = pynamespaces.scan("uts", descriptors=False, mounts=False)
    assert one[0].id in {record.id for record in found.namespaces("uts")}


def create(one: Pair, other: Pair) -> None:
    """Make what is nobody else's."""
    with closing(NamespaceSet.new("uts", "net")) as made:
        assert made["uts"] not in (one[0], other[0])
        assert made["net"].call(own, "net") == identity(made["net"].fileno())


def connect(one: Pair, other: Pair) -> None:
    """Have a socket of each, from outside."""
    for _, net in (one, other):
        with net.socket() as socket, closing(NetNamespace.from_socket(socket)) as its:
            assert its == net


DEEDS: Final[tuple[Deed, ...]] = (enter, part, call, start, scan, create, connect)


@POWER
def test_all_at_once() -> None:
    """Each gets what it asked for, sees where it is, and ends where it began."""
    barrier = threading.Barrier(THREADS)

    def work(number: int) -> int:
        chance = random.Random(number)
        home = own_all()
        barrier.wait(LIMIT)
        for turn in range(ROUNDS):
            one, other = chance.sample(pairs, 2)
            DEEDS[(number + turn) % len(DEEDS)](one, other)
            assert own_all() == home
        return ROUNDS

    with ExitStack() as stack, ThreadPoolExecutor(THREADS) as pool:
        pairs: list[Pair] = []
        for _ in range(4):
            uts = stack.enter_context(closing(Namespace.new("uts")))
            pairs.append((uts, stack.enter_context(closing(Namespace.new("net")))))
        assert [*pool.map(work, range(THREADS))] == [ROUNDS] * THREADS


# --- what ends elsewhere ---


@POWER
def test_generator_closed_elsewhere() -> None:
    """A generator that another thread closes moves neither: its own comes home."""

    def suspended() -> Generator[tuple[int, int], None, None]:
        with uts:
            yield own("uts")

    with closing(Namespace.new("uts")) as uts, ThreadPoolExecutor(1) as pool:
        home, inside = pool.submit(own, "uts").result(), identity(uts.fileno())
        generator = suspended()
        assert next(generator) == inside

        def close() -> tuple[int, int]:
            with pytest.raises(RuntimeError, match="on the thread that entered"):
                generator.close()
            return own("uts")

        assert pool.submit(close).result() == home
        assert own("uts") == inside
        uts.__exit__(None, None, None)
        assert own("uts") == home


@POWER
def test_hooks_are_left_alone() -> None:
    """Who traces and profiles, and is told of exceptions, is so in and after a body."""

    def hook(*_: object) -> None:
        return None

    places = (sys.gettrace, sys.getprofile, lambda: threading.excepthook)
    with closing(Namespace.new("uts")) as uts:
        trace, profile, except_hook = (place() for place in places)
        sys.settrace(hook)
        sys.setprofile(hook)
        threading.excepthook = hook
        try:
            with uts:
                seen = [place() for place in places]
            uts.call(int)
            later = [place() for place in places]
        finally:
            sys.settrace(trace)  # type: ignore[arg-type]
            sys.setprofile(profile)  # type: ignore[arg-type]
            threading.excepthook = except_hook  # type: ignore[assignment]
    assert seen == later == [hook] * 3


HOOKED = """
import threading, sys
from pynamespaces import NamespaceSet, _core
_core.away  # Which is imported for a call that fails.
told = []
sys.unraisablehook = lambda _: told.append("unraisable")
threading.excepthook = lambda _: told.append("of a thread")
with NamespaceSet.current("mnt"):
    pass

class Failing:
    def __del__(self):
        raise ValueError

Failing()
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
print(told)
"""


def test_hooks_that_were_set_meanwhile() -> None:
    """Who has set a hook since a call failed is told, also when mnt was entered."""
    assert run_python(HOOKED).stdout == "['unraisable', 'of a thread']\n"


ENDING = """
import threading, time
import pynamespaces
from pynamespaces import *
made = NamespaceSet.new(*TYPES)
here = Namespace.current("uts")
waiting = threading.Event()

def within():
    with here:
        begun.wait()
        waiting.wait()

def entering():
    begun.wait()
    while True:
        with here:
            pass

def scanning():
    begun.wait()
    while True:
        scan(["uts"])

def creating():
    begun.wait()
    while True:
        NamespaceSet.new(*TYPES).close()

def starting():
    begun.wait()
    while True:
        run(["true"], new=TYPES)

def calling():
    begun.wait()
    made.call(waiting.wait) if "user" not in TYPES else here.call(waiting.wait)

def tracing():
    with trace(command=["sleep", "60"], backend="notify") as events:
        begun.wait()
        events.read()

def waiting_for():
    process = Popen(["sh", "-c", "read x"], stdin=-1, new=TYPES)
    begun.wait()
    process.wait()

# From 3.12 on, who starts a thread at the end is told that it cannot.
threading.excepthook = int
deeds = (within, entering, scanning, creating, starting, calling, tracing, waiting_for)
begun = threading.Barrier(len(deeds) + 1)
for deed in deeds:
    threading.Thread(target=deed, daemon=True).start()
begun.wait(30)
print("end", flush=True)
"""


def test_daemons_at_the_end() -> None:
    """An interpreter ends as ever, whatever its daemon threads are at."""
    types = ("uts",) if os.geteuid() == 0 else ("user", "uts")
    for _ in range(2):
        assert run_python(f"TYPES = {types!r}\n{ENDING}").stdout == "end\n"
