"""`get_context`: a process lives, ends and is asked as `multiprocessing` has it."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import ProcessError, active_children
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext, SpawnProcess
from pathlib import Path

import pytest
import telling
import working
from contexts import TWO, ran
from starting import OURS, Ours, new_of, orphans_reaped
from support import run_python
from working import LIMIT, links

from pynamespaces import get_context
from pynamespaces.workers.processes import NamespaceContext

pytestmark = pytest.mark.usefixtures("tracked", "collected")

CODES = (0, 1, 255, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGUSR1)


@contextmanager
def staying(
    context: NamespaceContext, target: object = working.wait_for_end
) -> Iterator[SpawnProcess]:
    """Have a process that stays until the body ends, and is ready."""
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=[theirs])  # type: ignore[arg-type]
    process.start()
    with ours, theirs:
        assert ours.poll(LIMIT)
        assert ours.recv() == "ready"
        yield process
    process.join(LIMIT)
    assert not process.is_alive()


def test_is_of_multiprocessing() -> None:
    """It is a context as the others, and the default one stays what it was."""
    before = multiprocessing.get_start_method(allow_none=True)
    context = get_context()
    assert isinstance(context, BaseContext)
    assert context.get_start_method() == "spawn"
    assert issubclass(context.Process, multiprocessing.process.BaseProcess)
    assert multiprocessing.get_start_method(allow_none=True) == before
    assert context.Process is not get_context().Process
    assert (context.ProcessError, context.cpu_count()) == (ProcessError, os.cpu_count())


def test_of_nothing() -> None:
    """Without any namespaces it starts processes where the caller is."""
    context = get_context()
    with context.Pool(1) as pool:
        assert pool.apply(links) == links()
    assert ran(context.Process(target=working.end, args=[7])) == 7


@OURS
def test_exitcode(ours: Ours) -> None:
    """A status comes back as it is, a signal as a negative number."""
    context = get_context(**ours)
    processes = [context.Process(target=working.end, args=[code]) for code in CODES]
    assert [process.exitcode for process in processes] == [None] * len(CODES)
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT)
    assert [process.exitcode for process in processes] == [*CODES]


@TWO
def test_exception(ours: Ours, capfd: pytest.CaptureFixture[str]) -> None:
    """What a target raises is written down, and the process ends with 1."""
    context = get_context(**ours)
    assert ran(context.Process(target=working.divide, args=[0])) == 1
    assert "ZeroDivisionError" in capfd.readouterr().err


@TWO
def test_life(ours: Ours) -> None:
    """A process is alive until it has ended, which its sentinel tells."""
    context = get_context(**ours)
    with staying(context) as process:
        assert process.is_alive()
        assert process.exitcode is None
        assert process.pid is not None
        assert process.pid == process.ident
        assert process in active_children()
        process.join(timeout=0.01)
        assert process.is_alive()
        assert wait([process.sentinel], 0) == []
        with pytest.raises(ValueError, match="still running"):
            process.close()
    assert wait([process.sentinel], LIMIT) == [process.sentinel]
    assert process.exitcode == 0
    assert process not in active_children()
    process.close()
    with pytest.raises(ValueError, match="closed"):
        process.is_alive()


@TWO
def test_terminate_and_kill(ours: Ours) -> None:
    """Both end a process, and it tells by which signal it was ended."""
    context = get_context(**ours)
    with staying(context) as process:
        process.terminate()
        process.join(LIMIT)
        assert process.exitcode == -signal.SIGTERM
        process.terminate()
        process.kill()
    with staying(context, working.ignore_sigterm) as process:
        process.terminate()
        process.kill()
        process.join(LIMIT)
        assert process.exitcode == -signal.SIGKILL


@TWO
def test_terminate_at_once(ours: Ours) -> None:
    """A process that is ended before it has begun is ended."""
    process = get_context(**ours).Process(target=working.wait_for_end, args=[None])
    process.start()
    process.terminate()
    process.join(LIMIT)
    assert process.exitcode == -signal.SIGTERM


@TWO
def test_who_it_is(ours: Ours) -> None:
    """A process has its name, its parent, and what it was given."""
    context = get_context(**ours)
    reader, writer = context.Pipe(duplex=False)
    args = [writer, telling.parent_is_alive]
    process = context.Process(None, telling.tell, "somebody", args, daemon=True)
    assert (process.name, process.daemon) == ("somebody", True)
    assert "initial" in repr(process)
    assert ran(process) == 0
    assert reader.recv() is True
    assert "stopped exitcode=0" in repr(process)
    with reader, writer, pytest.raises(AssertionError, match="twice"):
        process.start()


def test_subclass() -> None:
    """A class of the user's that is one of a context's processes is itself inside."""
    reader, writer = telling.CONTEXT.Pipe(duplex=False)
    with reader, writer:
        worker = telling.Worker(writer, "bee")
        assert ran(worker) == 0
        assert reader.recv() == ("Worker", "worker-bee", "bee", "of-a-class")


@TWO
def test_child_of_its_own(ours: Ours) -> None:
    """What a process starts in the usual way is where it is itself."""
    context = get_context(**ours)
    reader, writer = context.Pipe(duplex=False)
    with reader, writer:
        process = context.Process(
            target=telling.tell, args=[writer, telling.links_of_child]
        )
        assert ran(process) == 0
        found = reader.recv()
    assert working.differing(links(), found) == {*new_of(ours)}


MAIN = """
from pynamespaces import get_context

def next_to(number):
    return __name__, number + 1

if __name__ == "__main__":
    with get_context(new=("user", "uts")).Pool(1) as pool:
        print(*pool.apply(next_to, [6]))
"""


def test_main_module(tmp_path: Path) -> None:
    """A process finds what is of the main module, which it imports by its file."""
    path = tmp_path / "main.py"
    path.write_text(MAIN)
    with orphans_reaped():
        said = subprocess.check_output([sys.executable, path], text=True, timeout=LIMIT)
    assert said == "__mp_main__ 7\n"


@pytest.mark.parametrize("daemon", [True, False])
def test_end_of_the_interpreter(daemon: bool) -> None:
    """At its end an interpreter ends its daemons, and waits for the others."""
    code = f"""
import os, sys, time
from pynamespaces import get_context

context = get_context(new=("user", "pid"))
reader, writer = context.Pipe(duplex=False)
seconds = 100 if {daemon} else 0
process = context.Process(target=time.sleep, args=[seconds], daemon={daemon})
process.start()
print(process.pid)
"""
    with orphans_reaped():
        done = run_python(code)
        assert done.stderr == ""
        with pytest.raises(ProcessLookupError):
            os.kill(int(done.stdout), 0)
