"""What keeps a namespace: each way alone is enough for a scan to find it."""

import os
import resource
import socket
from contextlib import closing
from pathlib import Path

import pytest
from creating import POWER
from holding import holder
from newer import need
from pinning import in_own_mounts
from populating import (
    TYPES,
    find,
    held_by,
    id_of,
    known,
    leaderless,
    leave_for,
    powerful,
    process_in,
    thread_that,
)
from provoking import another_process, bind
from refs import made
from support import TIER, identity

from pynamespaces import NamespaceType, NetNamespace, lowlevel, scan
from pynamespaces.inventory import Holder

OF_THREADS = ("cgroup", "ipc", "mnt", "net", "uts")


@pytest.mark.parametrize("type", TYPES)
def test_process(type: NamespaceType) -> None:
    """A process keeps what it is in, and is there once."""
    if type in (NamespaceType.PID, NamespaceType.TIME):
        owner = ("user",) if TIER == "plain" else ()
        with holder(*owner, type) as made_there:
            pid = made_there.pid
            record = known(scan(), f"/proc/{pid}/ns/{type}")
            assert record.processes == (pid,)
            assert len(record.for_children) == 1
    else:
        with process_in(type) as pid:
            record = known(scan(), f"/proc/{pid}/ns/{type}")
            assert record.id == id_of(f"/proc/{pid}/ns/{type}")
            assert held_by(record) == {"processes": (pid,)}
    assert record.type is type
    assert record.leader == pid
    assert record.name is None


@pytest.mark.parametrize("type", OF_THREADS)
def test_single_thread(type: str) -> None:
    """A thread alone keeps what it is in, while its process is elsewhere."""
    flag = NamespaceType(type).flag
    with thread_that(lambda: lowlevel.unshare(flag)) as (pid, tid):
        found = scan()
        record = known(found, f"/proc/{pid}/task/{tid}/ns/{type}")
        assert held_by(record) == {"threads": (tid,)}
        assert record.leader is None
        process = found.process(pid)
        assert process is not None
        assert process.threads == 2
        assert process.namespaces[record.type] == id_of(f"/proc/{pid}/ns/{type}")
        assert find(scan(threads=False), record.id.dev, record.id.ino) is None


def pending(pid: int) -> int:
    """Open the pid namespace in which a task will have children."""
    need("pidfd-namespaces")
    pidfd = lowlevel.pidfd_open(pid, lowlevel.PIDFD_THREAD)
    try:
        return lowlevel.pidfd_get_pid_for_children_namespace(pidfd)
    finally:
        os.close(pidfd)


def test_pending_pid() -> None:
    """A pid namespace that has no first process yet is kept by who will have it."""
    with process_in("pid") as pid:
        with open(pending(pid)) as file:
            place = identity(file.fileno())
        record = find(scan(), *place)
        assert record is not None
        assert held_by(record) == {"for_children": (pid,)}
        assert record.type is NamespaceType.PID
        assert record.parent == id_of(f"/proc/{pid}/ns/pid")


def test_pending_pid_of_thread() -> None:
    """The same, of a single thread."""

    def leave() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)

    with thread_that(leave) as (_, tid):
        with open(pending(tid)) as file:
            place = identity(file.fileno())
        record = find(scan(), *place)
        assert record is not None
        assert held_by(record) == {"for_children": (tid,)}


@pytest.mark.parametrize("type", ["pid", "time"])
def test_children_elsewhere(type: str) -> None:
    """Who has children in a namespace is told from who is in it."""
    link = f"{type}_for_children"
    if type == "time":
        with process_in("time") as pid:
            record = known(scan(), f"/proc/{pid}/ns/{link}")
            assert held_by(record) == {"for_children": (pid,)}
    owner = ("user",) if TIER == "plain" else ()
    with holder(*owner, type) as inside:  # type: ignore[arg-type]
        found = scan()
        record = known(found, f"/proc/{inside.pid}/ns/{type}")
        process = found.process(inside.pid)
        assert process is not None
        kept = {"processes": (inside.pid,), "for_children": (process.ppid,)}
        assert held_by(record) == kept
        parent = found.process(process.ppid)
        assert parent is not None
        assert parent.namespaces[record.type] != record.id


@pytest.mark.parametrize("type", [type for type in TYPES if type != "pid"])
def test_descriptor(type: NamespaceType) -> None:
    """An open descriptor keeps a namespace that nobody is in."""

    def look() -> None:
        with made(type) as namespace:
            record = known(scan(), namespace.fileno())
            assert record.id == namespace.id
            holder = Holder(os.getpid(), namespace.fileno())
            assert held_by(record) == {"descriptors": (holder,)}
            assert record.leader is None
            found = scan(descriptors=False)
            assert find(found, record.id.dev, record.id.ino) is None

    powerful(look)


