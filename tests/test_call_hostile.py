"""Calling a function elsewhere, where somebody means ill, or it does something odd."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from calling import BIRTHS, Birth
from provoking import libc
from starting import POWER, ROOT, fresh_proc, orphans_reaped
from support import run_python

from pynamespaces import CallError, IdMap, Namespace, NamespaceSet, Popen, TypeLike

PR_GET_DUMPABLE = 3
OTHERS = IdMap([(0, 100000, 1000)])


@contextmanager
def target(*new: TypeLike, script: str = "", **more: object) -> Iterator[NamespaceSet]:
    """Have a shell that is elsewhere, and has run a script."""
    command = ["sh", "-ec", f"{script}\necho ready; exec cat"]
    with Popen(  # type: ignore[call-overload]
        command, new=new, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more
    ) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            with closing(process.namespaces) as made:
                yield made
        finally:
            process.kill()


def dumpable() -> int:
    """Return whether others may look into this process."""
    return int(libc.prctl(PR_GET_DUMPABLE))


@BIRTHS
@pytest.mark.parametrize("new", [("user",), ("user", "pid")])
def test_memory_is_hidden(new: tuple[TypeLike, ...], birth: Birth) -> None:
    """Where others have power over a process, they cannot look into its memory."""
    with target(*new) as made, birth():
        assert made.call(dumpable) == 0
    assert dumpable() == 1


LOOK = """
for turn in $(seq 3000); do
    for folder in /proc/[0-9]*; do
        if grep -q python $folder/comm 2>/dev/null; then
            for name in environ maps mem; do
                if head -c 1 $folder/$name >/dev/null 2>&1
                then echo may read $name; exec sleep 60; fi
            done
            echo nothing may be read; exec sleep 60
        fi
    done
