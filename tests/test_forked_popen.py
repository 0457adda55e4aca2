"""Programs of a process that has forked: they are the parent's, and stay so."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest
from forking import LIMIT, WITH_THREADS, forked
from starting import POWER, has_ended, makable
from targets import fresh, here

from pynamespaces import Popen, TypeLike, run

pytestmark = [WITH_THREADS, pytest.mark.usefixtures("orphans")]

USES: dict[str, Callable[[Popen[bytes]], object]] = {
    "poll": Popen.poll,
    "wait": Popen.wait,
    "communicate": Popen.communicate,
    "leave": lambda process: process.__exit__(None, None, None),
    "kill": Popen.kill,
    "terminate": Popen.terminate,
}

NEW = pytest.mark.parametrize(
    "new", [makable("uts"), makable("pid")], ids=["program", "init"]
)


def waited_for(new: tuple[TypeLike, ...]) -> Popen[bytes]:
    """Start a program that waits for a line, and ends by a signal."""
    return Popen(
        ["sh", "-c", "read line; kill -9 $$"],
        stdin=subprocess.PIPE,
        new=new,
        die_with_parent=True,
    )


def let_end(process: Popen[bytes]) -> None:
    """Have it end, without reaping it."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert has_ended(process.pidfd)


@NEW
@pytest.mark.parametrize("use", USES)
def test_used_by_a_fork(new: tuple[TypeLike, ...], use: str) -> None:
    """Whatever a forked child does with a program, that goes on as its parent's."""
    with waited_for(new) as process:
        forked(lambda: USES[use](process) and None)
        assert process.poll() is None
        let_end(process)
        assert process.wait() == -signal.SIGKILL


@NEW
def test_status_is_the_parents(new: tuple[TypeLike, ...]) -> None:
    """A forked child that waits takes no word of the status from its parent."""
    with waited_for(new) as process:
        let_end(process)
        forked(process.wait)
        assert process.wait() == -signal.SIGKILL


@NEW
def test_forked_while_waited_for(new: tuple[TypeLike, ...]) -> None:
    """A child that was forked while a thread waited can wait and poll, too."""
    with waited_for(new) as process:
        lock = vars(process)["_lock"][1]
        waiter = threading.Thread(target=process.wait)
        waiter.start()
        while not lock.locked():
            os.sched_yield()
        answers = forked(lambda: (process.poll(), process.wait(), process.poll()))
        assert answers == (0, 0, 0)  # As of subprocess: whose child it is not.
        let_end(process)
        waiter.join()
        assert process.returncode == -signal.SIGKILL


def test_grandchild_starts_its_own() -> None:
    """A child of a child starts programs, waits for them, and leaves others alone."""

    def start() -> tuple[int, int | None]:
        done = run(["sh", "-c", "exit 7"], new=makable("uts"))
        return done.returncode, process.poll()

    with waited_for(makable("uts")) as process:
        assert forked(lambda: forked(start)) == (7, 0)
        assert process.poll() is None
        let_end(process)


# --- ways to fork, inside a body ---


def by_fork(function: Callable[[], None]) -> None:
    """Call it in a child by os.fork."""
    forked(function)


def by_forkpty(function: Callable[[], None]) -> None:
    """Call it in a child with a terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            signal.alarm(LIMIT)
            function()
            os._exit(0)
        finally:
            os._exit(1)
    with suppress(OSError), open(terminal, "rb") as file:
        file.read()  # Until nobody has the other side.
    assert os.waitpid(pid, 0)[1] == 0


def by_multiprocessing(function: Callable[[], None]) -> None:
    """Call it in a process that is forked."""
    process = get_context("fork").Process(target=function)
    process.start()
    process.join(LIMIT)
    assert process.exitcode == 0
    process.close()


def by_preexec_fn(function: Callable[[], None]) -> None:
    """Call it in a child that is about to be a program."""
    subprocess.run(["true"], preexec_fn=function, check=True, timeout=LIMIT)


@POWER
@pytest.mark.parametrize("type", ["net", "uts", "ipc"])
@pytest.mark.parametrize(
    "fork", [by_fork, by_forkpty, by_multiprocessing, by_preexec_fn]
)
def test_ways_to_fork_inside(
    fork: Callable[[Callable[[], None]], None], type: TypeLike
) -> None:
    """However a child is forked in a body, it is inside, leaves, and comes back in."""
    home = here(type)

    def leave() -> None:
        assert here(type) == inside
        namespace.__exit__(None, None, None)
        assert here(type) == home
        with namespace:
            assert here(type) == inside
        assert namespace.call(here, type) == inside
        assert here(type) == home

    with fresh(type) as namespace:
        with namespace:
            inside = here(type)
            fork(leave)
            assert here(type) == inside
        assert here(type) == home


STAYING = """
import multiprocessing, os, sys
from pynamespaces import unshared
def where():
    return os.readlink("/proc/self/ns/uts")
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with unshared("uts") as made:
        inside = str(made["uts"].id)
        with context.Pool(1) as pool:
            assert pool.apply(where) == inside
    with context.Pool(1) as pool:
        print(pool.apply(where) == inside, where() == inside)
"""


@POWER
@pytest.mark.parametrize(
    ("method", "stays"), [("fork", False), ("spawn", False), ("forkserver", True)]
)
def test_start_methods(method: str, stays: bool, tmp_path: Path) -> None:
    """A fork server that was started in a body stays inside, and what it starts."""
    script = tmp_path / "staying.py"
    script.write_text(STAYING)
    told = subprocess.check_output(
        [sys.executable, script, method], text=True, timeout=60
    )
    assert told == f"{stays} False\n"
