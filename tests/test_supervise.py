"""`supervise`: what it tells of the calls of programs."""

import os
import platform
from pathlib import Path

import pytest
from supervising import T, compiled, python, watched
from support import program

from pynamespaces.tracing import CloneEvent, SetnsEvent, UnshareEvent, supervise


def test_unshare() -> None:
    """The program's call is told: who made it, its arguments, and that it was made."""
    done = watched([program("unshare"), "-Urn", "true"])
    assert done.status == 0
    (event,) = done.events
    assert isinstance(event, UnshareEvent)
    assert event.flags == T.USER.flag | T.NET.flag
    assert event.types == (T.NET, T.USER)
    assert (event.comm, event.ppid, event.tid) == ("unshare", os.getpid(), event.pid)
    assert event.result in (0, None)
    assert not event.denied


def test_silence() -> None:
    """Forks, programs and threads make no namespaces, and there is no event of them."""
    code = """
import subprocess
if (pid := os.fork()) == 0:
    os._exit(0)
os.waitpid(pid, 0)
subprocess.run(["true"], check=True)
threads = [threading.Thread(target=print) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    done = watched(python(code))
    assert (done.status, done.events) == (0, [])


def test_truth() -> None:
    """Where a thread has come to by each call is as it saw it itself."""
    code = """
tell("uts")
lowlevel.unshare(CLONE_NEWUSER | CLONE_NEWUTS)
tell("uts", "user")
lowlevel.unshare(CLONE_NEWUTS)
tell("uts")
stay()
"""
    done = watched(python(code), stay_for=2)
    first, second = done.events
    assert isinstance(first, UnshareEvent)
    assert isinstance(second, UnshareEvent)
    told = [word for line in done.lines() for word in line]
    user, uts = first.changes
    assert uts.before is not None
    assert uts.after is not None
    assert user.after is not None
    (again,) = second.changes
    assert again.after is not None
    assert again.before == uts.after
    seen = [str(id) for id in (uts.before, uts.after, user.after, again.after)]
    assert seen == told
    for event in (first, second):
        assert (event.result, event.certainty) == (0, "confirmed")
        assert all(change.created for change in event.changes)
    assert first.time_ns < second.time_ns


def test_setns() -> None:
    """Entering by a namespace's descriptor tells what that was, and where it led."""
    code = """
power()
home = os.open("/proc/self/ns/uts", os.O_RDONLY)
tell("uts")
lowlevel.unshare(CLONE_NEWUTS)
lowlevel.setns(home, 0)
print(home, flush=True)
stay()
"""
    done = watched(python(code), stay_for=3)
    uts, fd = done.lines()
    event = done.events[-1]
    assert isinstance(event, SetnsEvent)
    assert (event.fd, event.nstype, event.types) == (int(fd[0]), 0, (T.UTS,))
    assert [str(event.target)] == uts
    (change,) = event.changes
    assert change.after == event.target
    assert (change.created, event.result, event.certainty) == (False, 0, "confirmed")


def test_setns_to_a_process() -> None:
    """A pidfd leads to several namespaces of a process at once."""
    code = """
power()
reader, writer = os.pipe()
if (pid := os.fork()) == 0:
    lowlevel.unshare(CLONE_NEWUTS | CLONE_NEWIPC)
    tell("ipc", "uts")
    os.write(writer, b"1")
    stay()
    os._exit(0)
os.read(reader, 1)
lowlevel.setns(lowlevel.pidfd_open(pid), CLONE_NEWUTS | CLONE_NEWIPC)
stay()
os.waitpid(pid, 0)
"""
    done = watched(python(code), stay_for=3)
    event = done.events[-1]
    assert isinstance(event, SetnsEvent)
    assert event.types == (T.IPC, T.UTS)
    assert event.target is None
    assert [[str(change.after) for change in event.changes]] == done.lines()


def test_setns_of_one_type_to_a_process() -> None:
    """Of a pidfd and one type, the namespace is told."""
    code = """
power()
lowlevel.setns(lowlevel.pidfd_open(os.getpid()), CLONE_NEWUTS)
tell("uts")
"""
    event = (done := watched(python(code))).events[-1]
    assert isinstance(event, SetnsEvent)
    assert [[str(event.target)]] == done.lines()
    assert event.changes == ()
    assert event.result is None