done
"""


@ROOT
def test_root_of_the_target() -> None:
    """The root of a user namespace sees the process, and can read nothing of it."""
    fresh_proc()
    with Popen(
        ["sh", "-c", f"echo ready\n{LOOK}"],
        new=("user", "pid", "mnt"),
        uid_map=OTHERS,
        gid_map=OTHERS,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            with closing(process.namespaces) as made:
                made.call(time.sleep, 2)
            assert process.stdout.readline() == "nothing may be read\n"
        finally:
            process.kill()


STRIKE = """
for turn in $(seq 3000); do
    for folder in /proc/[0-9]*; do
        if grep -q python $folder/comm 2>/dev/null; then
            kill -%s ${folder#/proc/}; sleep 60
        fi
    done
done
"""


@ROOT
@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_signals_of_the_target(name: str) -> None:
    """What the target's root sends ends the function; it is no interrupt here."""
    fresh_proc()
    number = signal.Signals[f"SIG{name}"]
    handled: list[int] = []
    before = signal.signal(number, lambda *_: handled.append(os.getpid()))
    try:
        with Popen(
            ["sh", "-c", STRIKE % name],
            new=("user", "pid", "mnt"),
            uid_map=OTHERS,
            gid_map=OTHERS,
        ) as process:
            try:
                with closing(process.namespaces) as made:
                    assert ended(made) == -number
            finally:
                process.kill()
    finally:
        signal.signal(number, before)
    assert handled == []


def ended(made: NamespaceSet) -> object:
    """Return the exit status of a process that was to sleep."""
    try:
        return made.call(time.sleep, 30)
    except CallError as error:
        return error.exitcode


@ROOT
@pytest.mark.parametrize("new", [("user",), ("user", "pid"), ("user", "uts")])
def test_ends_with_the_caller(new: tuple[TypeLike, ...]) -> None:
    """Also as somebody else, a process is killed when the one that called is."""
    reader, writer = os.pipe()

    def tell_and_sleep() -> None:
        os.write(writer, b"inside")
        time.sleep(60)

    with target(*new, uid_map=OTHERS, gid_map=OTHERS) as made, orphans_reaped():
        caller = os.fork()
        if caller == 0:
            os.close(reader)
            made.call(tell_and_sleep)
            os._exit(0)
        os.close(writer)
        assert os.read(reader, 6) == b"inside"
        os.kill(caller, signal.SIGKILL)
        os.waitpid(caller, 0)
        # All that had the other end are gone.
        assert os.read(reader, 1) == b""
    os.close(reader)


PLANT = """
mount -t tmpfs none {folder}
mkfifo {path}
"""

RAISE = """
import logging, os, sys, threading
from pynamespaces import Namespace, ThreadPoolExecutor, get_context

def fail():
    raise ValueError("boom")

def log():
    try:
        fail()
    except ValueError:
        logging.exception("as it happens")
    return "logged"

def main():
    mnt = Namespace.from_pid(int(sys.argv[1]), "mnt")
    print(mnt.call(log))
    for how in ("thread", "process"):
        try:
            mnt.call(fail, how=how)
        except ValueError as error:
            print(error)
    with ThreadPoolExecutor(mnt, 1, initializer=fail) as pool:
        print(type(pool.submit(len, "a").exception(20)).__name__)
    end = threading.Event()
    threading.Thread(target=end.wait).start()
    try:
        mnt.call(fail, how="process")
    except ValueError as error:
        print(error)
    end.set()
    process = get_context(join=mnt).Process(target=fail)
    process.start()
    process.join(20)
    print(process.exitcode)

if __name__ == "__main__":
    main()
"""


@POWER
def test_sources_of_the_target(tmp_path: Path) -> None:
    """A traceback is made without reading what the target has in place of sources."""
    path = tmp_path / "raising.py"
    path.write_text(RAISE)
    script = PLANT.format(folder=tmp_path, path=path)
    new: tuple[TypeLike, ...] = ("mnt",)
    command = ["sh", "-ec", f"{script}\necho ready; exec cat"]
    pipe = subprocess.PIPE
    with orphans_reaped(), Popen(command, new=new, stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            done = subprocess.run(
                [sys.executable, str(path), str(process.pid)],
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
        finally:
            process.kill()
    assert done.stdout.splitlines() == [
        *("logged", "boom", "boom", "BrokenThreadPool", "boom", "1"),
    ], done.stderr


def test_sigpipe() -> None:
    """A process that is gone before it is told what to do does not take its caller."""
    code = """
import os, signal, sys, threading
from pynamespaces import CallError, Namespace
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
end = threading.Event()
threading.Thread(target=end.wait).start()
sys.path.insert(0, "/dev/null")
import multiprocessing
multiprocessing.set_executable("/bin/true")
try:
    Namespace.new("user").call(len, b"x" * 10_000_000)
except CallError as error:
    print(error.exitcode)
end.set()
"""
    assert run_python(code).stdout == "0\n"


UNGUARDED = """
import os, threading
from pynamespaces import Namespace

def called():
    os.write(int(os.environ["LOG"]), b"x")

if __name__ == "__main__":
    end = threading.Event()
    threading.Thread(target=end.wait, daemon=True).start()
try:
    Namespace.new("user").call(called)
except Exception as error:
    print(error)
"""


def test_unguarded_call(tmp_path: Path) -> None:
    """A main module that is imported by its own call does not call once more."""
    path = tmp_path / "unguarded.py"
    path.write_text(UNGUARDED)
    reader, writer = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**os.environ, "LOG": str(writer)},
            pass_fds=[writer],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        os.set_blocking(reader, False)
        os.write(writer, b".")
        assert os.read(reader, 10) in (b".", b"x.")
    finally:
        os.close(reader)
        os.close(writer)
    assert "__main__" in done.stdout


@BIRTHS
def test_function_that_forks(birth: Birth) -> None:
    """Where a function returns twice, its own process answers."""
    with closing(NamespaceSet.new("user", "uts")) as made, birth(), orphans_reaped():
        assert made.call(fork_and_wait) == "parent"


def fork_and_wait() -> str:
    """Return in two processes, the child first."""
    pid = os.fork()
    if pid == 0:
        return "child" * 100_000
    os.waitpid(pid, 0)
    return "parent"


@dataclass(frozen=True)
class FrozenError(Exception):
    """An error to which nothing can be assigned."""


def fail_frozen() -> None:
    """Raise it."""
    raise FrozenError


def test_frozen_exception() -> None:
    """An exception that refuses assignments arrives as itself, and has its cause."""
    with closing(Namespace.new("user")) as made:
        with pytest.raises(FrozenError) as caught:
            made.call(fail_frozen)
    assert "fail_frozen" in str(caught.value.__cause__)


def test_closed_descriptors() -> None:
    """A function that closes all descriptors has no answer, and hangs nobody."""
    with closing(NamespaceSet.new("user", "uts")) as made:
        with pytest.raises(CallError):
            made.call(os.closerange, 0, 1000)
