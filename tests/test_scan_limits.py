"""Scans by those who may see little: other users, in containers, without room."""

import os
import resource
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from containers import bwrap, runc
from creating import descriptors
from mapping import become_nobody
from mounting import mount as mount_at
from populating import (
    TYPES,
    alone,
    find,
    held_by,
    id_of,
    known,
    powerful,
    process_in,
)
from provoking import another_process, drop_capabilities, hide_proc, mount, own_mounts
from support import TIER, in_child, own_all, run_python

from pynamespaces import (
    Namespace,
    NamespaceLimitError,
    NamespaceType,
    NoSuchNamespaceError,
    lowlevel,
    scan,
)
from pynamespaces.inventory import Inventory

ROOT = pytest.mark.tier("root")


def ordinary(function: Callable[[], object]) -> None:
    """Run in a child as an ordinary user, who has no power at all."""

    def inside() -> None:
        if TIER == "root":
            become_nobody()
        elif TIER == "userns":
            drop_capabilities()
        function()

    in_child(inside)


def check_own(found: Inventory) -> None:
    """Check that the caller is told as it is."""
    process = found.process(os.getpid())
    assert process is not None
    links = own_all()
    own = {str(type): str(id) for type, id in process.namespaces.items()}
    assert own == {name: link for name, link in links.items() if name in own}
    assert len(own) == len(TYPES)
    assert process.arguments


def test_ordinary_user() -> None:
    """What may not be seen is named, with a reason; one's own is seen."""

    def look() -> None:
        found = scan()
        check_own(found)
        unreadable = dict(found.unreadable)
        for process in found.processes():
            try:
                os.readlink(f"/proc/{process.pid}/ns/net")
                is_refused = False
            except PermissionError:
                is_refused = True
            except FileNotFoundError:
                continue
            if is_refused:
                # Its name and its parent are everybody's to read.
                assert f"/proc/{process.pid}/ns" in unreadable
                assert not process.namespaces
                assert process.name
            else:
                assert f"/proc/{process.pid}/ns" not in unreadable
        assert all(reason for reason in unreadable.values())
        if TIER != "userns":
            assert "/proc/1/ns" in unreadable

    ordinary(look)


def test_unreadable_once() -> None:
    """Each thing that could not be seen is named once."""

    def look() -> None:
        whats = [what for what, _ in scan().unreadable]
        assert len(whats) == len({*whats})

    ordinary(look)


@ROOT
def test_others_are_not_invented() -> None:
    """An ordinary user does not see what only root's process keeps."""
    with process_in("uts") as pid:
        place = os.stat(f"/proc/{pid}/ns/uts")

        def look() -> None:
            found = scan()
            assert find(found, place.st_dev, place.st_ino) is None
            process = found.process(pid)
            assert process is not None
            assert process.namespaces == {}
            assert f"/proc/{pid}/ns" in [what for what, _ in found.unreadable]

        ordinary(look)
        assert known(scan(), f"/proc/{pid}/ns/uts").processes == (pid,)


@pytest.mark.parametrize("option", ["hidepid=2", "hidepid=1"])
@ROOT
def test_hidden_processes(option: str) -> None:
    """Where /proc hides the processes of others, one's own are told."""

    def look() -> None:
        # Of the new init's, who is root's.
        mount_at("/proc", source="proc", type="proc", data=option)
        pid = os.getpid()

        def ask() -> None:
            found = scan()
            assert os.getpid() != pid
            check_own(found)
            names = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
            told = {process.pid for process in found.processes()}
            told |= {int(what.split("/")[2]) for what, _ in found.unreadable}
            assert told == names

        ordinary(ask)

    alone(look)


@ROOT
def test_in_runc(tmp_path: Path) -> None:
    """In a container, what is in there is found, by its own numbers."""
    with runc(tmp_path) as inside:
        seen = scan_in(inside.pid)
        check_inside(seen, inside.types)


@pytest.mark.tier("root", "userns")
def test_in_bubblewrap(tmp_path: Path) -> None:
    """So it is in a sandbox."""
    with bwrap(tmp_path) as inside:
        seen = scan_in(inside.pid)
        check_inside(seen, inside.types)


def scan_in(pid: int) -> Inventory:
    """Scan in a container: of a process that joins it after it has imported all."""

    def enter() -> str:
        fds = [
            os.open(f"/proc/{pid}/ns/{type}", os.O_RDONLY)
            for type in ("user", "cgroup", "ipc", "net", "uts", "pid", "mnt")
            if os.readlink(f"/proc/{pid}/ns/{type}")
            != os.readlink(f"/proc/self/ns/{type}")
        ]
        for fd in fds:
            lowlevel.setns(fd, 0)
            os.close(fd)
        os.closerange(100, 200)
        return in_child(lambda: scan().to_json())

    return Inventory.from_json(in_child(enter))


def check_inside(seen: Inventory, types: frozenset[str]) -> None:
    """Check that only what is in a container was seen there."""
    pids = {process.pid for process in seen.processes()}
    assert 1 in pids
    assert len(pids) <= 4
    assert not seen.unreadable
    first = seen.process(1)
    assert first is not None
    for process in seen.processes():
        if process.pid != 1:
            assert process.namespaces == first.namespaces
    for type in [type for type in TYPES if type in types]:
        # But for descriptors that were open, nobody leads out of there.
        (record,) = (r for r in seen.namespaces(type) if 1 in r.processes)
        assert {*record.processes} == pids
    own = os.stat("/proc/self/ns/pid")
    assert find(seen, own.st_dev, own.st_ino) is None


def test_without_proc() -> None:
    """Without /proc there is nothing to look through, and that is said."""

    def look() -> None:
        hide_proc()
        with pytest.raises(NoSuchNamespaceError, match="/proc"):
            scan()

    powerful(look)


