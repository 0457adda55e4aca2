"""The init of a fresh pid namespace: it serves its program, and ends with it."""

import os
import signal
from contextlib import closing
from pathlib import Path
from subprocess import PIPE

import pytest
from starting import (
    INIT,
    LIMIT,
    Ours,
    children_of,
    eventually,
    has_ended,
    living,
    makable,
    program_of,
    read_line,
    running,
    said,
    unended,
)
from support import in_child

from pynamespaces import Popen, TypeLike, run

NEW = makable("pid")
ENDS = [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", -9)]
ENDS += [("kill -15 $$", -15), ("ulimit -c 0; kill -6 $$", -6), ("kill -1 $$", -1)]

kinds = pytest.mark.parametrize(
    "ours",
    [
        INIT,
        Ours(new=("user", "pid", "mnt")),
        Ours(new=(*NEW, "uts"), die_with_parent=True),
        Ours(new=("user", "pid"), caps="drop", no_new_privs=True),
    ],
    ids=["pid", "mnt", "with parent", "no caps"],
)


# --- who is who ---


def test_ids() -> None:
    """The init is the first process of the namespace, and the program's parent."""
    script = ["sh", "-c", "echo $$ $PPID"]
    own, parent = said(*script, **INIT).split()
    assert (own != "1", parent) == (True, "1")
    assert said(*script, new=NEW, init=True).split()[1] == "1"
    assert said(*script, new=NEW, init=False).split() == ["1", "0"]


@pytest.mark.parametrize("new", [("user", "pid"), ("user", "pid", "mnt")])
def test_has_no_directory(
    new: tuple[TypeLike, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The init has not the caller's directory, through which its program could go."""
    monkeypatch.chdir(tmp_path)
    with living(new=new, die_with_parent=True, cwd="/") as process:
        assert os.readlink(f"/proc/{process.pid}/cwd") == "/"
        # The guard, which nobody waits for to begin, is beside it.
        eventually(
            lambda: (
                {os.readlink(f"/proc/{pid}/cwd") for pid in children_of(os.getpid())}
                == {"/"}
            )
        )


def test_program_is_first() -> None:
    """Without an init the program is the first, and is whom one waits for."""
    with living(new=NEW, init=False) as process:
        assert children_of(process.pid) == []
        assert Path(f"/proc/{process.pid}/comm").read_text() == "cat\n"
        with closing(process.namespaces) as found:
            links = os.readlink(f"/proc/{process.pid}/ns/pid")
            assert str(found["pid"].id) == links != os.readlink("/proc/self/ns/pid")


def test_namespaces() -> None:
    """The namespaces are the program's, the fresh pid among them."""
    with living(new=makable("pid", "mnt", "net")) as process:
        with closing(process.namespaces) as found:
            pid = program_of(process)
            assert Path(f"/proc/{pid}/comm").read_text() == "cat\n"
            for type, namespace in found.items():
                assert os.readlink(f"/proc/{pid}/ns/{type}") == str(namespace.id)
            assert not found["pid"].is_current()


# --- how it ends ---


@kinds
@pytest.mark.parametrize(("script", "code"), ENDS)
def test_passes_the_end_on(ours: Ours, script: str, code: int) -> None:
    """An exit status and a death by a signal are told as they are."""
    assert run(["sh", "-c", script], **ours).returncode == code


def test_where_children_are_ignored() -> None:
    """So they are where the caller ignores what becomes of children."""

    def check() -> list[int]:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        return [run(["sh", "-c", script], **INIT).returncode for script, _ in ENDS]

    assert in_child(check) == [code for _, code in ENDS]


def test_where_children_are_reaped() -> None:
    """So they are where the caller has a handler for them, or blocks the signal."""

    def check() -> list[int]:
        seen: list[int] = []
        signal.signal(signal.SIGCHLD, lambda *_: seen.append(1))
        codes = [run(["sh", "-c", script], **INIT).returncode for script, _ in ENDS]
        assert seen
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        blocked = [run(["sh", "-c", s], **INIT).returncode for s, _ in ENDS[:3]]
        assert blocked == codes[:3]
        return codes

    assert in_child(check) == [code for _, code in ENDS]


@kinds
def test_ends_with_its_program(ours: Ours) -> None:
    """When the program ends, whatever else was in the namespace does."""
    # What it leaves behind holds the pipe, which ends all the same.
    command = ["sh", "-c", "sleep 1000 & echo ready; read x; exit 3"]
    with Popen(command, stdin=PIPE, stdout=PIPE, **ours) as process:
        assert read_line(process.stdout) == b"ready\n"
        (left,) = children_of(program_of(process))
        pidfd = os.pidfd_open(left)
        out, _ = process.communicate(b"\n", timeout=LIMIT)
    assert (out, process.returncode) == (b"", 3)
    assert has_ended(pidfd, wait=0)
    os.close(pidfd)


def test_kill_ends_all() -> None:
    """To kill it kills the program, and whatever that has started."""
    with running("sleep 1000 &") as process:
        program = program_of(process)
        pidfds = [os.pidfd_open(pid) for pid in (program, *children_of(program))]
        assert len(pidfds) == 2
        process.kill()
        assert process.wait(timeout=LIMIT) == -signal.SIGKILL
        assert all(has_ended(pidfd, wait=0) for pidfd in pidfds)
        for pidfd in pidfds:
            os.close(pidfd)


def test_killed_from_outside() -> None:
    """An init that somebody kills takes its program with it."""
    with unended() as nothing:
        with Popen(["cat"], stdin=nothing, **INIT) as process:
            pidfd = os.pidfd_open(program_of(process))
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait(timeout=LIMIT) == -signal.SIGKILL
            assert has_ended(pidfd, wait=0)
            os.close(pidfd)
