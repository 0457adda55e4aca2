"""`trace`: what is watched and how, what is lost, and what is left when it ends."""

import asyncio
import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import pytest
from mounting import fresh_mounts, inside, mount
from provoking import FakeLib, another_process
from support import TIER, in_child, own
from traced import all_so_far, failing

from pynamespaces import NamespaceType, lowlevel
from pynamespaces.errors import NamespacePermissionError, NoSuchProcessError
from pynamespaces.tracing import (
    ChangeEvent,
    LostEvent,
    SetnsEvent,
    TraceEvent,
    UnshareEvent,
    _calibration,
    _points,
    trace,
)

ROOT = pytest.mark.tier("root")

UTS = int(lowlevel.CLONE_NEWUTS)


def mount_tracefs() -> None:
    """Have tracefs here, whether or not it was there."""
    mount(_points._MOUNTED, type="tracefs")


def pids(events: list[TraceEvent]) -> set[int]:
    """Return who has called."""
    return {event.pid for event in events if not isinstance(event, LostEvent)}


def unshare_uts() -> int:
    """Make a uts namespace; return who has done so."""
    lowlevel.unshare(UTS)
    return os.getpid()


@ROOT
def test_machine() -> None:
    """Without a process or a command, everybody is watched."""
    with trace(interval=0.005) as traced:
        assert (traced.backend, traced.pid) == ("perf", None)
        assert in_child(unshare_uts) in pids(all_so_far(traced))
        assert not traced.ended


@ROOT
def test_process_and_its_descendants() -> None:
    """Of a process, what it bears is watched."""
    with trace(pid=os.getpid(), interval=0.005) as traced:
        assert traced.pid == os.getpid()
        child = in_child(lambda: in_child(unshare_uts))
        assert pids(all_so_far(traced)) == {child}


@ROOT
def test_others_are_not_watched() -> None:
    """What others do is not told of."""
    with another_process(lambda: None) as pid, trace(pid=pid) as traced:
        in_child(unshare_uts)
        os.kill(pid, signal.SIGKILL)
        assert not list(traced)


@contextmanager
def waiting(
    function: Callable[[], int],
) -> Iterator[tuple[Callable[[], None], list[int]]]:
    """Have a grandchild run a function when it is told; and what that returned."""
    ready, told = os.pipe(), os.pipe()
    answers: list[int] = []

    def grandchild() -> int:
        os.write(ready[1], b".")
        os.read(told[0], 1)
        return function()

    def go() -> None:
        os.write(told[1], b".")
        thread.join()

    def run() -> None:
        answers.append(in_child(lambda: in_child(grandchild)))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        os.read(ready[0], 1)
        yield go, answers
    finally:
        go()
        for fd in (*ready, *told):
            os.close(fd)


@ROOT
def test_descendants_from_before() -> None:
    """What the process has borne before is watched, too."""
    with waiting(unshare_uts) as (go, answers):
        with trace(pid=os.getpid(), interval=0.005) as traced:
            go()
            assert pids(all_so_far(traced)) == set(answers)


@ROOT
def test_ends_with_the_process() -> None:
    """When the process ends, all of it is told, and then iteration ends."""
    with another_process(lambda: None) as pid:
        with trace(pid=pid) as traced:
            os.kill(pid, signal.SIGKILL)
            assert not list(traced)
            assert traced.ended
            assert traced.read() == []
            assert traced.returncode is None


@ROOT
def test_changes_only() -> None:
    """Without calls, only what changes namespaces is told, and no failure."""
    with trace(pid=os.getpid(), calls=False, interval=0.005) as traced:
        in_child(lambda: failing(lambda: lowlevel.unshare(1)))
        pid = in_child(unshare_uts)
        found: list[TraceEvent] = []
        while not found:
            found = traced.read(1)
    (event,) = found
    assert isinstance(event, ChangeEvent)
    assert (event.pid, event.child, event.certainty) == (pid, None, "kernel")
    assert [change.type for change in event.changes] == [NamespaceType.UTS]


@ROOT
def test_filters() -> None:
    """Types, calls, failures and what changes nothing can be left out."""

    def calls() -> None:
        failing(lambda: lowlevel.unshare(1))
        lowlevel.unshare(int(lowlevel.CLONE_NEWIPC))
        lowlevel.unshare(UTS)
        fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
        lowlevel.setns(fd, UTS)
        os.close(fd)

    def kinds(**options: object) -> list[str]:
        with trace(pid=os.getpid(), interval=0.005, **options) as traced:  # type: ignore[arg-type]
            in_child(calls)
            in_child(lambda: lowlevel.unshare(int(lowlevel.CLONE_NEWCGROUP)))
            found: list[TraceEvent] = []
            while not any("cgroup" in str(event) for event in found):
                found += traced.read(0.5)
        names = []
        for event in found[:-1]:
            assert isinstance(event, SetnsEvent | UnshareEvent)
            what = event.error or ",".join(event.types)
            names.append(f"{type(event).__name__.removesuffix('Event')} {what}")
        return names

    ipc, uts, again = "Unshare ipc", "Unshare uts", "Setns uts"
    assert kinds() == ["Unshare EINVAL", ipc, uts, again]
    assert kinds(failed=False) == [ipc, uts, again]
    assert kinds(changed_only=True) == [ipc, uts]
    assert kinds(types=["uts", "cgroup"]) == [uts, again]
    assert kinds(syscalls=["unshare"]) == ["Unshare EINVAL", ipc, uts]


