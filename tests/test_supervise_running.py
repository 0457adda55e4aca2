"""`supervise`: what becomes of the programs, and of who supervises them."""

import errno
import resource
import signal
from functools import partial
from pathlib import Path

import pytest
from creating import nothing_happens
from supervising import T, is_running, python, watched
from support import TIER, in_child, program

from pynamespaces import SpawnError
from pynamespaces.tracing import TraceEvent, UnshareEvent, supervise


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)]
)
def test_status(script: str, status: int) -> None:
    """What is returned is how the program ended, as of subprocess.call."""
    assert supervise(["sh", "-c", script]) == status
    assert supervise(["sh", "-c", script], on_event=print) == status


def test_callback_raises() -> None:
    """What the callback raises is raised, when the program has ended."""
    pids = []

    def refuse(event: TraceEvent) -> None:
        pids.append(event[1])
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        supervise([program("unshare"), "-Ur", "sleep", "100"], on_event=refuse)
    assert not is_running(pids[0])


def test_interrupt() -> None:
    """Ctrl-C ends the program too, and nothing of it is left."""
    pids = []

    def interrupt(event: TraceEvent) -> None:
        pids.append(event[1])
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        supervise([program("unshare"), "-Ur", "sleep", "100"], on_event=interrupt)
    assert not is_running(pids[0])


def test_missing_program() -> None:
    """A program that is not there is an error, with no supervisor left."""
    with nothing_happens(), pytest.raises(FileNotFoundError) as caught:
        supervise(["/nowhere/at/all"], on_event=print)
    assert isinstance(caught.value, SpawnError)
    assert caught.value.step == "execve"


def test_nesting() -> None:
    """Who is supervised cannot supervise, and is told why."""
    code = """
from pynamespaces.tracing._supervise import supervise
try:
    supervise(["true"])
except OSError as error:
    print(error.errno, error.step, error)
"""
    (words,) = watched(python(code)).lines()
    assert words[:2] == ["16", "supervise"]
    assert "nest" in " ".join(words)


def test_privileges() -> None:
    """The program can gain privileges where who starts it has them already."""
    done = watched(["grep", "NoNewPrivs", "/proc/self/status"])
    assert done.lines() == [["NoNewPrivs:", "1" if TIER == "plain" else "0"]]


@pytest.mark.parametrize("options", [{}, {"die_with_parent": True}])
def test_in_fresh_namespaces(options: dict[str, bool]) -> None:
    """A program below an init is supervised, and the init is not asked about."""
    command = [program("unshare"), "-u", "true"]
    fresh = {"new": ("user", "pid", "mnt"), **options}
    done = watched(command, **fresh)  # type: ignore[arg-type]
    assert done.status == 0
    (event,) = done.events
    assert isinstance(event, UnshareEvent)
    assert event.types == (T.UTS,)


def test_beside_others() -> None:
    """Two programs are supervised from two processes, each by its own."""

    def supervised() -> list[str]:
        return [type(e).__name__ for e in watched(["unshare", "-Ur", "true"]).events]

    program("unshare")
    assert in_child(supervised) == supervised() == ["UnshareEvent"]


@pytest.mark.parametrize("new", [(), ("user", "pid", "mnt")])
def test_few_descriptors(new: tuple[str, ...], tmp_path: Path) -> None:
    """Where descriptors run out the program has not begun, or else it is supervised."""

    def failure(limit: int) -> int:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        command = ["sh", "-c", ': >"$0"', str(tmp_path / "ran")]
        try:
            return supervise(command, new=new)  # type: ignore[arg-type]
        except OSError as error:
            return error.errno or 0

    tmp_path.chmod(0o777)
    limit = 3
    while number := in_child(partial(failure, limit)):
        assert number == errno.EMFILE
        assert not (tmp_path / "ran").exists()
        limit += 1
    assert limit > 3
