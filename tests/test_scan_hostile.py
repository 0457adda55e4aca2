"""Scans among those who mean ill: who hides, who covers, who keeps others waiting."""

import errno
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from pinning import fresh_fd
from populating import alone, end, find, held_by, id_of, known, start_thread
from provoking import (
    another_process,
    bind,
    check,
    libc,
    mount,
    own_mounts,
    own_user,
    refuse_calls,
)
from support import missing, program
from test_scan_mounts import lay, pin

from pynamespaces import lowlevel, scan
from pynamespaces.inventory import Holder, Pin

_OPEN_TREE, _OPEN_TREE_CLONE, _AT_FDCWD = 428, 1, -100

PATIENCE = 3
"""After how many seconds a scan is one that hangs."""


def contain(place: Path) -> None:
    """Be root in a container, with a file system of its own at a place."""
    own_user()
    own_mounts()
    mount("none", str(place), "tmpfs")


def in_detached(place: Path) -> None:
    """Have a pin in a container, and for a root a tree that is mounted nowhere."""
    contain(place)
    pin(place / "pinned")
    path = os.fsencode(place)
    os.fchdir(check(libc.syscall(_OPEN_TREE, _AT_FDCWD, path, _OPEN_TREE_CLONE)))
    os.chroot(".")


def in_overmounted(place: Path) -> None:
    """Have a pin in a container, and for a root what lies above that of the others."""
    contain(place)
    pin(place / "pinned")
    mount("none", "/", "tmpfs")
    # The path leads to what is on top.
    os.chdir("/..")
    os.chroot(".")


@pytest.mark.parametrize("live", [in_detached, in_overmounted])
def test_out_of_sight(tmp_path: Path, live: Callable[[Path], None]) -> None:
    """Nobody hides what is mounted by a root from where it cannot be seen."""

    def look() -> None:
        with another_process(partial(live, tmp_path)) as pid:
            assert os.readlink(f"/proc/{pid}/root") == "/"
            mnt = id_of(f"/proc/{pid}/ns/mnt")
            place = Pin(str(tmp_path / "pinned"), mnt)
            found = scan()
            pinned = [record.type for record in found if place in record.pins]
            refused = [what for what, _ in found.unreadable]
            # Older kernels list but what is below somebody's root.
            assert pinned == ["net"] or any(str(mnt) in what for what in refused)

    alone(look)


def at_length(place: Path) -> None:
    """Have a pin in a container, then a mount with a very long path, then a pin."""
    contain(place)
    pin(place / "before")
    os.chdir(place)
    for _ in range(40):
        # Each is told with four characters.
        os.mkdir("\n" * 255)
        os.chdir("\n" * 255)
    mount("none", ".", "tmpfs")
    pin(place / "behind")


def test_long_path(tmp_path: Path) -> None:
    """What stands after a line longer than most in a mountinfo is found, too."""

    def look() -> None:
        with another_process(partial(at_length, tmp_path)) as pid:
            lines = Path(f"/proc/{pid}/mountinfo").read_bytes().splitlines()
            assert max(map(len, lines)) > 40 * 255 * 4
            mnt = id_of(f"/proc/{pid}/ns/mnt")
            found = scan()
            for name in ("before", "behind"):
                place = Pin(str(tmp_path / name), mnt)
                (record,) = (r for r in found if place in r.pins)
                assert held_by(record) == {"pins": (place,)}
                assert record.owner == id_of(f"/proc/{pid}/ns/user")

    alone(look)


def test_covered_once(tmp_path: Path) -> None:
    """One that lies below another mount is asked where it is mounted in sight."""

    def look() -> None:
        mount("none", str(tmp_path), "tmpfs")
        places = [tmp_path / "covered", tmp_path / "in sight"]
        id = pin(places[0])
        lay(str(places[0]), places[1])
        lay("/proc/self/ns/uts", places[0])
        found = scan()
        record = find(found, id.dev, id.ino)
        assert record is not None
        assert record.id == id
        assert record.owner == id_of("/proc/self/ns/user")
        assert [p.path for p in record.pins] == [str(place) for place in places]
        assert not any(str(id) in what for what, _ in found.unreadable)

    alone(look)