def test_failures() -> None:
    """A call that the kernel refuses changes nothing, and no error is made up."""
    code = """
def tried(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        print(error.errno, flush=True)
tried(lowlevel.setns, 12345, 0)
tried(lowlevel.setns, 1, CLONE_NEWUTS)
thread = threading.Thread(target=stay)
thread.start()
tried(lowlevel.unshare, CLONE_NEWUSER | CLONE_THREAD)
tried(lowlevel.unshare, CLONE_NEWUSER)
"""
    done = watched(python(code), stay_for=4)
    assert done.lines() == [["9"], ["22"], ["22"], ["22"]]
    closed, wrong, first, _ = done.events
    assert isinstance(closed, SetnsEvent)
    assert (closed.fd, closed.target, closed.types) == (12345, None, ())
    assert isinstance(wrong, SetnsEvent)
    assert (wrong.nstype, wrong.types) == (T.UTS.flag, (T.UTS,))
    # It has asked again, and had changed nothing.
    assert isinstance(first, UnshareEvent)
    assert (first.result, first.certainty) == (-1, "confirmed")
    events = (closed, wrong, first)
    assert all(event.changes == () and event.error is None for event in events)


def test_nsenter() -> None:
    """What nsenter enters is told, with the process that it has become."""
    script = 'nsenter --uts=/proc/self/ns/uts true; exit "$?"'
    done = watched([program("unshare"), "-Uru", "sh", "-c", script])
    assert done.status == 0
    event = done.events[-1]
    assert isinstance(event, SetnsEvent)
    assert (event.comm, event.types, event.nstype) == ("nsenter", (T.UTS,), T.UTS.flag)
    assert event.target is not None


def test_clone() -> None:
    """The child of bwrap is told, and the namespaces that are its own."""
    command = [program("bwrap"), "--unshare-user", "--unshare-uts", "--bind", "/", "/"]
    done = watched([*command, "sh", "-c", "readlink /proc/self/ns/uts; cat"], 1)
    event = done.events[0]
    assert isinstance(event, CloneEvent)
    assert event.syscall == "clone"
    assert {T.USER, T.UTS, T.MNT} <= {*event.types}
    assert event.child is not None
    uts = next(change for change in event.changes if change.type is T.UTS)
    assert [[str(uts.after)]] == done.lines()
    assert uts.created


def test_clone3() -> None:
    """The flags of clone3 are read from the memory of the caller."""
    code = """
power()
pid, _ = lowlevel.clone3(CLONE_NEWUTS)
if pid == 0:
    tell("uts")
    stay()
    os._exit(0)
print(pid, flush=True)
os.waitpid(pid, 0)
"""
    done = watched(python(code), stay_for=2)
    event = done.events[-1]
    assert isinstance(event, CloneEvent)
    assert (event.syscall, event.types) == ("clone3", (T.UTS,))
    assert event.flags is not None
    assert event.flags & T.UTS.flag
    (change,) = event.changes
    assert change.after is not None
    words = sorted(word for line in done.lines() for word in line)
    assert words == sorted([str(event.child), str(change.after)])
    assert event.result == event.child


def test_threads_racing() -> None:
    """Another thread that exchanges the descriptor does not make the record wrong."""
    code = """
power()
first = os.open("/proc/self/ns/uts", os.O_RDONLY)
lowlevel.unshare(CLONE_NEWUTS)
second = os.open("/proc/self/ns/uts", os.O_RDONLY)
shared, over = os.dup(first), False
def race():
    while not over:
        os.dup2(first, shared)
        os.dup2(second, shared)
racer = threading.Thread(target=race, daemon=True)
racer.start()
for _ in range(40):
    lowlevel.setns(shared, CLONE_NEWUTS)
    tell("uts")
over = True
racer.join()
stay()
"""
    done = watched(python(code), stay_for=42)
    at = None
    seen = []
    for event in done.events:
        assert not isinstance(event, CloneEvent)
        assert isinstance(event, SetnsEvent | UnshareEvent)
        for change in event.changes:
            at = change.after if change.type is T.UTS else at
        if isinstance(event, SetnsEvent):
            seen.append([str(at)])
    assert seen == done.lines()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other calls there")
def test_calls_of_32_bit_programs(tmp_path: Path) -> None:
    """A call by way of int 0x80 is asked about as any other."""
    program("cc")
    compiled(
        """
#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>
int main(void) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result)
                     : "a"(310), "b"(CLONE_NEWUSER) : "memory");
    char end;
    return read(0, &end, 1) || result;
}
""",
        str(tmp_path / "old"),
    )
    done = watched([str(tmp_path / "old")], stay_for=1)
    (event,) = done.events
    assert isinstance(event, UnshareEvent)
    assert (done.status, event.result, event.types) == (0, 0, (T.USER,))
    assert supervise([str(tmp_path / "old")], deny="user", stdin=-3) == 1
