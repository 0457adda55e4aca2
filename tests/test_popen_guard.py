"""`die_with_parent`: a program dies with the process that started it."""

import errno
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from creating import POWER, nothing_happens
from provoking import another_process
from starting import (
    ROOT,
    Options,
    has_ended,
    makable,
    members,
    new_of,
    orphans_reaped,
    program_of,
    refused,
)
from targets import fresh, holder

from pynamespaces import IdMap, Popen, TypeLike, run


def start_and_tell(stdin: int, told: int, options: Options) -> None:
    """Start a program in a thread that ends, and tell its pid."""

    def start() -> None:
        more: Options = {**options, "die_with_parent": True}
        process = Popen(["cat"], stdin=stdin, **more)
        kept.append(process)
        has_init = "pid" in new_of(options) and options.get("init") is not False
        pid = program_of(process) if has_init else process.pid
        os.write(told, b"%d %d\n" % (process.pid, pid))

    # Without being killed it ends as well as any other.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    kept: list[Popen[bytes]] = []
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert kept[0].poll() is None


@contextmanager
def guarded(options: Options) -> Iterator[tuple[int, list[int]]]:
    """Have a process that has started a program, and pidfds of what that is."""
    reader, writer = os.pipe()
    stdin, held = os.pipe()
    try:
        with (
            orphans_reaped(),
            another_process(lambda: start_and_tell(stdin, writer, options)) as parent,
        ):
            pids = sorted({int(word) for word in os.read(reader, 100).split()})
            pidfds = [os.pidfd_open(pid) for pid in pids]
            yield parent, pidfds
            for pidfd in pidfds:
                os.close(pidfd)
    finally:
        for fd in (reader, writer, stdin, held):
            os.close(fd)


def check_dies(options: Options, end: signal.Signals = signal.SIGKILL) -> None:
    """Check that a program outlives the thread that started it, not the process."""
    with guarded(options) as (parent, pidfds):
        assert not any(has_ended(pidfd, wait=0.05) for pidfd in pidfds)
        os.kill(parent, end)
        assert all(has_ended(pidfd) for pidfd in pidfds)


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(new=makable("uts")),
        Options(new=("user", "uts")),
        Options(new=makable("pid")),
        Options(new=("user", "pid", "mnt")),
        Options(new=makable("pid"), init=False),
        Options(caps="drop", new="user"),
        Options(caps="keep", new="user", uid_map=IdMap.current()),
        Options(no_new_privs=True),
        Options(start_new_session=True),
    ],
    ids=str,
)
def test_dies_with_its_parent(options: Options) -> None:
    """A program dies when its parent is killed, however it was started."""
    check_dies(options)


@pytest.mark.parametrize("types", [(), makable("uts"), makable("pid")], ids=str)
def test_dies_when_its_parent_exits(types: tuple[TypeLike, ...]) -> None:
    """So it does when its parent exits."""
    check_dies(Options(new=types), signal.SIGTERM)


@pytest.mark.parametrize("types", [(), makable("uts"), makable("pid")], ids=str)
def test_nothing_beside_it(types: tuple[TypeLike, ...]) -> None:
    """Whatever watches over a program is gone when that has ended, or has failed."""
    with nothing_happens():
        assert run(["true"], new=types, die_with_parent=True).returncode == 0
        script = ["sh", "-c", "exit 3"]
        assert run(script, new=types, die_with_parent=True).returncode == 3
        for _ in range(10):
            refused("execve", errno.ENOENT, "/none", new=types, die_with_parent=True)


@ROOT
@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(new="uts"),
        Options(new="pid"),
        Options(caps=["chown"]),
        Options(new=("user", "uts"), uid_map=IdMap([(0, 0, 1), (1, 100000, 70000)])),
    ],
    ids=str,
)
def test_dies_as_another(options: Options) -> None:
    """So does one that runs as somebody else."""
    check_dies({**options, "user": 1000})


@POWER
@pytest.mark.parametrize("type", ["pid", "time", "mnt", "user"])
def test_dies_where_it_has_joined(type: TypeLike) -> None:
    """So does one that has joined, whatever the namespace."""
    with fresh(type) as target:
        check_dies(Options(join=target))
        if type != "pid":
            check_dies(Options(join=target, new="pid"))


def test_dies_in_joined_user() -> None:
    """So does one that has joined a user namespace and one that belongs to it."""
    with holder("user", "pid") as pid, members(pid, "user", "pid") as target:
        check_dies(Options(join=target))
        check_dies(Options(join=target, new="uts"))


@pytest.mark.parametrize("new", [(), ("user", "uts")])
def test_lives_on(new: tuple[TypeLike, ...]) -> None:
    """Without that it lives on, as any program does."""
    reader, writer = os.pipe()
    stdin, held = os.pipe()

    def prepare() -> None:
        process = Popen(["cat"], stdin=stdin, new=new)
        os.write(writer, b"%d" % process.pid)

    with orphans_reaped(), another_process(prepare) as parent:
        pid = int(os.read(reader, 100))
        pidfd = os.pidfd_open(pid)
        os.kill(parent, signal.SIGKILL)
        assert not has_ended(pidfd, wait=0.05)
        os.kill(pid, signal.SIGKILL)
        assert has_ended(pidfd)
    for fd in (reader, writer, stdin, held, pidfd):
        os.close(fd)
