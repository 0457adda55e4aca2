"""Scans: what is looked for, how processes are told, and what becomes of the result."""

import json
import os
import pickle
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from containers import netns, runc
from engine_files import Machine, machine
from naming import in_own_run
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
)
from provoking import another_process, libc, zombie
from refs import made
from stalling import puppet
from support import TIER, program

from pynamespaces import NamespaceType, NetNamespace, TypeLike, lowlevel, scan
from pynamespaces._core.containers import Container
from pynamespaces.inventory import Inventory, Move, ProcessRecord

__all__ = ["machine", "netns"]

OWNERS: tuple[TypeLike, ...] = ("user",) if TIER == "plain" else ()


@pytest.mark.parametrize("types", ["net", ["net"], ["net", "pid"], {"uts"}, [], "user"])
def test_types(types: TypeLike | list[TypeLike]) -> None:
    """Only the types that were asked for are in records, of whatever kind."""
    wanted = {types} if isinstance(types, str) else {*types}
    found = scan(types)
    assert {record.type for record in found} == wanted
    own = found.process(os.getpid())
    assert own is not None
    assert {*own.namespaces} == wanted
    assert own.namespaces == {
        type: id_of(f"/proc/self/ns/{type}") for type in own.namespaces
    }
    assert {type for p in found.processes() for type in p.namespaces} <= wanted


def test_types_any_iterable() -> None:
    """Types may come from whatever gives them, twice too, as texts or as members."""
    found = scan(type for type in ("uts", NamespaceType.NET, "uts"))
    assert {record.type for record in found} == {"uts", "net"}
    assert {record.type for record in scan(NamespaceType.IPC)} == {"ipc"}
    # An owner is told though it has no record.
    with process_in("uts") as pid:
        record = known(scan("uts"), f"/proc/{pid}/ns/uts")
        assert record.owner == id_of(f"/proc/{pid}/ns/user")
        assert record.owner_uid == os.geteuid()


@pytest.mark.parametrize("types", ["network", ["net", "pidd"], "", ["net,uts"]])
def test_wrong_types(types: TypeLike | list[TypeLike]) -> None:
    """What is none of the eight is refused at once, and they are named."""
    with pytest.raises(ValueError) as caught:
        scan(types)
    assert all(type in str(caught.value) for type in TYPES)


def test_progress() -> None:
    """Who waits is told how far it is: never more than all, and never less again."""
    told: list[tuple[int, int]] = []
    count = len(scan(progress=lambda *numbers: told.append(numbers)).processes())
    for done, total in told:
        assert 0 <= done <= total
        assert total <= count * 2
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len({total for _, total in told}) <= 1


def record_of(found: Inventory, pid: int) -> ProcessRecord:
    """Return the record of a process that must be there."""
    record = found.process(pid)
    assert record is not None
    return record


NAMES = [
    b"plain",
    b"a) S 1 (b",
    b"two\nlines",
    b"\xff\xfe",
    b"\x1b[2Jesc",
    b"",
    b"((((",
    b"))))",
    "ü".encode() * 7,
]


@pytest.mark.parametrize("name", NAMES)
def test_names(name: bytes) -> None:
    """The name of a process is told as it is, whatever is in it."""
    with another_process(lambda: libc.prctl(15, name)) as pid:
        record = record_of(scan(), pid)
        assert os.fsencode(record.name) == name
        assert record.ppid == os.getpid()
        assert record.uid == os.stat(f"/proc/{pid}").st_uid
        assert record.started == started(pid)
        assert record.threads == 1
        assert record.pids[0] == pid


def started(pid: int) -> int:
    """Return when a process began."""
    text = Path(f"/proc/{pid}/stat").read_bytes()
    return int(text.rpartition(b") ")[2].split()[19])


ARGUMENTS: list[list[bytes]] = [
    [b"sleep", b"100"],
    [b"", b"100"],
    [b"a b", b"100", b"c\nd", b"\xff\xfe", b"\x1b[31m"],
    [b"sleep", b"", b"100"],
    [b"sleep", *[b"x" * 1000] * 20],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=repr)
def test_arguments(arguments: list[bytes]) -> None:
    """The command line is told as it was given."""
    code = "read x"  # A shell that waits for its input, whatever follows.
    words = [arguments[0], b"-c", code.encode(), *arguments[1:]]
    with subprocess.Popen(
        words, executable=program("sh"), stdin=subprocess.PIPE, cwd="/"
    ) as process:
        record = record_of(scan(), process.pid)
        assert [os.fsencode(word) for word in record.arguments] == words
        assert record_of(scan(arguments=False), process.pid).arguments == ()
        assert process.stdin is not None
        process.stdin.close()


