"""`trace`: each call, each type, each failure, against what /proc says."""

import ctypes
import os
import platform
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from containers import runc
from support import identity, missing, own, program
from traced import SENTINEL, all_so_far, failing, told

from pynamespaces import Namespace, NamespaceType, Popen, lowlevel
from pynamespaces.tracing import (
    ChangeEvent,
    CloneEvent,
    NamespaceChange,
    SetnsEvent,
    TraceEvent,
    UnshareEvent,
    trace,
)

ROOT = pytest.mark.tier("root")

AT_ONCE = ["cgroup", "ipc", "mnt", "net", "user", "uts"]
"""What unshare(2) changes for the caller itself."""


def inos(*types: str) -> dict[str, int]:
    """Return the inode numbers of the calling thread's namespaces."""
    return {type: own(type)[1] for type in types}


def before(event: TraceEvent) -> dict[str, int | None]:
    """Return what an event says was before."""
    return {c.type: c.before.ino if c.before else None for c in changes(event)}


def after(event: TraceEvent) -> dict[str, int | None]:
    """Return what an event says has come of it."""
    return {c.type: c.after.ino if c.after else None for c in changes(event)}


def created(event: TraceEvent) -> dict[str, bool | None]:
    """Return what an event says was made."""
    return {c.type: c.created for c in changes(event)}


def changes(event: TraceEvent) -> tuple[NamespaceChange, ...]:
    """Return the changes of an event that has some."""
    assert isinstance(event, SetnsEvent | UnshareEvent | CloneEvent | ChangeEvent)
    return event.changes


@ROOT
@pytest.mark.parametrize("type", AT_ONCE)
def test_unshare(type: str) -> None:
    """A fresh namespace: where the thread was, where it is, and that it was made."""
    flag = int(NamespaceType(type).flag)

    def call() -> tuple[int, int, int]:
        was = own(type)[1]
        lowlevel.unshare(flag)
        return os.getpid(), was, own(type)[1]

    events, (pid, was, now) = told(call)
    (event,) = events
    assert isinstance(event, UnshareEvent)
    assert (event.pid, event.tid, event.ppid) == (pid, pid, os.getpid())
    assert (event.flags, event.types) == (flag, (NamespaceType(type),))
    assert (event.result, event.error, event.certainty) == (0, None, "kernel")
    assert before(event) == {type: was}
    assert after(event) == {type: now}
    assert created(event) == {type: True}
    change = event.changes[0]
    assert change.after is not None
    assert change.after.dev == own(type)[0]


@ROOT
def test_several_at_once() -> None:
    """One call that makes several is one event with several changes."""
    types = ["ipc", "net", "uts"]
    flags = sum(NamespaceType(type).flag for type in types)

    def call() -> dict[str, int]:
        lowlevel.unshare(flags)
        return inos(*types)

    (event,), now = told(call)
    assert after(event) == now
    assert created(event) == dict.fromkeys(types, True)


@ROOT
def test_pid_waits_for_the_first_child() -> None:
    """A fresh pid namespace shows itself in the first child, and no more later."""

    def call() -> tuple[int, int, int]:
        was = own("pid")[1]
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        init = os.fork()
        if init == 0:
            signal.pause()
        now = identity(f"/proc/{init}/ns/pid")[1]
        later = os.fork()
        if later == 0:
            os._exit(0)
        os.waitpid(later, 0)
        os.kill(init, signal.SIGKILL)
        os.waitpid(init, 0)
        return was, now, init

    (first, second), (was, now, init) = told(call)
    assert isinstance(first, UnshareEvent)
    assert first.types == (NamespaceType.PID,)
    assert not first.changes
    assert isinstance(second, ChangeEvent)
    assert second.child == init
    assert before(second) == {"pid": was}
    assert after(second) == {"pid": now}
    assert created(second) == {"pid": True}


@ROOT
def test_time_is_named_only() -> None:
    """Of a fresh time namespace the kernel tells no more than that it was asked for."""
    (event,), _ = told(lambda: lowlevel.unshare(lowlevel.CLONE_NEWTIME))
    assert isinstance(event, UnshareEvent)
    assert event.types == (NamespaceType.TIME,)
    assert (event.result, event.changes) == (0, ())


@ROOT
@pytest.mark.parametrize("nstype", [0, lowlevel.CLONE_NEWUTS])
def test_setns(nstype: int) -> None:
    """A namespace that was entered: from where to where, and that it was there."""
    with closing(Namespace.new("uts")) as target:

        def call() -> int:
            lowlevel.setns(target, nstype)
            return own("uts")[1]

        (event,), now = told(call)
        assert isinstance(event, SetnsEvent)
        assert now == target.id.ino
        assert (event.fd, event.nstype) == (target.fileno(), nstype)
        assert (event.result, event.error) == (0, None)
        assert event.types == (NamespaceType.UTS,)
        assert before(event) == {"uts": own("uts")[1]}
        assert after(event) == {"uts": now}
        assert created(event) == {"uts": False}


