"""Calling a function elsewhere, where somebody means ill."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from births import BIRTHS, Birth
from calling import dumpable
from starting import ROOT, fresh_proc, orphans_reaped

from pynamespaces import CallError, IdMap, NamespaceSet, Popen, TypeLike

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
        if grep -qE 'python|pytest' $folder/comm 2>/dev/null; then
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
        if grep -qE 'python|pytest' $folder/comm 2>/dev/null; then
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