def test_rewritten_title() -> None:
    """A process that has written over its command line is told as it wants to be."""
    code = (
        "import ctypes, sys; sys.stdout.write('.'); sys.stdout.flush();"
        "words = open('/proc/self/stat').read().rpartition(') ')[2].split();"
        "start = int(words[45]); size = int(words[46]) - start;"
        "ctypes.memset(start, 0, size); ctypes.memmove(start, b'my title', 8);"
        "print('!', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [program("python3"), "-c", code, "x" * 100],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(2) == b".!"
        first, *rest = record_of(scan(), process.pid).arguments
        assert first == "my title"
        assert not any(rest)
        process.stdin.close()


def test_long_arguments() -> None:
    """Of a long command line, the first 32 KiB are told."""
    words = ["sh", "-c", "read x", *["y" * 9999] * 10]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        arguments = record_of(scan(), process.pid).arguments
        assert list(arguments) == "\0".join(words)[:32768].split("\0")
        assert process.stdin is not None
        process.stdin.close()


def test_kernel_threads() -> None:
    """Threads of the kernel have a name, and no command line."""
    found = {
        process.pid
        for process in scan().processes()
        if process.ppid == 2 and not process.arguments
    }
    assert found == {
        int(name)
        for name in os.listdir("/proc")
        if name.isdecimal() and int(name) in found | kernel_threads(name)
    }


def kernel_threads(name: str) -> set[int]:
    """Return the id, if it is the child of kthreadd."""
    try:
        text = Path(f"/proc/{name}/stat").read_text(errors="replace")
    except OSError:
        return set()
    return {int(name)} if text.rpartition(") ")[2].split()[1] == "2" else set()


def test_zombie() -> None:
    """A process that has ended, and was not waited for, keeps what the kernel tells."""
    pid = zombie()
    try:
        found = scan()
        record = record_of(found, pid)
        assert record.arguments == ()
        assert {"pid", "user"} >= {*record.namespaces}
        for type, id in record.namespaces.items():
            assert id == id_of(f"/proc/self/ns/{type}")
            assert pid in known(found, f"/proc/self/ns/{type}").processes
    finally:
        os.waitpid(pid, 0)


def test_dead_leader() -> None:
    """Threads that outlive the first one of their process keep what they are in."""
    with leaderless(lambda: leave_for("uts", "ipc")) as (pid, tid):
        found = scan()
        for type in ("uts", "ipc"):
            record = known(found, f"/proc/{pid}/task/{tid}/ns/{type}")
            assert held_by(record) == {"threads": (tid,)}
        process = record_of(found, pid)
        assert NamespaceType.UTS not in process.namespaces
        assert process.threads == 2


def test_threads_counted() -> None:
    """The caller has as many threads as it has: those of the scan do not count."""
    count = len(os.listdir("/proc/self/task"))
    for threads in (True, False):
        found = scan(threads=threads)
        assert record_of(found, os.getpid()).threads == count


def test_container(machine: Machine, tmp_path: Path) -> None:
    """A process in a container is told with it, and so are none outside."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (machine.run / "runc").symlink_to(folder / "state")
    with runc(folder) as inside:
        found = scan()
        record = record_of(found, inside.pid)
        assert record.container == Container("runc", f"pyns-{os.getpid()}")
        assert record.pids == (inside.pid, 1)
        assert record_of(found, os.getpid()).container is None
        for type in inside.types - {"time_for_children"}:
            namespace = known(found, f"/proc/{inside.pid}/ns/{type}")
            assert inside.pid in namespace.processes
            assert os.getpid() not in namespace.processes


@pytest.mark.tier("root")
def test_name_by_ip(netns: str) -> None:
    """What ``ip netns`` has named has that name."""
    record = known(scan(), f"/run/netns/{netns}")
    assert record.name == netns
    assert [pin.path for pin in record.pins].count(f"/run/netns/{netns}") >= 1
    assert known(scan(mounts=False, types="net"), "/proc/self/ns/net").name is None


@pytest.mark.tier("root", "userns")
def test_name_by_us() -> None:
    """And what the library has named."""

    def look() -> None:
        NetNamespace.create("blue").close()
        found = scan("net")
        record = known(found, "/run/netns/blue")
        assert record.name == "blue"
        assert held_by(record).keys() == {"pins"}
        assert {r.name for r in found if r.name} == {"blue"}

    in_own_run(look)


def test_pickle_and_json() -> None:
    """The result of a scan can be kept, in both ways, and is equal then."""

    def prepare() -> None:
        libc.prctl(15, b"\xff\n\x1b[1m)")
        leave_for("net", "uts")

    with another_process(prepare) as pid:
        found = scan()
        assert found == pickle.loads(pickle.dumps(found))
        text = found.to_json()
        again = Inventory.from_json(text)
        assert again == found
        assert json.loads(text)
        assert record_of(again, pid) == record_of(found, pid)
        assert not again.diff(found)


def test_difference() -> None:
    """Two scans tell what has appeared, vanished and moved between them."""
    kept: list[int] = []

    def leave() -> None:
        leave_for("ipc", "uts")
        kept.append(os.open("/proc/self/ns/uts", os.O_RDONLY))
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)

    def go_back() -> None:
        lowlevel.setns(kept[0], lowlevel.CLONE_NEWUTS)

    def look() -> None:
        with puppet(leave, go_back) as mover:
            mover.go_on()
            with made("user") as vanishing:
                before, old = scan(), vanishing.id
            mover.go_on()
            with made("user") as appearing:
                after, new = scan(), appearing.id
            changes = after.diff(before)
            uts = record_of(before, mover.pid).namespaces[NamespaceType.UTS]
            move = Move(
                mover.pid, NamespaceType.UTS, uts, id_of(f"/proc/{mover.pid}/ns/uts")
            )
            assert [m for m in changes.moved if m.pid == mover.pid] == [move]
            if old.unique is not None:
                assert old in [record.id for record in changes.vanished]
                assert new in [record.id for record in changes.appeared]

    powerful(look)


def test_switched_off(tmp_path: Path) -> None:
    """What is switched off is in no record."""
    with closing(NetNamespace.current("net")):
        found = scan(threads=False, descriptors=False, mounts=False)
        for record in found:
            assert not record.threads
            assert not record.descriptors
            assert not record.sockets
            assert not record.pins
            assert record.name is None
        assert scan(
            threads=False, descriptors=False, mounts=False, arguments=False
        ).process(os.getpid())
        own = known(scan(), "/proc/self/ns/net")
        assert os.getpid() in {holder.pid for holder in own.descriptors}
    assert find(found, own.id.dev, own.id.ino) is not None
