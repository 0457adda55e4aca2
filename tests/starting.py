"""What the tests of starting programs share: ways to start, and what programs tell."""

import errno
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final, TypedDict, Unpack

import pytest
from creating import children, descriptors, nothing_happens
from provoking import libc
from support import ALL_TYPES, TIER, missing, own_all, program, status_field
from targets import link
from test_switching_audit import Event, recorded

from pynamespaces import (
    IdMap,
    Namespace,
    NamespaceSet,
    Popen,
    SpawnError,
    TypeLike,
    run,
)

POWER = pytest.mark.tier("root", "userns")
ROOT = pytest.mark.tier("root")

LIMIT: Final = 30.0
"""After how many seconds a program that should have ended is a failure."""

TYPES: tuple[TypeLike, ...] = (
    *("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"),
)

PR_SET_CHILD_SUBREAPER = 36


class Ours(TypedDict, total=False):
    """What `Popen` takes that is not the standard library's."""

    join: Namespace | NamespaceSet | Iterable[Namespace] | None
    new: TypeLike | Iterable[TypeLike]
    uid_map: IdMap | None
    gid_map: IdMap | None
    time_offsets: Mapping[str, float] | None
    hostname: str | None
    loopback: bool
    mount_proc: bool
    init: bool | None
    die_with_parent: bool
    cgroup: str | os.PathLike[str] | int | None
    caps: Iterable[str] | None
    no_new_privs: bool


class Options(Ours, total=False):
    """The same, and what is."""

    cwd: str | os.PathLike[str] | None
    env: Mapping[str, str] | None
    user: str | int | None
    group: str | int | None
    extra_groups: Iterable[str | int] | None
    pass_fds: Sequence[int]
    start_new_session: bool


RANGES = IdMap([(0, 0, 1), (1, 100000, 65535)])

_ENGINES = [
    pytest.param(Ours(new="uts"), marks=POWER, id="uts"),
    pytest.param(Ours(new=("user", "uts")), id="user"),
    pytest.param(Ours(new=("user", "pid")), id="init"),
    pytest.param(
        Ours(new=("user", "uts"), uid_map=RANGES, gid_map=RANGES),
        marks=ROOT,
        id="ranges",
    ),
]
OURS = pytest.mark.parametrize("ours", _ENGINES)
"""The ways in which this library starts a program, as far as it chooses them."""

WAYS = pytest.mark.parametrize(
    "ours", [pytest.param(Ours(), id="subprocess"), *_ENGINES]
)
"""The same, and the standard library's."""


def makable(*types: TypeLike) -> tuple[TypeLike, ...]:
    """Return these types, and user too where they cannot be made without."""
    return types if TIER != "plain" or "user" in types else ("user", *types)


def new_of(ours: Ours) -> tuple[str, ...]:
    """Return the types of which a way of starting makes fresh ones."""
    new = ours.get("new", ())
    return (new,) if isinstance(new, str) else tuple(new)


def fresh_proc() -> None:
    """Skip the test where a user namespace of one's own may not mount ``/proc``."""
    options = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    done = subprocess.run(
        [program("unshare"), *options, "true"], capture_output=True, check=False
    )
    if done.returncode != 0:
        missing("proc", f"/proc cannot be mounted: {done.stderr!r}")


def paths(*types: str) -> list[str]:
    """Return the links that tell a program its namespaces."""
    return [f"/proc/self/ns/{type}" for type in types or ALL_TYPES]


def said(*args: str, **options: Unpack[Options]) -> str:
    """Return what a program writes."""
    done = run(
        args, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT, **options
    )
    return str(done.stdout)


def links(**options: Unpack[Options]) -> dict[str, str]:
    """Return the namespaces that a program says it is in."""
    found = said("readlink", *paths(), **options).split()
    return dict(zip(ALL_TYPES, found, strict=True))


def changed(**options: Unpack[Options]) -> set[str]:
    """Return the types of namespaces that a program does not share with its caller."""
    mine = own_all()
    return {type for type, found in links(**options).items() if found != mine[type]}


def status_of(**options: Unpack[Options]) -> dict[str, str]:
    """Return the fields of a program's status."""
    lines = said("cat", "/proc/self/status", **options).splitlines()
    return {name: text.strip() for name, text in (x.split(":", 1) for x in lines)}


