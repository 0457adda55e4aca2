"""`trace` in odd places: clocks, descriptors, memory."""

import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support import in_child, program, run_python
from test_trace_watching import STORMING, pids, unshare_uts, waiting
from traced import all_so_far

from pynamespaces import NamespaceType, lowlevel
from pynamespaces.errors import NoSuchNamespaceError
from pynamespaces.tracing import (
    LostEvent,
    SetnsEvent,
    TraceEvent,
    UnshareEvent,
    _perf,
    trace,
)

pytestmark = pytest.mark.tier("root")


@pytest.mark.parametrize("offset", [-1000, 100_000])
def test_another_clock(offset: int) -> None:
    """In a time namespace, events come as elsewhere, with the times of its clock."""

    def inside() -> None:
        with trace(pid=os.getpid(), interval=0.005) as traced:
            pid = in_child(unshare_uts)
            (event,) = all_so_far(traced)
        assert isinstance(event, UnshareEvent)
        assert event.pid == pid
        assert abs(event.time_ns - time.monotonic_ns()) < 30_000_000_000

    def look() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWTIME)
        Path("/proc/self/timens_offsets").write_text(f"monotonic {offset} 0\n")
        in_child(inside)

    in_child(look)


def test_proc_of_another_pid_namespace() -> None:
    """Where /proc has other ids than the caller's, nothing is watched."""

    def inside() -> None:
        with pytest.raises(NoSuchNamespaceError, match="own pid namespace"):
            trace()

    def look() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        in_child(inside)

    in_child(look)


def test_first_thread_is_gone() -> None:
    """A process whose first thread has ended may watch, too."""
    code = (
        "import os, threading, ctypes, time\n"
        "from pynamespaces.tracing import trace\n"
        "def look():\n"
        "    while open(f'/proc/{os.getpid()}/stat').read().split()[2] != 'Z':\n"
        "        time.sleep(0.001)\n"
        "    with trace(interval=0.005) as traced:\n"
        "        print(traced.backend, flush=True)\n"
        "    os._exit(0)\n"
        "threading.Thread(target=look).start()\n"
        "ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)\n"
    )
    assert run_python(code).stdout == "perf\n"


def test_high_descriptors() -> None:
    """Descriptors above 1023 are as good as others."""

    def look() -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
        for _ in range(1100):
            os.dup(0)
        with trace(pid=os.getpid(), interval=0.005) as traced:
            in_child(unshare_uts)
            assert len(all_so_far(traced)) == 1

    in_child(look)


def test_little_memory() -> None:
    """Where less may be locked than was asked for, all rings are smaller."""
    code = (
        "import resource\n"
        "from pynamespaces.tracing import SetnsEvent, trace\n"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 16, 1 << 16))\n"
        "command = [*__import__('sys').argv[1:]]\n"
        "with trace(command=command, buffer=1 << 24, syscalls=['setns']) as traced:\n"
        "    told = sum(isinstance(event, SetnsEvent) for event in traced)\n"
        "print(told + traced.lost)\n"
    )
    without = [program("setpriv"), "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    command = [sys.executable, "-c", STORMING, "20000"]
    assert int(run_python(code, *command, prefix=without).stdout) >= 20_000


def test_no_room_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end, what is in the rings is told, however much else waits."""
    monkeypatch.setattr(_perf, "_MOST_BYTES", 0)
    command = [sys.executable, "-c", STORMING, "20000"]
    with trace(command=command, backend="perf-own", syscalls=["setns"]) as traced:
        told = sum(isinstance(event, SetnsEvent) for event in traced)
    assert told
    assert told + traced.lost == 20_000


def test_storm_without_end() -> None:
    """While a storm goes on, reading comes back with what there is."""
    storm = subprocess.Popen([sys.executable, "-c", STORMING, "100000000"])
    try:
        with trace(pid=storm.pid, interval=0.005) as traced:
            for _ in range(5):
                begun = time.monotonic()
                assert traced.read(5)
                assert time.monotonic() - begun < 5
    finally:
        storm.kill()
        storm.wait()


def test_birth_that_was_lost() -> None:
    """Who was born while something was lost is watched as its parent is."""
    # One that makes children in a storm of its own.
    code = STORMING + (
        "for _ in range(20):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        ctypes.CDLL(None).unshare(0x04000000)\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
    )
    command = [sys.executable, "-c", code, "20000"]
    with trace(command=command, backend="perf-own", buffer=1 << 14) as traced:
        time.sleep(1)
        found = list(traced)
    lost = [event for event in found if isinstance(event, LostEvent)]
    assert lost
    calls = sum(isinstance(event, SetnsEvent | UnshareEvent) for event in found)
    assert calls + sum(event.count for event in lost) >= 20_020


def test_own_descendants_from_before() -> None:
    """Without privilege, too, what was borne before is watched."""
    with (
        waiting(unshare_uts) as (go, answers),
        trace(pid=os.getpid(), backend="perf-own", interval=0.005) as traced,
    ):
        go()
        assert set(answers) <= pids(all_so_far(traced))


def test_one_event_alone() -> None:
    """A single event does not wait for the next time to look."""
    command = ["sh", "-c", "exec unshare -u sleep 1000"]
    options = {"interval": 60.0, "low_latency": True}
    with trace(command=command, backend="perf-own", **options) as traced:  # type: ignore[arg-type]
        begun = time.monotonic()
        (event,) = traced.read(30)
        assert time.monotonic() - begun < 20
    assert isinstance(event, UnshareEvent)
    assert event.types == (NamespaceType.UTS,)


def test_two_at_once() -> None:
    """Two traces, each in a thread, tell the same."""
    found: dict[int, list[TraceEvent]] = {}
    ready = threading.Barrier(3)

    def look(which: int) -> None:
        with trace(pid=os.getpid(), interval=0.005) as traced:
            ready.wait()
            ready.wait()
            found[which] = all_so_far(traced)

    threads = [threading.Thread(target=look, args=[which]) for which in (0, 1)]
    for thread in threads:
        thread.start()
    ready.wait()
    pid = in_child(unshare_uts)
    ready.wait()
    for thread in threads:
        thread.join()
    assert pid in pids(found[0])
    assert pid in pids(found[1])