def test_without_folder(tmp_path: Path) -> None:
    """The same in a root that has not even the folder, and nothing is left open."""

    def look() -> None:
        with pytest.raises(NoSuchNamespaceError):
            in_jail()

    def in_jail() -> None:
        before = descriptors()
        count = len(before)
        os.chroot(tmp_path)
        os.chdir("/")
        try:
            scan()
        finally:
            lowest = os.dup(0)
            os.close(lowest)
            assert lowest <= count + 1

    powerful(look)


def test_another_proc() -> None:
    """By a /proc of an outer pid namespace, all have the numbers that it has."""

    def look() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        in_child(inside)

    def inside() -> None:
        assert os.getpid() == 1
        own = int(os.readlink("/proc/self"))
        assert own != 1
        with closing(Namespace.current("uts")):
            found = scan()
        process = found.process(own)
        assert process is not None
        assert process.pids[-1] == 1
        record = known(found, "/proc/self/ns/pid")
        assert record.processes == (own,)
        assert record.leader == own
        holders = known(found, "/proc/self/ns/uts").descriptors
        assert own in [holder.pid for holder in holders]
        # Nobody's sockets are told as somebody else's.
        assert not [holder for record in found for holder in record.sockets]

    powerful(look)


@pytest.mark.tier("root", "userns")
def test_numbers_that_agree() -> None:
    """Nor if who asks happens to have the same number in both."""

    def look() -> None:
        outer = next(n for n in range(20000, 30000) if not os.path.exists(f"/proc/{n}"))
        lowlevel.unshare(lowlevel.CLONE_NEWPID)

        def init() -> None:
            pid, pidfd = lowlevel.clone3(set_tid=[outer, outer])
            if pid == 0:
                status = 1
                try:
                    assert os.getpid() == int(os.readlink("/proc/self"))
                    found = scan()
                    assert not [h for record in found for h in record.sockets]
                    status = 0
                finally:
                    os._exit(status)
            end = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
            os.close(pidfd)
            assert end is not None
            assert end.si_status == 0

        with another_process(with_foreign_socket):
            in_child(init)

    powerful(look)


def with_foreign_socket() -> None:
    """Have a socket of a network namespace where this process is not."""
    import socket

    socket.socket().detach()
    lowlevel.unshare(lowlevel.CLONE_NEWNET)


def test_proc_of_others() -> None:
    """By a /proc in which the caller is not, nothing is told as if it were."""

    def look() -> None:
        # The child's /proc is seen here, where its father has no number in it.
        reader, writer = os.pipe()
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        own_mounts()
        child = os.fork()
        if child == 0:
            try:
                mount("proc", "/proc", "proc")
                os.write(writer, b".")
                signal.pause()
            finally:
                os._exit(1)
        assert os.read(reader, 1) == b"."
        assert os.listdir("/proc").count("1") == 1
        with pytest.raises(NoSuchNamespaceError):
            scan()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    powerful(look)


@pytest.mark.parametrize("room", range(12))
def test_no_descriptors(room: int) -> None:
    """Without room for descriptors it fails, or else it has found everything."""

    def look() -> str:
        expected = {record.id for record in scan() if os.getpid() in record.processes}
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, room))
        try:
            found = scan()
        except NamespaceLimitError:
            return "refused"
        assert {r.id for r in found if os.getpid() in r.processes} == expected
        assert not [w for w in found.unreadable if "Too many" in w.reason]
        return "found"

    assert alone(look) in ("refused", "found")


@pytest.mark.parametrize("room", range(10))
def test_few_descriptors(room: int) -> None:
    """Nor is anything left out in silence where only the scan's own table is full."""
    code = (
        "import os, resource, sys; from pynamespaces import *\n"
        "own = {r.id for r in scan() if os.getpid() in r.processes}\n"
        "out = os.dup2(1, 200); os.closerange(0, 200)\n"
        "room = int(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (room, room))\n"
        "try: found = scan()\n"
        "except NamespaceLimitError: text = 'refused'\n"
        "else:\n"
        "    now = {r.id for r in found if os.getpid() in r.processes}\n"
        "    few = [w for w in found.unreadable if 'Too many' in w.reason]\n"
        "    text = repr(few) if few else 'found' if now == own else repr((now, own))\n"
        "os.write(200, text.encode())\n"
    )
    done = run_python(code, str(room), check=False)
    assert done.stdout in ("refused", "found"), done.stdout + done.stderr


def test_no_threads() -> None:
    """Where no thread can be started, the caller does it alone."""

    def look() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        with pytest.raises(RuntimeError):
            import threading

            threading.Thread(target=int).start()
        check_own(scan())
        assert os.listdir("/proc/self/task") == [str(os.getpid())]

    if TIER == "userns":
        pytest.skip("this user may have as many as it wants")
    ordinary(look)


def test_pending_caller() -> None:
    """So it is where children are born elsewhere: the caller works alone."""

    def look() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        before = descriptors()
        found = scan()
        check_own(found)
        pending = [r for r in found if os.getpid() in r.for_children]
        assert [r.type for r in pending] == [NamespaceType.PID]
        assert held_by(pending[0]) == {"for_children": (os.getpid(),)}
        assert descriptors() == before
        record = known(found, "/proc/self/ns/pid")
        assert pending[0].parent == record.id == id_of("/proc/self/ns/pid")

    powerful(look)


def test_imports_nothing_more() -> None:
    """To scan takes none of the libraries that pictures and commands take."""
    code = (
        "import sys; from pynamespaces import scan; scan();"
        "print({'click', 'rich', 'asyncio', 'multiprocessing'} & {*sys.modules})"
    )
    assert run_python(code).stdout.strip() == "set()"