# --- loss ---

STORM = 30_000


STORMING = """
import ctypes, os, sys
fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
call = ctypes.CDLL(None).setns
for _ in range(int(sys.argv[1])):
    call(fd, 0x04000000)
"""
"""Enter where one is already, often."""


@ROOT
@pytest.mark.parametrize("backend", ["perf", "perf-own"])
@pytest.mark.parametrize("is_read", [True, False])
def test_each_is_told_or_counted(
    backend: Literal["perf", "perf-own"], is_read: bool
) -> None:
    """In a storm, what there is no event of is counted, also in the last burst."""
    command = [sys.executable, "-c", STORMING, str(STORM)]
    options = {"interval": 0.005, "buffer": 1 << 16, "syscalls": ["setns"]}
    found: list[TraceEvent] = []
    with trace(command=command, backend=backend, **options) as traced:  # type: ignore[arg-type]
        if not is_read:
            time.sleep(0.5)
        found += traced
    assert traced.returncode == 0
    told_of = sum(isinstance(event, SetnsEvent) for event in found)
    lost = [event for event in found if isinstance(event, LostEvent)]
    count = sum(event.count for event in lost)
    # Of others, too: beside this, other tests may run.
    most = STORM if backend == "perf-own" else STORM * 3 // 2
    assert STORM <= told_of + count <= most
    assert told_of <= STORM
    assert traced.lost == count
    assert all(event.records >= event.count for event in lost)
    assert is_read or lost


@ROOT
def test_after_a_loss() -> None:
    """After a loss, what was before is not claimed to be known."""
    with waiting(unshare_uts) as (go, answers):
        with trace(pid=os.getpid(), interval=0.005, buffer=1 << 13) as traced:
            subprocess.run([sys.executable, "-c", STORMING, str(STORM)], check=True)
            found: list[TraceEvent] = []
            while not any(isinstance(event, LostEvent) for event in found):
                found += traced.read(1)
            go()
            pid = answers[0]
            while not pids(found) & {pid}:
                found += traced.read(1)
    (event,) = (event for event in found if pids([event]) == {pid})
    assert isinstance(event, UnshareEvent)
    (change,) = event.changes
    assert change.before is None
    assert change.after is not None
    assert change.created


# --- the end ---


@ROOT
def test_leaving_kills_the_command() -> None:
    """Who leaves the block early does not wait for the command."""
    with trace(command=["sleep", "1000"]) as traced:
        pid = traced.pid
        assert pid is not None
        os.kill(pid, 0)
        assert traced.returncode is None
    assert traced.returncode == -signal.SIGKILL
    with pytest.raises(ValueError, match="closed"):
        traced.read()


@ROOT
def test_status_of_the_command() -> None:
    """How the command has ended is there when iteration has."""
    with trace(command=["sh", "-c", "exit 7"]) as traced:
        assert not list(traced)
        assert traced.returncode == 7


@ROOT
def test_async() -> None:
    """A coroutine waits for events while others run."""
    turns: list[None] = []

    async def other() -> None:
        while True:
            turns.append(None)
            await asyncio.sleep(0.001)

    async def watch() -> list[TraceEvent]:
        task = asyncio.create_task(other())
        command = ["sh", "-c", "sleep 0.1; exec unshare -u true"]
        with trace(command=command) as traced:
            found = [event async for event in traced]
        task.cancel()
        return found

    (event,) = asyncio.run(watch())
    assert isinstance(event, UnshareEvent)
    assert len(turns) > 10


@ROOT
def test_low_latency() -> None:
    """On request, an event comes when it happens, not when it is time to look."""
    options = {"interval": 60.0, "low_latency": True}
    with trace(pid=os.getpid(), **options) as traced:  # type: ignore[arg-type]
        begun = time.monotonic()
        in_child(unshare_uts)
        assert traced.read(30)
        assert time.monotonic() - begun < 10


@ROOT
def test_fork() -> None:
    """A fork lets go of all at once, and cannot go on."""

    def look() -> list[str]:
        with pytest.raises(RuntimeError, match="a fork cannot go on"):
            traced.read(0)
        return [
            os.readlink(f"/proc/self/fd/{name}")
            for name in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{name}")
        ]

    with trace(pid=os.getpid()) as traced:
        assert not [link for link in in_child(look) if "perf_event" in link]
        in_child(unshare_uts)
        assert all_so_far(traced)


