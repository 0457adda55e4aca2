"""Many programs at once, from many threads, interrupted, and often."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from subprocess import PIPE

import pytest
from creating import children, descriptors
from provoking import libc
from starting import LIMIT, OURS, POWER, WAYS, Ours, links, makable, members, said
from support import in_child, own_all, run_python, status_field
from targets import fresh, holder

from pynamespaces import Namespace, Popen, TypeLike, run

COUNT = int(os.environ.get("PYNAMESPACES_SPAWNS", "100"))
ROUNDS = max(COUNT // 30, 3)
THREADS = 8
PR_GET_DUMPABLE = 3


def at_once(functions: list[Callable[[], None]]) -> None:
    """Run functions in threads that start together, each several times."""
    ready = threading.Barrier(len(functions))

    def several(function: Callable[[], None]) -> None:
        ready.wait(LIMIT)
        for _ in range(ROUNDS):
            function()

    with ThreadPoolExecutor(len(functions)) as pool:
        for done in [pool.submit(several, function) for function in functions]:
            done.result()


def test_each_its_own() -> None:
    """Threads that start programs at once each have what they asked for."""
    before = libc.prctl(PR_GET_DUMPABLE), os.getcwd(), status_field("SigBlk")

    def named(number: int) -> None:
        mine = own_all()
        name, folder = f"thread-{number}", ("/", "/proc")[number % 2]
        types: list[TypeLike] = ["user", "uts", "pid", "net"]
        script = "uname -n; pwd; exec readlink /proc/self/ns/uts"
        command = ["sh", "-c", script]
        found = said(
            *command, new=types[: 2 + number % 3], hostname=name, cwd=folder
        ).split()
        assert found[:2] == [name, folder]
        assert found[2] != mine["uts"]
        assert own_all() == mine

    at_once([partial(named, number) for number in range(THREADS)])
    after = libc.prctl(PR_GET_DUMPABLE), os.getcwd(), status_field("SigBlk")
    assert after == before


def join(namespace: Namespace, new: TypeLike) -> None:
    """Join and make, and check that it has come true."""
    found = links(join=namespace, new=new)
    assert found[namespace.type] == str(namespace.id)
    assert found[new] not in own_all().values()


def enter(namespace: Namespace) -> None:
    """Start from where the thread has entered, and check that it does."""
    with namespace:
        assert links(new="ipc")[namespace.type] == str(namespace.id)


@POWER
def test_each_joins_its_own() -> None:
    """So do threads that join, or have entered, different namespaces."""
    pairs: list[tuple[TypeLike, TypeLike]] = [("uts", "net"), ("net", "uts")]
    pairs += [("time", "mnt"), ("pid", "ipc"), ("mnt", "pid")]
    with ExitStack() as stack:
        functions: list[Callable[[], None]] = [
            partial(join, stack.enter_context(fresh(type)), new) for type, new in pairs
        ]
        functions += [
            partial(enter, stack.enter_context(fresh(type)))
            for type in ("uts", "net", "cgroup")
        ]
        at_once(functions)


def test_all_ways_at_once() -> None:
    """Programs with pipes, inits, users and failures do not disturb each other."""
    much = os.urandom(1 << 17)

    def echo(ours: Ours) -> None:
        done = run(["cat"], input=much, stdout=PIPE, timeout=LIMIT, **ours)
        assert (done.stdout, done.returncode) == (much, 0)

    def fail() -> None:
        with pytest.raises(FileNotFoundError):
            Popen(["/no/such"], stdin=PIPE, stdout=PIPE, new=makable("uts"))

    def end(code: int) -> None:
        command = ["sh", "-c", f"exit {code}"]
        assert run(command, new=("user", "pid")).returncode == code

    with holder("user", "time") as pid, members(pid, "user", "time") as target:
        ways = [Ours(), Ours(new=makable("uts")), Ours(new=makable("pid"))]
        ways += [Ours(join=target), Ours(new=("user", "time", "net"))]
        functions: list[Callable[[], None]] = [
            *(partial(echo, way) for way in ways),
            fail,
            partial(end, 7),
            partial(end, 8),
        ]
        at_once(functions)


@WAYS
def test_inputs_end(ours: Ours) -> None:
    """No program holds the pipe of one that was started at the same time."""
    with ThreadPoolExecutor(THREADS) as pool:

        def start(_: int) -> Popen[bytes]:
            return Popen(["cat"], stdin=PIPE, stdout=PIPE, **ours)

        processes = list(pool.map(start, range(THREADS)))
        for process in processes:
            assert process.communicate(timeout=LIMIT)[0] == b""
            assert process.returncode == 0


# --- interrupted ---

STORM = """
import gc, os, random, select, signal, subprocess, sys, warnings
from pynamespaces import Popen, run
warnings.simplefilter("ignore")
rounds = int(sys.argv[2])
ours = {"new": sys.argv[1].split(","), "die_with_parent": sys.argv[3] == "guarded"}

def state():
    gc.collect()
    subprocess._cleanup()
    children = open("/proc/thread-self/children").read().split()
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(name + " " + os.readlink("/proc/self/fd/" + name))
        except FileNotFoundError:
            pass  # It is the directory that was being listed.
    return sorted(found), children

def interrupt(*_):
    raise KeyboardInterrupt

def start(number):
    # Without streams, which the standard library itself may lose.
    if number % 3:
        run(["true"], **ours)
    else:
        with Popen(["true"], **ours) as process:
            process.wait()

run(["true"], **ours)
sys.unraisablehook = lambda _: None
before = state()
signal.signal(signal.SIGINT, interrupt)
signal.signal(signal.SIGALRM, interrupt)
interrupted = done = 0
span = 6e-3
for number in range(rounds):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, span))
        start(number)
        signal.setitimer(signal.ITIMER_REAL, 0)
        done += 1
        span *= 0.95
    except KeyboardInterrupt:
        interrupted += 1
        # However slow the machine is, some come to their end.
        span *= 1.05
signal.setitimer(signal.ITIMER_REAL, 0)
# What was let go while it ran ends by itself.
for _ in range(100):
    after = state()
    if after == before:
        break
    select.select([], [], [], 0.005)
print(interrupted > rounds / 20, done > rounds / 20, before == after)
print(before, after, interrupted, done)
"""


@pytest.mark.parametrize(
    "types", [makable("uts"), ("user", "uts"), makable("pid"), ("user", "pid", "net")]
)
@pytest.mark.parametrize("guard", ["unguarded", "guarded"])
def test_interrupted(types: tuple[str, ...], guard: str) -> None:
    """Interrupts at any moment leave no process and no descriptor behind."""
    done = run_python(STORM, ",".join(types), str(COUNT // 2), guard)
    assert done.stdout.split()[:3] == ["True", "True", "True"], done.stdout


# --- often ---


@OURS
@pytest.mark.parametrize("program", ["true", "/no/such"])
def test_often(ours: Ours, program: str) -> None:
    """However often it is done, nothing is left."""

    def check() -> tuple[object, object, int]:
        def once() -> None:
            try:
                run([program], **ours)
            except FileNotFoundError:
                assert program != "true"

        def size() -> int:
            pages = Path("/proc/self/statm").read_text().split()[1]
            return int(pages) * 4096

        for _ in range(20):
            once()
        before, start = (descriptors(), children()), size()
        for _ in range(COUNT):
            once()
        return before, (descriptors(), children()), size() - start

    before, after, grown = in_child(check)
    assert after == before
    assert grown < 1 << 20
