"""Finding who is in a namespace, and who has it open."""

import errno
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from holding import holder
from newer import need
from provoking import another_process, hide_proc, own_user
from refs import made
from support import identity, in_child, own

from pynamespaces import (
    Namespace,
    NamespaceId,
    NamespaceLimitError,
    NamespaceType,
    lowlevel,
    unshared,
)
from pynamespaces._core import reach, seek
from pynamespaces._refusals import from_errno

POWER = pytest.mark.tier("root", "userns")


def id_of(path: str) -> NamespaceId:
    """Return which namespace is at a path."""
    with closing(Namespace.from_path(path)) as namespace:
        return namespace.id


@contextmanager
def thread_in(type: NamespaceType) -> Iterator[int]:
    """Have a thread in a namespace of its own."""
    over, ready = threading.Event(), threading.Event()

    def stand() -> None:
        with unshared(type):
            ready.set()
            over.wait(10)

    thread = threading.Thread(target=stand)
    thread.start()
    try:
        assert ready.wait(10)
        assert thread.native_id is not None
        yield thread.native_id
    finally:
        over.set()
        thread.join()


def test_own_process() -> None:
    """The calling process is in its own namespaces, and the paths lead there."""
    for type in NamespaceType:
        found = list(seek.find_members(id_of(f"/proc/self/ns/{type}")))
        paths = [path for pid, path in found if pid == os.getpid()]
        assert paths[0] == f"/proc/{os.getpid()}/ns/{type}"
        assert {identity(path) for path in paths} == {own(type)}


@POWER
@pytest.mark.parametrize("type", ["uts", "user", "pid"])
def test_processes(type: NamespaceType) -> None:
    """Of a fresh namespace, exactly the processes inside are told."""
    with holder(type) as target:
        path = f"/proc/{target.pid}/ns/{type}"
        found = list(seek.find_members(id_of(path)))
        assert (target.pid, path) in found
        assert path.replace("/ns", f"/task/{target.pid}/ns") not in dict(found).values()
        folders = {f"/proc/{pid}/ns/{type}" for pid, _ in found}
        inside = {folder for folder in folders if identity(folder) == identity(path)}
        # The parent of the first one has its children there.
        assert len(folders - inside) == (type == "pid")


@POWER
def test_threads_come_last() -> None:
    """A thread that is elsewhere than its process is told by its id, in the end."""

    def look() -> bool:
        with thread_in(NamespaceType.UTS) as tid:
            path = f"/proc/{os.getpid()}/task/{tid}/ns/uts"
            assert list(seek.find_members(id_of(path))) == [(tid, path)]
            # The pid namespace is that of both, and of others.
            members = list(seek.find_members(id_of("/proc/self/ns/uts")))
            assert os.getpid() in dict(members)
            assert tid not in dict(members)
            both = [pid for pid, _ in seek.find_members(id_of("/proc/self/ns/net"))]
            assert both.index(os.getpid()) < both.index(tid)
            return True

    assert in_child(look)


@POWER
def test_children_of() -> None:
    """Whose children are to be born inside counts, for the types that have this."""

    def prepare() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWTIME)

    with another_process(prepare) as pid:
        path = f"/proc/{pid}/ns/time_for_children"
        assert (pid, path) in list(seek.find_members(id_of(path)))
        assert id_of(path) != id_of(f"/proc/{pid}/ns/time")


@POWER
def test_descriptors() -> None:
    """A descriptor is told by its path, the caller's own first."""

    def look() -> None:
        with made("net") as namespace:
            fd = namespace.fileno()
            with another_process() as pid:  # It has a copy.
                found = list(seek.find_files(namespace.id))
                assert found[0] == f"/proc/thread-self/fd/{fd}"
                assert {f"/proc/{n}/fd/{fd}" for n in (pid, os.getpid())} <= {*found}
            assert not list(seek.find_members(namespace.id))

    in_child(look)


def test_open_found() -> None:
    """What is not it is closed, and the search goes on until something is."""
    identity_of_own = id_of("/proc/self/ns/net")
    asked: list[int] = []

    def second(fd: int) -> bool:
        asked.append(fd)
        return len(asked) == 2

    before = len(os.listdir("/proc/self/fd"))
    fd = seek.open_found(identity_of_own, second)
    assert fd == asked[-1]
    assert identity(fd) == own("net")
    assert not os.get_inheritable(fd)
    os.close(fd)
    assert len(os.listdir("/proc/self/fd")) == before
    assert seek.open_found(identity_of_own, lambda _: False) is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_room_for_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Want of room to look at the caller's own is an error, and nothing else is."""
    known = id_of("/proc/self/ns/net")
    answers: list[Exception] = [
        from_errno(errno.ENOENT, "open", (NamespaceType.NET,)),
        from_errno(errno.ENFILE, "open", (NamespaceType.NET,)),
    ]

    def open_current(type: NamespaceType, *, for_children: bool) -> int:
        raise answers.pop(0)

    monkeypatch.setattr(reach, "open_current", open_current)
    assert seek.open_found(known, lambda _: False) is None
    with pytest.raises(NamespaceLimitError):
        seek.open_found(known, lambda _: False)


def test_no_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Want of room to open what was found is an error, at the last place too."""
    known = id_of("/proc/self/ns/net")
    monkeypatch.setattr(seek, "find_members", lambda _: [(1, "/proc/self/ns/net")])
    monkeypatch.setattr(seek, "find_files", lambda _: [])

    def look() -> int | None:
        # The library keeps a pidfd of each thread, from its first use on.
        Namespace.current("net").close()
        os.close(lowest := os.dup(0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, lowest + 1))
        # The caller's own is opened, and left so: then there is no more room.
        return seek.open_found(known, lambda _: False)

    monkeypatch.setattr(seek, "keep_if", lambda fd, _: False)
    with pytest.raises(NamespaceLimitError):
        in_child(look)


def test_failing_question() -> None:
    """A question that fails leaves no descriptor open."""
    known = id_of("/proc/self/ns/net")
    with pytest.raises(ZeroDivisionError):
        seek.open_found(known, lambda fd: bool(fd // 0))


def test_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no namespace, or not there any more, is passed over and not opened."""
    known = id_of("/proc/self/ns/uts")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    traps = [str(tmp_path / name) for name in ("fifo", "file", "missing")]
    monkeypatch.setattr(seek, "find_members", lambda _: [(1, path) for path in traps])
    monkeypatch.setattr(seek, "find_files", lambda _: [*traps, "/proc/self/ns/net"])
    asked: list[tuple[int, int]] = []

    def refuse(fd: int) -> bool:
        asked.append(identity(fd))
        return False

    assert seek.open_found(known, refuse) is None
    assert asked == [own("uts"), own("net")]


def test_without_proc() -> None:
    """Without /proc, only the calling thread's own is found."""
    need("pidfd-namespaces")

    def look() -> tuple[bool, bool]:
        known = id_of("/proc/self/ns/uts")
        own_user()
        hide_proc()
        assert not list(seek.find_members(known))
        assert not list(seek.find_files(known))
        fd = seek.open_found(known, lambda _: True)
        assert fd is not None
        return os.fstat(fd).st_ino == known.ino, (
            seek.open_found(known, lambda _: False) is None
        )

    assert in_child(look) == (True, True)
