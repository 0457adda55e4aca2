"""Owners and parents: found by what they lead to, and told rightly."""

import os
import signal
import socket

import pytest
from newer import need
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
from provoking import another_process, own_user
from support import own_all

from pynamespaces import NamespaceId, NamespaceType, lowlevel, scan
from pynamespaces.inventory import Holder, NamespaceRecord


def owner_of(path: str | int) -> NamespaceId | None:
    """Ask the kernel who owns a namespace."""
    return _ask(path, lowlevel.ns_get_userns)


def parent_of(path: str | int) -> NamespaceId | None:
    """Ask the kernel for the parent of a namespace."""
    return _ask(path, lowlevel.ns_get_parent)


def _ask(path: str | int, ask: object) -> NamespaceId | None:
    assert callable(ask)
    fd = os.dup(path) if isinstance(path, int) else os.open(path, os.O_RDONLY)
    try:
        kin = ask(fd)
    except PermissionError:
        return None
    finally:
        os.close(fd)
    try:
        return id_of(kin)
    finally:
        os.close(kin)


def test_own() -> None:
    """The caller's own are there, with the owners and parents that the kernel tells."""
    found = scan()
    for type in TYPES:
        path = f"/proc/self/ns/{type}"
        record = known(found, path)
        assert record.id == id_of(path)
        assert record.owner == owner_of(path)
        hierarchical = type in (NamespaceType.PID, NamespaceType.USER)
        assert record.parent == (parent_of(path) if hierarchical else None)
        assert os.getpid() in record.processes


def test_every_record() -> None:
    """What a scan says of a process that lives is what the kernel says of it."""
    found = scan()
    process = found.process(os.getpid())
    assert process is not None
    links = {f"{t}": str(id) for t, id in process.namespaces.items()}
    own = own_all()
    assert links == {name: own[name] for name in links}
    assert len(links) == len(TYPES)
    for record in found:
        assert record.owner is None or found.namespace(record.owner) is not None
        assert record.parent is None or found.namespace(record.parent) is not None
        if record.type is NamespaceType.USER:
            assert record.owner == record.parent


def test_nested_users() -> None:
    """A user namespace is found by being the parent of one that a process is in."""

    def nest() -> None:
        own_user()
        own_user()
        own_user()

    with another_process(nest) as pid:
        found = scan()
        top = known(found, f"/proc/{pid}/ns/user")
        chain: list[NamespaceRecord] = [top]
        for _ in range(2):
            parent = chain[-1].parent
            assert parent == chain[-1].owner
            assert parent is not None
            record = found.namespace(parent)
            assert record is not None
            assert record.id == parent
            assert held_by(record) == {}
            assert record.leader is None
            assert record.owner_uid == os.geteuid()
            chain.append(record)
        assert chain[0].parent == parent_of(f"/proc/{pid}/ns/user")
        assert chain[-1].parent == id_of("/proc/self/ns/user")


def test_nested_pids() -> None:
    """So is a pid namespace, of one in which nobody lives any more."""
    need("pidfd-namespaces")

    def look() -> None:
        ours, theirs = socket.socketpair()
        init = os.fork()
        if init == 0:
            lowlevel.unshare(lowlevel.CLONE_NEWPID)
            if (init := os.fork()) == 0:
                nest(theirs)
            theirs.close()
            os.waitpid(init, 0)
            os._exit(0)
        theirs.close()
        with ours:
            _, (fd,), _, _ = socket.recv_fds(ours, 1, 1)
            ours.sendall(b".")
            os.waitpid(init, 0)
        try:
            check(fd)
        finally:
            os.close(fd)

    def nest(end: socket.socket) -> None:
        """Send the pid namespace of a child of this init's."""
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        child = os.fork()
        if child == 0:
            signal.pause()
        # Its /proc is another's, but a pidfd is by the caller's own ids.
        pidfd = lowlevel.pidfd_open(child)
        socket.send_fds(end, [b"."], [lowlevel.pidfd_get_pid_namespace(pidfd)])
        end.recv(1)
        os._exit(0)

    def check(fd: int) -> None:
        found = scan()
        record = known(found, fd)
        assert held_by(record) == {"descriptors": (Holder(os.getpid(), fd),)}
        assert record.parent is not None
        middle = found.namespace(record.parent)
        assert middle is not None
        assert middle.id == parent_of(fd)
        assert held_by(middle) == {}
        assert middle.parent == id_of("/proc/self/ns/pid")

    powerful(look)


def test_only_owner() -> None:
    """And a user namespace is found by being the owner of another."""

    def own() -> None:
        own_user()
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)

    with another_process(own) as pid:
        owner = id_of(f"/proc/{pid}/ns/user")
        fd = os.open(f"/proc/{pid}/ns/uts", os.O_RDONLY)
    with open(fd):
        found = scan()
        record = known(found, fd)
        assert held_by(record) == {"descriptors": (Holder(os.getpid(), fd),)}
        assert record.owner == owner
        assert record.parent is None
        kept = found.namespace(owner)
        assert kept is not None
        assert held_by(kept) == {}
        assert kept.owner_uid == record.owner_uid == os.geteuid()
    assert find(scan(), owner.dev, owner.ino) is None


@pytest.mark.tier("root")
def test_owner_uid() -> None:
    """The user of an owner is the one who made it."""

    def own() -> None:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        lowlevel.unshare(lowlevel.CLONE_NEWUSER | lowlevel.CLONE_NEWNET)

    with another_process(own) as pid:
        found = scan()
        for type in ("user", "net"):
            record = known(found, f"/proc/{pid}/ns/{type}")
            assert record.owner_uid == 65534
        process = found.process(pid)
        assert process is not None
        assert process.uid == os.stat(f"/proc/{pid}").st_uid
        assert known(found, f"/proc/{pid}/ns/uts").owner_uid == 0


def test_pids_inside() -> None:
    """A process is known by what it is called in each pid namespace down to its own."""

    def look() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        reader, writer = os.pipe()
        outer = os.fork()
        if outer == 0:
            lowlevel.unshare(lowlevel.CLONE_NEWPID)
            if os.fork() == 0:
                os.write(writer, b"!")
            signal.pause()
        assert os.read(reader, 1) == b"!"
        found = scan()
        assert found.process(1) is not None
        for process in found.processes():
            path = f"/proc/{process.pid}/status"
            assert process.pids == tuple(map(int, field(path, "NSpid")))
        depths = [len(process.pids) for process in found.processes()]
        assert depths.count(2) == depths.count(3) == 1
        (inner,) = (p for p in found.processes() if len(p.pids) == 3)
        assert inner.pids == (inner.pid, 2, 1)
        assert inner.ppid == outer
        record = known(found, f"/proc/{inner.pid}/ns/pid")
        assert record.parent == parent_of(f"/proc/{inner.pid}/ns/pid")
        os.kill(outer, signal.SIGKILL)
        os.waitpid(outer, 0)

    alone(look)


def field(path: str, name: str) -> list[str]:
    """Return the words of a field of a status."""
    with open(path) as file:
        lines = [line.split(":", 1) for line in file]
    return dict(lines)[name].split()


def test_leader() -> None:
    """The leader is the oldest process, whatever the ids are."""
    with process_in("uts") as pid:
        found = scan()
        record = known(found, f"/proc/{pid}/ns/uts")
        assert record.leader == pid
        for record in found:
            started = {
                process.pid: process.started
                for process in map(found.process, record.processes)
                if process is not None
            }
            assert tuple(started) == tuple(sorted(record.processes))
            oldest = min(started.values(), default=None)
            assert started.get(record.leader or 0) == oldest
