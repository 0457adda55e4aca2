"""Streams and descriptors of a program: as the standard library's `Popen` has them."""

import fcntl
import os
import subprocess
import sys
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import pytest
from starting import LIMIT, OURS, WAYS, Ours, unended
from support import in_child

from pynamespaces import Popen, run

PIPE, DEVNULL, STDOUT = subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT
BOTH = ["sh", "-c", "cat; echo err >&2"]
LIST = """
import os
for name in os.listdir("/proc/self/fd"):
    try:
        print(name, os.readlink("/proc/self/fd/" + name))
    except FileNotFoundError:
        pass
"""


def inherited(
    *, close_fds: bool = True, pass_fds: tuple[int, ...] = (), **ours: object
) -> dict[int, str]:
    """Return the descriptors of a program, but for its standard streams."""
    done = run(
        [sys.executable, "-I", "-S", "-c", LIST],
        close_fds=close_fds,
        pass_fds=pass_fds,
        stdout=PIPE,
        text=True,
        check=True,
        **ours,  # type: ignore[call-overload]
    )
    found = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    return {int(n): target for n, target in found.items() if int(n) > 2}


# --- streams ---


@WAYS
def test_pipes(ours: Ours) -> None:
    """All three streams can be pipes, of bytes."""
    with Popen(BOTH, stdin=PIPE, stdout=PIPE, stderr=PIPE, **ours) as process:
        assert process.communicate(b"in\xff") == (b"in\xff", b"err\n")


@WAYS
def test_streams_by_hand(ours: Ours) -> None:
    """What is written is answered at once."""
    with Popen(["cat"], stdin=PIPE, stdout=PIPE, bufsize=0, **ours) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in (b"one\n", b"two\n"):
            process.stdin.write(word)
            assert process.stdout.read(len(word)) == word


@WAYS
def test_text(ours: Ours) -> None:
    """Texts are written and read in the encoding that was asked for."""
    command = ["sh", "-c", "cat; printf '\\351'"]
    done = run(command, input="ö", stdout=PIPE, encoding="latin-1", **ours)
    assert done.stdout == "öé"
    done = run(
        command, input="ö", stdout=PIPE, encoding="utf-8", errors="replace", **ours
    )
    assert done.stdout == "ö\ufffd"
    lines = ["printf", "a\\r\\nb\\r"]
    assert run(lines, stdout=PIPE, text=True, **ours).stdout == "a\nb\n"
    assert run(lines, stdout=PIPE, universal_newlines=True, **ours).stdout == "a\nb\n"


