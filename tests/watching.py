"""What threads see and call: their namespaces, root, cwd; and other threads beside."""

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FunctionType
from typing import NamedTuple, Self, TypeVar

from support import in_child, missing, program, run_python

from pynamespaces import Namespace

T = TypeVar("T")

LINKS = tuple(sorted(os.listdir("/proc/self/ns")))


def link_of(type: str) -> str:
    """Return the link that changes when a thread enters."""
    return "pid_for_children" if type == "pid" else type


class Tasks:
    """The threads of this process, seen from whatever root the caller has by then."""

    def __init__(self) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        # By this /proc, wherever the caller is; its ids may be another namespace's.
        self._proc = os.open("/proc", flags)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._proc)

    def _own(self) -> str:
        return os.readlink("thread-self", dir_fd=self._proc)

    def _identity(self, path: str) -> tuple[int, int]:
        facts = os.stat(path, dir_fd=self._proc)
        return facts.st_dev, facts.st_ino

    def _place(self, path: str) -> tuple[str, int, int]:
        """Return the mount and the identity of a directory."""
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            facts = os.fstat(fd)
            path = f"{self._own()}/fdinfo/{fd}"
            with open(os.open(path, os.O_RDONLY, dir_fd=self._proc)) as info:
                mount = next(line for line in info if line.startswith("mnt_id:"))
        finally:
            os.close(fd)
        return mount.split()[1], facts.st_dev, facts.st_ino

    def _state(self, task: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for link in LINKS:
            try:
                found[link] = self._identity(f"{task}/ns/{link}")
            except FileNotFoundError:
                found[link] = "pending"
        found["root"] = self._place(f"{task}/root")
        found["cwd"] = self._place(f"{task}/cwd")
        return found

    def identity(self, link: str) -> tuple[int, int]:
        """Return the identity of a namespace of the calling thread."""
        return self._identity(f"{self._own()}/ns/{link}")

    def state(self) -> dict[str, object]:
        """Return namespaces, root and working directory of the calling thread."""
        return self._state(self._own())

    def others(self) -> dict[str, dict[str, object]]:
        """Return the state of every thread but the calling one."""
        tasks, mine = os.path.split(self._own())
        folder = os.open(tasks, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._proc)
        try:
            names = set(os.listdir(folder)) - {mine}
        finally:
            os.close(folder)
        found = {}
        for name in names:
            # A thread that was joined is there for a moment longer.
            with suppress(FileNotFoundError, ProcessLookupError):
                found[name] = self._state(f"{tasks}/{name}")
        return found


@contextmanager
def bystanders(count: int = 5) -> Iterator[None]:
    """Run threads that do nothing, besides the calling one."""
    over = threading.Event()
    started = threading.Barrier(count + 1)

    def stand() -> None:
        started.wait()
        over.wait()

    with ThreadPoolExecutor(max(count, 1)) as pool:
        waiting = [pool.submit(stand) for _ in range(count)]
        try:
            started.wait(10)
            yield
        finally:
            over.set()
    for stood in waiting:
        stood.result()


def in_worker(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own, among others."""
    with bystanders(5), ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def in_main_of_many(function: Callable[[], T]) -> T:
    """Run a function in the main thread of a child that has other threads."""

    def surrounded() -> T:
        with bystanders(5):
            return function()

    return in_child(surrounded)


@contextmanager
def unchanged() -> Iterator[None]:
    """Check that the body moves no thread of this process, and leaves no descriptor."""
    with Tasks() as tasks:
        # The library keeps a pidfd of each thread, from its first use on.
        Namespace.current("net").close()
        before, others = tasks.state(), tasks.others()
        descriptors = set(os.listdir("/proc/self/fd"))
        yield
        assert tasks.state() == before
        now = tasks.others()
        assert now == {name: others.get(name) for name in now}
        assert set(os.listdir("/proc/self/fd")) == descriptors


_FOLDER = Path(__file__).parent


class Traced(NamedTuple):
    """What a traced interpreter has printed, and its calls between its marks."""

    answer: object
    calls: list[list[str]]


def mark() -> None:
    """Divide the calls of a `traced` function, by one that means nothing."""
    os.getppid()


def traced(function: object, *args: str, inject: str = "") -> Traced:
    """
    Run a function of a module in an interpreter under strace.

    It gets strings and answers by something that JSON has. *inject* makes calls
    fail: ``setns:error=ENOMEM:when=2``.
    """
    assert isinstance(function, FunctionType)
    module = Path(function.__code__.co_filename).stem
    code = (
        f"import json, sys; from {module} import {function.__name__} as function;"
        "print(json.dumps(function(*sys.argv[1:])))"
    )
    search = os.pathsep.join([str(_FOLDER), os.environ.get("PYTHONPATH", "")])
    with tempfile.NamedTemporaryFile("r") as log:
        prefix = ["env", f"PYTHONPATH={search}", program("strace"), "-fqq"]
        # Only at these calls does the interpreter wait for strace.
        prefix.append("--seccomp-bpf")
        prefix += ["-o", log.name, "-e", "trace=setns,unshare,getppid"]
        if inject:
            prefix += ["-e", f"inject={inject}"]
        done = run_python(code, *args, prefix=prefix, check=False)
        lines = [line.split(maxsplit=1)[1].strip() for line in log]
    if "ptrace" in done.stderr:
        missing("strace", done.stderr)
    assert done.returncode == 0, done.stderr
    calls: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("getppid"):
            calls.append([])
        elif line.startswith(("setns", "unshare")):
            calls[-1].append(line)
    return Traced(json.loads(done.stdout), calls)


def moved(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Return the links that are not what they were."""
    return {name for name in before if before[name] != after[name]}


def linger(rounds: int, change: Callable[[], None]) -> None:
    """Do it right after a thread was joined, each time in a child of its own."""

    def once() -> None:
        for _ in range(4):
            thread = threading.Thread(target=os.getpid)
            thread.start()
            thread.join()
        change()

    for _ in range(rounds):
        in_child(once)