@pytest.mark.tier("root")
def test_many_groups() -> None:
    """A process in thousands of groups is told with all of its ids."""

    def nest() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.setgroups(range(4_000_000_000, 4_000_004_000))
            os.write(writer, b"!")
            signal.pause()
        os.close(writer)
        assert os.read(reader, 1) == b"!"

    def look() -> None:
        with another_process(nest) as pid:
            (inner,) = (p for p in scan().processes() if p.ppid == pid)
            status = Path(f"/proc/{inner.pid}/status").read_text()
            assert status.index("NSpid") > 40_000
            assert inner.pids == (inner.pid, 1)

    alone(look)


def test_empty_arguments() -> None:
    """Empty arguments are arguments, at the end as well."""
    arguments = ("sh", "-c", "read x", "a", "", "")

    def look() -> None:
        heard, say = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, heard, 0)]
        shell = program("sh")
        pid = os.posix_spawn(shell, arguments, os.environ, file_actions=actions)
        process = scan().process(pid)
        assert process is not None
        assert process.arguments == arguments
        end(pid)
        os.close(heard)
        os.close(say)

    alone(look)


def test_without_statx() -> None:
    """Descriptors are found where a filter knows nothing of statx(2)."""

    def look() -> None:
        refuse_calls(statx=errno.EPERM)
        fd = fresh_fd("uts")
        kept = held_by(known(scan(), fd))
        assert kept == {"descriptors": (Holder(os.getpid(), fd),)}

    alone(look)


def test_forged_folder() -> None:
    """Who has another's folder mounted over its own is named, and not told as that."""

    def look() -> None:
        with another_process() as pid:
            own = scan().process(os.getpid())
            bind(f"/proc/{os.getpid()}", f"/proc/{pid}")
            found = scan()
            assert found.process(pid) is None
            assert not any(pid in record.processes for record in found)
            assert f"/proc/{pid}/ns" in [what for what, _ in found.unreadable]
            assert found.process(os.getpid()) == own

    alone(look)


@pytest.mark.parametrize("name", ["stat", "ns", "fd", "task"])
def test_covered_part(name: str, tmp_path: Path) -> None:
    """What is mounted over a part of a process in /proc hides it, but not silently."""

    def elsewhere() -> None:
        start_thread(lambda: lowlevel.unshare(lowlevel.CLONE_NEWIPC))

    def look() -> None:
        with another_process(elsewhere) as pid:
            covered = Path(f"/proc/{pid}/{name}")
            cover = tmp_path / name
            cover.mkdir() if covered.is_dir() else cover.touch()
            bind(str(cover), str(covered))
            named = "ns" if name == "stat" else name
            what = [what for what, reason in scan().unreadable if "mounted" in reason]
            assert what == [f"/proc/{pid}/{named}"]

    alone(look)


def test_pipe_in_proc(tmp_path: Path) -> None:
    """Nor does it wait for a pipe that is mounted over a file of a process's."""

    def cut(*_: object) -> None:
        raise TimeoutError

    def look() -> None:
        os.mkfifo(tmp_path / "pipe")
        signal.signal(signal.SIGALRM, cut)
        with another_process() as pid, another_process() as other:
            for name in ("stat", "status", "cmdline", "cgroup", "mountinfo"):
                bind(str(tmp_path / "pipe"), f"/proc/{pid}/{name}")
            signal.alarm(PATIENCE)
            found = scan()
            signal.alarm(0)
            assert found.process(other) is not None

    alone(look)


@pytest.mark.parametrize("order", [1, -1])
def test_owner_elsewhere(order: int) -> None:
    """Who owns a namespace is right, on whichever processors the two were made."""
    processors = sorted(os.sched_getaffinity(0))[::order]
    if len(processors) < 2:
        missing("processors", "there is but one processor")

    def prepare() -> None:
        # Each processor has ids to give, so that an owner may have the greater one.
        os.sched_setaffinity(0, {processors[0]})
        own_user()
        os.sched_setaffinity(0, {processors[-1]})
        lowlevel.unshare(lowlevel.CLONE_NEWNET)

    def look() -> None:
        with another_process(prepare) as pid:
            record = known(scan(), f"/proc/{pid}/ns/net")
            assert record.owner == id_of(f"/proc/{pid}/ns/user")

    alone(look)