def told_by_python(code: str, **options: Unpack[Options]) -> str:
    """Return what an interpreter that has run some code writes."""
    return said(sys.executable, "-I", "-S", "-c", code, **options).strip()


@contextmanager
def unended() -> Iterator[int]:
    """Give something to read from that does not end before the body does."""
    reader, writer = os.pipe()
    try:
        yield reader
    finally:
        os.close(reader)
        os.close(writer)


@contextmanager
def living(**options: Unpack[Options]) -> Iterator[Popen[bytes]]:
    """Have a program that runs, and ends with its input when the body does."""
    pipe = subprocess.PIPE
    with Popen(["cat"], stdin=pipe, stdout=pipe, **options) as process:
        yield process


INIT = Ours(new=makable("pid"))
"""An init, as cheaply as it is to be had."""


@contextmanager
def running(script: str, **more: object) -> Iterator[Popen[bytes]]:
    """Have a shell under an init, which has said that it is ready."""
    command = ["sh", "-c", f"{script}\necho ready; read x; exit 5"]
    with Popen(  # type: ignore[call-overload]
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **{**INIT, **more}
    ) as process:
        assert read_line(process.stdout) == b"ready\n"
        yield process


@contextmanager
def members(pid: int, *types: TypeLike) -> Iterator[NamespaceSet]:
    """Open what a `targets.holder` holds."""
    held = [Namespace.from_path(link(pid, type), type) for type in types]
    with closing(NamespaceSet(held)) as found:
        yield found


@contextmanager
def prepared(script: str, *options: str) -> Iterator[int]:
    """Keep a shell, started by ``unshare`` with options, that has run a script."""
    command = [program("unshare"), *options, "sh", "-ec"]
    command.append(script + "\necho ready\nexec cat")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            missing("namespaces", f"{script!r} cannot be done with {options}")
        yield process.pid


def audited(action: Callable[[], None]) -> list[Event]:
    """Return the audit events of an action that are about any types."""
    return [event for event in recorded(action) if event[1]]


def read_line(stream: IO[bytes] | None) -> bytes:
    """Return the next line that a program writes."""
    assert stream is not None
    return stream.readline()


def program_of(init: Popen[bytes]) -> int:
    """Return the id, as the caller knows it, of the program under an init."""
    (pid,) = children_of(init.pid)
    return pid


def children_of(pid: int) -> list[int]:
    """Return the children of a process that has one thread."""
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(word) for word in words]


def state_of(pid: int) -> str:
    """Return the letter that tells whether a process runs, is stopped, is dead."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0]


def eventually(condition: Callable[[], bool]) -> None:
    """Check that something comes true."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it has not come true"
        select.select([], [], [], 0.002)


def has_ended(pidfd: int, wait: float = LIMIT) -> bool:
    """Return whether a process ends before the time is over."""
    return bool(select.select([pidfd], [], [], wait)[0])


@contextmanager
def orphans_reaped() -> Iterator[None]:
    """Be the new parent of the body's orphans, and check that all of them end."""
    before = children()
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)

    def all_gone() -> bool:
        orphans = {*children()} - {*before}
        for pid in orphans:
            os.waitpid(int(pid), os.WNOHANG)
        return not orphans

    try:
        yield
        eventually(all_gone)
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def refused(
    step: str, number: int, *args: str, **options: Unpack[Options]
) -> SpawnError:
    """Check that a program is not started, why, and that nothing is left."""
    pipe = subprocess.PIPE
    with nothing_happens():
        before = descriptors(), status_field("SigBlk")
        with pytest.raises(SpawnError) as caught:
            Popen(args or ["true"], stdin=pipe, stdout=pipe, stderr=pipe, **options)
        assert (descriptors(), status_field("SigBlk")) == before
    error = caught.value
    found = error.step, errno.errorcode[error.errno or 0]
    assert found == (step, errno.errorcode[number]), str(error)
    assert isinstance(error, type(OSError(number, "")))
    return error


Marker = tuple[str, str]


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[Marker]:
    """A program that would leave a trace, of which there must be none."""
    trace = tmp_path / "the program has run"
    yield "touch", str(trace)
    assert not trace.exists()
