"""Scans while the machine goes on: nothing is taken for what got its number."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from mounting import MS_BIND, mount
from pinning import fresh_fd
from populating import alone, end, find, id_of, known, leave_for, start_thread
from provoking import another_process, own_mounts, own_user
from refs import has_handles
from stalling import puppet, stopped_at_socket, with_socket, without_sockets
from support import identity, missing

from pynamespaces import NamespaceId, NamespaceType, TypeLike, lowlevel, scan
from pynamespaces.inventory import Inventory

STORM = 1.5
"""How long it lasts, in seconds."""

PLACES: tuple[tuple[TypeLike, ...], ...] = (
    ("uts", "ipc"),
    ("user", "net"),
    ("uts", "mnt"),
    (),
)
"""Where those are who stay: in fresh namespaces of these types."""

PATIENCE = 0.7
"""How long it is tried to get a number again, in seconds."""


def check_consistent(found: Inventory) -> None:
    """Check that what a scan says at one place it says at the others, too."""
    records = {record.id: record for record in found}
    assert len({(id.dev, id.ino) for id in records}) == len(found)
    uniques = [id.unique for id in records if id.unique is not None]
    assert len({*uniques}) == len(uniques)
    for process in found.processes():
        for type, id in process.namespaces.items():
            assert id.type is type
            assert process.pid in records[id].processes
    for id, record in records.items():
        for pid in record.processes:
            member = found.process(pid)
            assert member is not None
            assert member.namespaces[id.type] == id
        for pid in record.for_children:
            elsewhere = found.process(pid)
            assert elsewhere is None or elsewhere.namespaces.get(id.type) != id
        assert (record.leader in record.processes) == bool(record.processes)
        for kin in (record.owner, record.parent):
            assert kin is None or kin in records


def rage() -> None:
    """Have children in fresh namespaces that end at once, for ever."""
    kinds = (
        lowlevel.CLONE_NEWUSER,
        lowlevel.CLONE_NEWUTS,
        lowlevel.CLONE_NEWNET,
        lowlevel.CLONE_NEWPID,
        lowlevel.CLONE_NEWUSER | lowlevel.CLONE_NEWUTS | lowlevel.CLONE_NEWPID,
        lowlevel.CLONE_NEWIPC | lowlevel.CLONE_NEWUTS | lowlevel.CLONE_NEWNS,
    )
    while True:
        for kind in kinds:
            pid = os.fork()
            if pid == 0:
                try:
                    lowlevel.unshare(kind)
                    if os.fork() == 0:
                        os.open("/proc/self/ns/uts", os.O_RDONLY)
                        os._exit(0)
                    os.wait()
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)


@contextmanager
def storm(count: int = 2) -> Iterator[None]:
    """Have so many that rage; all of it ends with them."""
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                # What they leave behind is the init's to reap.
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                rage()
            finally:
                os._exit(1)
        pids.append(pid)
    try:
        yield
    finally:
        for pid in pids:
            end(pid)


def test_storm() -> None:
    """While others come and go, scans are true, and who stays is told rightly."""

    def look() -> int:
        with ExitStack() as stack:
            pids = [
                stack.enter_context(another_process(partial(leave_for, *types)))
                for types in PLACES
            ]
            tids = thread_in_uts(stack)
            fd = fresh_fd("uts")
            before = {
                (pid, type): id_of(f"/proc/{pid}/ns/{type}")
                for pid in pids
                for type in ("uts", "ipc", "user", "net", "mnt")
            }
            stack.enter_context(storm())
            deadline = time.monotonic() + STORM
            count = 0
            while time.monotonic() < deadline or count < 5:
                found = scan()
                check_consistent(found)
                for (pid, type), id in before.items():
                    process = found.process(pid)
                    assert process is not None
                    assert process.namespaces[NamespaceType(type)] == id
                    record = found.namespace(id)
                    assert record is not None
                    members = {p for (p, _), other in before.items() if other == id}
                    assert members <= {*record.processes}
                    if os.getpid() not in record.processes:
                        assert members == {*record.processes}
                        assert record.owner is not None
                        assert record.leader == min(members)
                lone = known(found, f"/proc/{tids[0]}/task/{tids[1]}/ns/uts")
                assert lone.threads == (tids[1],)
                assert lone.processes == ()
                held = known(found, fd)
                assert held.id == id_of(fd)
                assert {*held.descriptors} >= {(os.getpid(), fd)}
                assert held.processes == ()
                count += 1
            os.close(fd)
            return count

    assert alone(look) >= 5


def thread_in_uts(stack: ExitStack) -> tuple[int, int]:
    """Have a thread alone in a namespace; return its process and it."""

    def prepare() -> None:
        start_thread(lambda: lowlevel.unshare(lowlevel.CLONE_NEWUTS))

    pid = stack.enter_context(another_process(prepare))
    (tid,) = {int(name) for name in os.listdir(f"/proc/{pid}/task")} - {pid}
    return pid, tid


def passed_on(
    type: str,
    first: Callable[[], object],
    take_over: Callable[[tuple[int, int]], object],
) -> tuple[Inventory, NamespaceId, NamespaceId, int, int]:
    """
    Scan while a namespace dies whose number goes to another.

    Return what was found, which namespace had the number and which has it, who was in
    the former, and who has made the latter.
    """
    without_sockets()
    with puppet(first) as early, another_process(with_socket):
        early.go_on()
        path = f"/proc/{early.pid}/ns/{type}"
        place, old = identity(path), id_of(path)
        with puppet(lambda: take_over(place)) as late:

            def pass_on() -> None:
                early.end()
                late.go_on()

            found = stopped_at_socket(pass_on, scan)
            places = (f"ns/{type}", "fd/200", "root/mnt/uts")
            paths = [f"/proc/{late.pid}/{place}" for place in places]
            fresh = [id_of(path) for path in paths if os.path.exists(path)]
            check_consistent(found)
            # The first is where it was before, if it has not moved.
            return found, old, fresh[-1], early.pid, late.pid


def get_number(place: tuple[int, int], type: TypeLike) -> None:
    """
    Get a namespace with this number, in descriptor 200; others are let go.

    A scan may hold on to what it has met: then it gets another one.
    """
    deadline = time.monotonic() + PATIENCE
    # The kernel may free the old one some time after who was in it has ended.
    while True:
        tried = [fresh_fd(type) for _ in range(60)]
        got = [fd for fd in tried if identity(fd) == place]
        is_over = bool(got) or time.monotonic() > deadline
        if is_over:
            os.dup2((got or tried)[0], 200)
        for fd in tried:
            os.close(fd)
        if is_over:
            return


def enter_number(place: tuple[int, int]) -> None:
    """Be in a namespace with this number."""
    get_number(place, "uts")
    lowlevel.setns(200, 0)
    os.close(200)


def pin_number(place: tuple[int, int]) -> None:
    """Have a namespace with this number mounted, out of sight of who scans."""
    get_number(place, "uts")
    own_mounts()
    mount("/mnt")
    with open("/mnt/uts", "w"):
        pass
    mount("/mnt/uts", MS_BIND, source="/proc/self/fd/200", type=None)
    os.close(200)


def told(found: Inventory, old: NamespaceId, new: NamespaceId, early: int) -> list[str]:
    """Say what is not true of a namespace that has got another's number."""
    owned = [r for r in found if new in (r.owner, r.parent)]
    wrong = [f"whose it never was: {record}" for record in owned]
    record = find(found, new.dev, new.ino)
    if record is None:
        return wrong
    if record.id == old and (record.descriptors or record.pins):
        wrong.append(f"what is gone is held: {record}")
    if record.id == new and early in record.processes:
        wrong.append(f"who never was there: {record}")
    return wrong


@pytest.mark.parametrize(
    "take_over",
    [enter_number, lambda place: get_number(place, "uts"), pin_number],
    ids=["process", "descriptor", "mount"],
)
def test_number_passed_on(take_over: Callable[[tuple[int, int]], object]) -> None:
    """What died meanwhile is not taken for what got its number, nor held by it."""

    def look() -> list[str]:
        if not has_handles():
            missing("handles", "what got a number cannot be told from what had it")
        found, old, new, early, late = passed_on(
            "uts", lambda: leave_for("uts"), take_over
        )
        assert old != new
        process = found.process(late)
        assert process is not None
        if take_over is enter_number and process.namespaces:
            assert process.namespaces[NamespaceType.UTS] == new
        return told(found, old, new, early)

    assert alone(look) == []


def test_owner_passed_on() -> None:
    """Nor is an owner that has died taken for who got its number."""

    def own() -> None:
        own_user()
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)

    def look() -> list[str]:
        if not has_handles():
            missing("handles", "what got a number cannot be told from what had it")
        found, old, new, early, _ = passed_on(
            "user", own, lambda place: get_number(place, "user")
        )
        return told(found, old, new, early)

    assert alone(look) == []