@ROOT
def test_killed() -> None:
    """A tracer that is killed leaves no tracepoint switched on."""
    code = (
        "from pynamespaces.tracing import trace\n"
        "with trace() as traced:\n"
        "    print('on', flush=True)\n"
        "    traced.read()\n"
        "    input()\n"
    )
    tracer = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert tracer.stdout is not None
    assert tracer.stdout.readline() == b"on\n"
    tracer.kill()
    tracer.communicate()

    def switches() -> list[str]:
        mount_tracefs()
        folders = Path(_points._MOUNTED, "events/syscalls").glob("sys_*_setns")
        return [(folder / "enable").read_text().strip() for folder in folders]

    with fresh_mounts() as mounts:
        found = inside(mounts, switches)
    assert len(found) == 2
    assert {*found} <= {"0", "0*"}


# --- refusals ---


def test_whole_machine_takes_power() -> None:
    """Who may not watch the machine is told what that takes, not given less."""
    if TIER == "root":

        def look() -> None:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            refused()

        in_child(look)
    else:
        refused()


def refused() -> None:
    """Try to watch the machine."""
    with pytest.raises(NamespacePermissionError) as caught:
        trace()
    assert isinstance(caught.value, PermissionError)
    assert "CAP_PERFMON" in str(caught.value)
    assert "kernel.perf_event_paranoid" in str(caught.value)


def nobody() -> int:
    """Return an id that no process has."""
    return in_child(os.getpid)


def test_no_such_process() -> None:
    """A process that is not there is an error."""
    with pytest.raises(NoSuchProcessError):
        trace(pid=nobody())


@ROOT
def test_no_such_command() -> None:
    """So is a command that is not there; nothing is left of the trace."""
    with pytest.raises(FileNotFoundError):
        trace(command=["/nonexistent"])


WRONG: dict[str, Callable[[], object]] = {
    "not both": lambda: trace(pid=1, command=["true"]),
    "'nothing' is no backend": lambda: trace(backend="nothing"),  # type: ignore[arg-type]
    "a sequence": lambda: trace(command="true"),
    "of a command that it starts": lambda: trace(backend="notify"),
    "of a pid or of a command": lambda: trace(backend="perf-own"),
    "'mount' is not a namespace type": lambda: trace(types="mount"),  # type: ignore[arg-type]
    "'fork' is no call": lambda: trace(syscalls=["fork"]),  # type: ignore[list-item]
    "syscalls names none": lambda: trace(syscalls=[]),
    "leave syscalls out": lambda: trace(calls=False, syscalls=["setns"]),
    "interval 0 is": lambda: trace(interval=0),
    "is no power": lambda: trace(buffer=100_000),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments(message: str) -> None:
    """What contradicts itself is said before anything is done."""
    with pytest.raises(ValueError, match=message):
        WRONG[message]()


@ROOT
@pytest.mark.parametrize("is_mounted", [True, False])
def test_tracefs(is_mounted: bool) -> None:
    """The numbers are read, whether or not tracefs is mounted; and found by trying."""
    points = _points.points_of(["unshare", "clone", "clone3"])

    def read() -> tuple[dict[_points.Point, int], set[str]]:
        if is_mounted:
            mount_tracefs()
        else:
            mount("/sys")  # Neither there nor in debugfs.
        before = {*Path("/proc/thread-self/mountinfo").read_text().splitlines()}
        numbers = _points.read_numbers(points)
        after = {*Path("/proc/thread-self/mountinfo").read_text().splitlines()}
        return numbers, after - before

    with fresh_mounts() as mounts:
        numbers, mounted = inside(mounts, read)
    assert numbers == _calibration.find_numbers(points)
    assert not mounted


def test_no_cycle_where_tracefs_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the callers have is let go of at once, not when it is looked for cycles."""
    for name in ("_MOUNTED", "_MOUNTED_BEFORE"):
        monkeypatch.setattr(_points, name, str(tmp_path))
    monkeypatch.setattr(
        _points, "lib", FakeLib(pyns_open_tracefs=lambda _: -errno.EPERM)
    )

    def look() -> weakref.ref[set[int]]:
        held = {1}
        with suppress(FileNotFoundError):
            _points.read_numbers(_points.points_of(["unshare"]))
        return weakref.ref(held)

    gc.disable()
    try:
        assert look()() is None
    finally:
        gc.enable()


def test_own_tasks() -> None:
    """An ordinary user may watch own tasks, where the sysctl allows it."""
    paranoid = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    command = ["sh", "-c", "unshare --user true; exec sh -c 'exit 3'"]
    if TIER != "root" and paranoid > 2:
        with pytest.raises(NamespacePermissionError):
            trace(command=command, backend="perf-own")
        return
    with trace(command=command, backend="perf-own") as traced:
        found = list(traced)
    assert traced.backend == "perf-own"
    assert traced.returncode == 3
    (event,) = found
    assert isinstance(event, UnshareEvent)
    assert event.types == (NamespaceType.USER,)
    assert event.certainty == "observed"
    if event.error is None:
        (change,) = event.changes
        assert change.before is not None
        assert change.before.ino == own("user")[1]
