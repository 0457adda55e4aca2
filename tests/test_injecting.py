"""What makes system calls fail, does; and what is wrong then, is seen."""

import os
import signal
import time
from errno import EMFILE, ENOENT
from pathlib import Path

import pytest
from faulting import _judged, _once
from injecting import Fault, Switch, run_failing
from killing import reap_all
from operations import Attempt, Outcome
from provoking import libc

PR_SET_PDEATHSIG = 1


def outcome_of(body: object, fault: Fault | None, place: Path) -> Outcome:
    """Return what is made of an operation."""
    assert callable(body)
    return _judged(run_failing(_once(body, fault, place), fault), fault)


def pipes(attempt: Attempt) -> None:
    """Open something, twice, as it should be done."""
    with attempt.failing(OSError) as stack:
        for _ in range(2):
            for fd in os.pipe():
                stack.callback(os.close, fd)


def test_calls_are_counted() -> None:
    """Those of the body are, and no others."""

    def two(switch: Switch) -> None:
        os.close(os.dup(0))
        with switch.on():
            os.close(os.dup(0))
            with switch.off():
                os.close(os.dup(0))
            os.close(os.dup(0))

    run = run_failing(two)
    assert {name: n for name, n in run.calls.items() if name[:3] in ("dup", "fcn")} in (
        {"dup": 2},
        {"fcntl": 2},
    )
    assert (run.status, run.left) == (0, False)


@pytest.mark.parametrize("index", [0, 1])
def test_one_fails(index: int, tmp_path: Path) -> None:
    """That call fails, by that errno, and no other does."""
    found = outcome_of(pipes, Fault("pipe2", index, EMFILE), tmp_path)
    assert found == Outcome("OSError", EMFILE, found.text, ())


def test_none_fails(tmp_path: Path) -> None:
    """Without a fault it works, and one that is not reached is told."""
    assert outcome_of(pipes, None, tmp_path).kind == "worked"
    late = outcome_of(pipes, Fault("pipe2", 2, EMFILE), tmp_path)
    assert late.kind == "not reached"


def leak(attempt: Attempt) -> None:
    """Leave a descriptor open."""
    with attempt.failing(OSError):
        os.open("/", os.O_RDONLY)
        os.pipe()


def file(attempt: Attempt) -> None:
    """Leave a half-made file."""
    with attempt.failing(OSError):
        (attempt.place / "half-made").touch()
        os.pipe()


def foreign(attempt: Attempt) -> None:
    """Let an error out that is not this package's."""
    with attempt.failing():
        os.pipe()


def child(attempt: Attempt) -> None:
    """Leave a process."""
    with attempt.failing(OSError):
        if os.fork() == 0:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            time.sleep(60)
        os.pipe()


def cwd(attempt: Attempt) -> None:
    """Be somewhere else afterwards."""
    with attempt.failing(OSError):
        os.chdir("/proc")
        os.pipe()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (leak, "descriptors"),
        (file, "half-made"),
        (foreign, "raised OSError"),
        (child, "children"),
        (cwd, "root and cwd"),
    ],
)
def test_what_is_left_is_seen(
    body: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an operation leaves behind when a call fails is found."""
    monkeypatch.setattr("leavings.SETTLE", 0.05)
    found = outcome_of(body, Fault("pipe2", 0, EMFILE), tmp_path)
    # Who runs the tests may be the init that such a child comes to.
    reap_all()
    assert found.errno == EMFILE
    assert said in str(found.wrong)


def test_death_is_seen(tmp_path: Path) -> None:
    """A process that dies of it is no success."""

    def die(attempt: Attempt) -> None:
        with attempt.failing():
            if not os.path.exists("/"):
                os.abort()

    found = outcome_of(die, Fault("newfstatat", 0, ENOENT), tmp_path)
    assert (found.kind, bool(found.wrong)) == ("died", True)