@WAYS
def test_line_buffered(ours: Ours) -> None:
    """A text stream passes on each line, if so asked for."""
    with Popen(
        ["cat"], stdin=PIPE, stdout=PIPE, text=True, bufsize=1, **ours
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("line\n")
        assert process.stdout.readline() == "line\n"


@WAYS
def test_nowhere_and_together(ours: Ours) -> None:
    """Streams can lead nowhere, and both outputs to one place."""
    command = ["sh", "-c", "cat; echo out; echo err >&2"]
    done = run(command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, **ours)
    assert done.stdout == b"out\nerr\n"
    assert done.stderr is None
    done = run(command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, **ours)
    assert (done.stdout, done.stderr) == (None, b"err\n")


@WAYS
def test_files(ours: Ours, tmp_path: Path) -> None:
    """Streams can be files, given as objects or as descriptors."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"text\n")
    with source.open("rb") as reader, target.open("wb") as writer:
        run(BOTH, stdin=reader, stdout=writer.fileno(), stderr=STDOUT, **ours)
    assert target.read_bytes() == b"text\nerr\n"


@WAYS
def test_much(ours: Ours) -> None:
    """More than pipes hold goes through, both ways at once."""
    much = os.urandom(1 << 20)
    assert run(["cat"], input=much, stdout=PIPE, timeout=LIMIT, **ours).stdout == much
    both = ["sh", "-c", "tee /dev/stderr"]
    done = run(both, input=much, capture_output=True, timeout=LIMIT, **ours)
    assert (done.stdout, done.stderr) == (much, much)


@WAYS
def test_pipesize(ours: Ours) -> None:
    """Pipes are as large as was asked for."""
    with Popen(["cat"], stdin=PIPE, stdout=PIPE, pipesize=4096, **ours) as process:
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            assert fcntl.fcntl(stream, fcntl.F_GETPIPE_SZ) == 4096


@WAYS
def test_reader_has_gone(ours: Ours) -> None:
    """Who writes to a program that has ended is told so."""
    with Popen(["true"], stdin=PIPE, **ours) as process:
        process.wait()
        assert process.stdin is not None
        with pytest.raises(BrokenPipeError):
            os.write(process.stdin.fileno(), b"x")


# --- descriptors ---


@WAYS
def test_none_by_default(ours: Ours) -> None:
    """A program inherits nothing but its streams, whatever is inheritable."""
    with unended() as reader:
        os.set_inheritable(reader, True)
        found = inherited(**ours)
    # Its own directory, which is being listed, is not there any more.
    assert found == {}


@WAYS
def test_what_is_inheritable(ours: Ours) -> None:
    """Without closing, a program inherits what is inheritable, and nothing of ours."""
    with unended() as reader, unended() as other:
        os.set_inheritable(reader, True)
        expected = inherited(close_fds=False)
        assert inherited(close_fds=False, **ours) == expected
        assert reader in expected
        assert other not in expected


@WAYS
def test_passed(ours: Ours) -> None:
    """What is passed on has its number, and stays uninheritable here."""
    with unended() as first, unended() as second:
        high = fcntl.fcntl(second, fcntl.F_DUPFD_CLOEXEC, 200)
        expected = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in (first, high)}
        assert inherited(pass_fds=(first, high), **ours) == expected
        assert not os.get_inheritable(first)
        assert not os.get_inheritable(high)
        os.close(high)


@OURS
def test_passed_streams(ours: Ours) -> None:
    """A standard stream that is passed on as well stays what it is."""
    with unended() as reader:
        assert inherited(pass_fds=(0, 1, 2, reader), **ours).keys() == {reader}


@OURS
@pytest.mark.parametrize(
    "closed", [fds for n in (1, 2, 3) for fds in combinations(range(3), n)], ids=str
)
def test_closed_streams(ours: Ours, closed: tuple[int, ...]) -> None:
    """Where the caller has closed its own streams, those of programs are right."""

    def check() -> tuple[object, ...]:
        for fd in closed:
            os.close(fd)
        done = run(BOTH, input=b"in", capture_output=True, **ours)
        missing = run(BOTH, stdin=DEVNULL, stderr=PIPE, stdout=DEVNULL, **ours)
        with suppress(FileNotFoundError):
            Popen(["/no/such/program"], stdin=PIPE, stdout=PIPE, **ours)
        left = [fd for fd in range(3) if os.path.exists(f"/proc/self/fd/{fd}")]
        return done.stdout, done.stderr, missing.stderr, left

    left = [fd for fd in range(3) if fd not in closed]
    assert in_child(check) == (b"in", b"err\n", b"err\n", left)


@OURS
@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1)], ids=str)
def test_swapped_streams(
    ours: Ours, order: tuple[int, int, int], tmp_path: Path
) -> None:
    """A caller's stream can be any other stream of the program's."""
    stdin, stdout, stderr = order
    (tmp_path / "in").write_bytes(b"in")

    def check() -> None:
        for fd, name in zip(order, ("in", "out", "err"), strict=True):
            # Truncates nothing that is there.
            opened = os.open(tmp_path / name, os.O_RDWR | os.O_CREAT)
            os.dup2(opened, fd, inheritable=False)
            os.close(opened)
        run(BOTH, stdin=stdin, stdout=stdout, stderr=stderr, **ours)

    in_child(check)
    assert (tmp_path / "out").read_bytes() == b"in"
    assert (tmp_path / "err").read_bytes() == b"err\n"


@OURS
def test_no_pipes_of_others(ours: Ours) -> None:
    """A program does not hold the pipes of one that was started before it."""
    with Popen(["cat"], stdin=PIPE, stdout=PIPE, **ours) as first:
        with Popen(["cat"], stdin=PIPE, stdout=PIPE, close_fds=False, **ours):
            assert first.stdin is not None
            first.stdin.close()
            assert first.wait(timeout=LIMIT) == 0