@ROOT
def test_setns_by_pidfd() -> None:
    """Several types of a process, entered by one call, are in one event."""
    types = [NamespaceType.IPC, NamespaceType.NET, NamespaceType.UTS]
    flags = sum(type.flag for type in types)
    with (
        Popen(["cat"], stdin=subprocess.PIPE, new=types) as process,
        closing(Closing(lowlevel.pidfd_open(process.pid))) as pidfd,
    ):

        def call() -> dict[str, int]:
            lowlevel.setns(pidfd.fd, flags)
            return inos(*types)

        (event,), now = told(call)
        assert isinstance(event, SetnsEvent)
        assert event.types == tuple(types)
        assert after(event) == now
        assert created(event) == dict.fromkeys(types, False)


class Closing:
    """A descriptor that is closed at the end of a block."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)


@ROOT
@pytest.mark.parametrize("nstype", [0, lowlevel.CLONE_NEWUTS])
def test_where_it_was_already(nstype: int) -> None:
    """To enter what one is in changes nothing, and is told with its type."""

    def call() -> None:
        with closing(Namespace.current("uts")) as mine:
            lowlevel.setns(mine, nstype)

    (event,), _ = told(call)
    assert isinstance(event, SetnsEvent)
    assert (event.result, event.changes) == (0, ())
    if nstype:
        assert event.types == (NamespaceType.UTS,)


FAILURES: dict[str, tuple[Callable[[], object], type[TraceEvent]]] = {
    "EBADF": (lambda: lowlevel.setns(SENTINEL - 1, 0), SetnsEvent),
    "EINVAL": (lambda: lowlevel.unshare(1), UnshareEvent),
}


@ROOT
@pytest.mark.parametrize("error", FAILURES)
def test_failure(error: str) -> None:
    """A call that fails is told with the name of the error."""
    function, kind = FAILURES[error]
    (event,), name = told(lambda: failing(function))
    assert isinstance(event, SetnsEvent | UnshareEvent)
    assert isinstance(event, kind)
    assert (name, event.error, event.result) == (error, error, -1)
    assert not event.changes


@ROOT
def test_no_permission() -> None:
    """So is one that was not allowed."""

    def call() -> str:
        os.setresuid(65534, 65534, 65534)
        return failing(lambda: lowlevel.unshare(lowlevel.CLONE_NEWNET))

    (event,), name = told(call)
    assert isinstance(event, UnshareEvent)
    assert (name, event.error, event.types) == ("EPERM", "EPERM", (NamespaceType.NET,))


@ROOT
def test_clone3() -> None:
    """Namespaces made with a child are told with the call, and of the child."""

    def call() -> tuple[int, int]:
        pid, pidfd = lowlevel.clone3(lowlevel.CLONE_NEWUTS | lowlevel.CLONE_NEWPID)
        if pid == 0:
            signal.pause()
        try:
            return pid, identity(f"/proc/{pid}/ns/uts")[1]
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if pidfd is not None:
                os.close(pidfd)

    (event,), (child, uts) = told(call)
    assert isinstance(event, CloneEvent)
    assert (event.syscall, event.child, event.result) == ("clone3", child, child)
    assert event.flags is None or event.flags & lowlevel.CLONE_NEWUTS
    assert set(event.types) == {NamespaceType.UTS, NamespaceType.PID}
    assert after(event)["uts"] == uts
    assert created(event) == {"uts": True, "pid": True}


@ROOT
def test_clone() -> None:
    """clone(2) has its flags as an argument, beside the signal at the end."""
    if platform.machine() not in CLONE:
        missing("clone", "its number is not known for this machine")

    def call() -> tuple[int, int]:
        libc = ctypes.CDLL(None, use_errno=True)
        flags = lowlevel.CLONE_NEWIPC | signal.SIGCHLD
        pid = libc.syscall(CLONE[platform.machine()], flags, None, None, None, None)
        if pid == 0:
            signal.pause()
        try:
            return pid, identity(f"/proc/{pid}/ns/ipc")[1]
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    (event,), (child, ipc) = told(call)
    assert isinstance(event, CloneEvent)
    assert (event.syscall, event.child) == ("clone", child)
    assert event.flags == lowlevel.CLONE_NEWIPC | signal.SIGCHLD
    assert event.types == (NamespaceType.IPC,)
    assert after(event) == {"ipc": ipc}


CLONE = {"x86_64": 56, "aarch64": 220}


@ROOT
def test_threads_and_forks_are_silent() -> None:
    """What changes nothing and was to change nothing is not told."""

    def call() -> None:
        thread = threading.Thread(target=list)
        thread.start()
        thread.join()
        subprocess.run(["true"], check=True)

    events, _ = told(call)
    assert not events


@ROOT
def test_a_thread_that_moves() -> None:
    """Of a thread it is told which; the others of its process are where they were."""

    def call() -> tuple[int, int, int]:
        found = []

        def move() -> None:
            lowlevel.unshare(lowlevel.CLONE_NEWUTS)
            found.append((threading.get_native_id(), own("uts")[1]))

        thread = threading.Thread(target=move)
        thread.start()
        thread.join()
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)
        return *found[0], own("uts")[1]

    (first, second), (tid, uts, own_uts) = told(call)
    assert isinstance(first, UnshareEvent)
    assert isinstance(second, UnshareEvent)
    assert first.tid == tid != first.pid == second.tid
    assert after(first) == {"uts": uts}
    assert before(second) == {"uts": own("uts")[1]}
    assert after(second) == {"uts": own_uts}


INT80 = """
#include <sched.h>
int main(void) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(310), "b"(CLONE_NEWUTS));
    return result != 0;
}
"""


@ROOT
def test_another_way_into_the_kernel(tmp_path: Path) -> None:
    """What calls by int 0x80 is not seen calling, but seen changing."""
    if platform.machine() != "x86_64":
        missing("int80", "only x86-64 has it")
    compiler = program("cc")
    (tmp_path / "int80.c").write_text("#define _GNU_SOURCE\n" + INT80)
    built = tmp_path / "int80"
    subprocess.run([compiler, "-o", built, tmp_path / "int80.c"], check=True)
    with trace(command=[str(built)]) as traced:
        (event,) = traced
    assert traced.returncode == 0
    assert isinstance(event, ChangeEvent)
    assert event.child is None
    assert before(event) == {"uts": own("uts")[1]}
    assert created(event) == {"uts": None}


# --- real programs ---


def of_command(command: Sequence[str]) -> list[TraceEvent]:
    """Return what is told of a command, which succeeds."""
    with trace(command=command) as traced:
        events = list(traced)
    assert traced.returncode == 0
    assert traced.ended
    return events


@ROOT
def test_unshare_program(tmp_path: Path) -> None:
    """unshare(1) makes what it says, and what it starts is there."""
    script = f"stat -Lc %i /proc/self/ns/net /proc/self/ns/uts > {tmp_path}/inos"
    command = [program("unshare"), "--net", "--uts", "sh", "-c", script]
    (event,) = of_command(command)
    net, uts = map(int, (tmp_path / "inos").read_text().split())
    assert isinstance(event, UnshareEvent)
    assert event.comm == "unshare"
    assert after(event) == {"net": net, "uts": uts}


@ROOT
def test_nsenter_program(tmp_path: Path) -> None:
    """nsenter(1) enters where its target is."""
    with Popen(["cat"], stdin=subprocess.PIPE, new=["ipc", "uts"]) as target:
        there = {
            type: identity(f"/proc/{target.pid}/ns/{type}")[1]
            for type in ("ipc", "uts")
        }
        command = [program("nsenter"), "--target", str(target.pid)]
        events = of_command([*command, "--ipc", "--uts", "true"])
    found: dict[str, int | None] = {}
    for event in events:
        assert isinstance(event, SetnsEvent)
        assert event.result == 0
        found |= after(event)
    assert found == there


@ROOT
def test_ip_netns_program() -> None:
    """``ip netns exec`` enters the named namespace, and makes mounts of its own."""
    own_name = f"traced-{os.getpid()}"
    subprocess.run([program("ip"), "netns", "add", own_name], check=True)
    try:
        net = identity(f"/run/netns/{own_name}")[1]
        events = of_command([program("ip"), "netns", "exec", own_name, "true"])
    finally:
        subprocess.run([program("ip"), "netns", "delete", own_name], check=True)
    entered, mounts = events
    assert isinstance(entered, SetnsEvent)
    assert after(entered) == {"net": net}
    assert isinstance(mounts, UnshareEvent)
    assert mounts.types == (NamespaceType.MNT,)


@ROOT
def test_bwrap_program(tmp_path: Path) -> None:
    """Bubblewrap makes its namespaces by clone(2), with the child in them."""
    script = f"stat -Lc %i /proc/self/ns/uts /proc/self/ns/ipc > {tmp_path}/inos"
    command = [program("bwrap"), "--dev-bind", "/", "/", "--unshare-uts"]
    events = of_command([*command, "--unshare-ipc", "sh", "-c", script])
    uts, ipc = map(int, (tmp_path / "inos").read_text().split())
    clones = [event for event in events if isinstance(event, CloneEvent)]
    assert {"uts": uts, "ipc": ipc}.items() <= after(clones[0]).items()


@ROOT
def test_runc_container(tmp_path: Path) -> None:
    """Who enters a container is seen entering just the container's namespaces."""
    with runc(tmp_path) as container:
        command = [program("nsenter"), "--target", str(container.pid), "--all"]
        events = of_command([*command, "/bin/sh", "-c", ":"])
        types = ("ipc", "mnt", "net", "uts")
        there = {type: container.identity(type)[1] for type in types}
    found: dict[str, int | None] = {}
    for event in events:
        found |= after(event)
    assert there.items() <= found.items()


@ROOT
def test_runc_program(tmp_path: Path) -> None:
    """Of a container that starts, all that is its own is seen being made."""
    with trace(interval=0.005) as traced, runc(tmp_path) as container:
        made = {
            (change.type, change.after.ino)
            for event in all_so_far(traced)
            for change in changes(event)
            if change.after is not None and change.created
        }
        for type in container.types & {"ipc", "mnt", "net", "uts", "pid"}:
            assert (NamespaceType(type), container.identity(type)[1]) in made