@POWER
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH], ids=["read", "path"])
def test_descriptor_by_path(
    flags: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A descriptor of a mounted one has a path for a name, and counts."""
    folder = tmp_path_factory.mktemp("mounts")

    def look() -> None:
        place = str(folder / "net")
        with open(place, "w"), made("net") as namespace:
            bind(f"/proc/self/fd/{namespace.fileno()}", place)
        with open(os.open(place, flags)) as file:
            assert os.readlink(f"/proc/self/fd/{file.fileno()}") == place
            record = known(scan(mounts=False), file.fileno())
            holder = Holder(os.getpid(), file.fileno())
            assert held_by(record) == {"descriptors": (holder,)}

    in_own_mounts(folder, look)


def test_descriptor_of_another() -> None:
    """So does one of another process, and one twice open is told twice."""

    def prepare() -> None:
        leave_for("uts")
        fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
        os.dup2(fd, 100)
        os.dup2(fd, 101)
        os.close(fd)

    with another_process(prepare) as pid:
        record = known(scan(), f"/proc/{pid}/ns/uts")
        assert record.processes == (pid,)
        assert record.descriptors == (Holder(pid, 100), Holder(pid, 101))


def test_descriptor_of_a_dead_leader() -> None:
    """The descriptors of a process are found when its first thread has ended."""

    def prepare() -> None:
        leave_for("uts")
        fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
        os.dup2(fd, 100)
        os.close(fd)
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)

    with leaderless(prepare) as (pid, tid):
        record = known(scan(), f"/proc/{pid}/task/{tid}/fd/100")
        assert held_by(record) == {"descriptors": (Holder(pid, 100),)}


def test_dead_leader() -> None:
    """Threads that outlive the first one of their process keep what they are in."""
    with leaderless(lambda: leave_for("uts", "ipc")) as (pid, tid):
        found = scan()
        record = known(found, f"/proc/{pid}/task/{tid}/ns/uts")
        assert held_by(record) == {"threads": (tid,)}
        process = found.process(pid)
        assert process is not None
        assert NamespaceType.UTS not in process.namespaces
        assert process.namespaces[NamespaceType.PID] == id_of("/proc/self/ns/pid")


@POWER
def test_socket() -> None:
    """A socket keeps the network namespace that it was made in."""
    made_there = NetNamespace.new("net")
    with closing(made_there.socket()) as end:
        place = made_there.id
        made_there.close()
        record = find(scan(), place.dev, place.ino)
        assert record is not None
        assert record.id == place
        holder = Holder(os.getpid(), end.fileno())
        assert held_by(record) == {"sockets": (holder,)}
        assert find(scan(descriptors=False), place.dev, place.ino) is None
        assert find(scan(["uts", "user"]), place.dev, place.ino) is None


@POWER
@pytest.mark.parametrize("room", [None, 60])
def test_pinned_too(room: int | None, tmp_path: Path) -> None:
    """A mount beside them hides no other holders, though no process is inside."""

    def look() -> None:
        if room is not None:  # In which workers cannot hold what they meet.
            resource.setrlimit(resource.RLIMIT_NOFILE, (room, room))
        path = tmp_path / "pin"
        network = NetNamespace.new("net")
        with closing(network), closing(network.socket()) as end:
            network.pin(path)
            record = known(scan(), network.fileno())
            held = held_by(record)
            assert held["sockets"] == (Holder(os.getpid(), end.fileno()),)
            assert held["descriptors"] == (Holder(os.getpid(), network.fileno()),)
            assert [pin.path for pin in record.pins] == [str(path)]

    in_own_mounts(tmp_path, look)


@POWER
def test_socket_of_another() -> None:
    """So does a socket of another process, which is not where the process is."""

    def prepare() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWNET)
        os.dup2((end := socket.socket()).fileno(), 100)
        end.close()
        lowlevel.unshare(lowlevel.CLONE_NEWNET)
        socket.socket().detach()

    with another_process(prepare) as pid:
        found = scan("net")
        keeping = [r for r in found if Holder(pid, 100) in r.sockets]
        assert [held_by(record) for record in keeping] == [
            {"sockets": (Holder(pid, 100),)}
        ]
        # A socket of where the process is keeps nothing that it does not.
        assert held_by(known(found, f"/proc/{pid}/ns/net")) == {"processes": (pid,)}
