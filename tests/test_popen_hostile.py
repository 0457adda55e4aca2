"""What others may do to the children that come before a program, and what they keep."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest
from provoking import need_own_user
from refusals_of_starting import fresh_cgroups
from starting import POWER, Options
from support import program, run_python

from pynamespaces import Popen, _proc, run

HEAD = """
import errno, fcntl, os, signal, sys, threading, time
from pynamespaces import Namespace, Popen, SpawnError, run, unshare

main = threading.get_native_id()
# From its first use on, the library keeps a pidfd of each thread.
Namespace.current("net").close()

# Who executes a file that is leased waits until the lease is given up.
lease = os.open(sys.argv[1], os.O_RDONLY)
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)

def children():
    with open(f"/proc/self/task/{main}/children") as file:
        return [int(pid) for pid in file.read().split()]

def when(count, act):
    def look():
        while len(found := children()) < count:
            time.sleep(0.001)
        act(found)
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    return thread

def refused(**options):
    before = set(os.listdir("/proc/self/fd"))
    try:
        Popen([sys.argv[1], sys.argv[2]], **options)
    except SpawnError as error:
        assert error.errno == errno.ECANCELED, error
    else:
        raise AssertionError("it was started")
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | 0x40000000)
    except ChildProcessError:
        pass
    else:
        raise AssertionError("a child was left")
    thread.join()
    os.dup2(0, lease)
    paths = {f"/proc/self/fd/{fd}" for fd in {*os.listdir("/proc/self/fd")} - before}
    # One was of the listing itself.
    left = {os.readlink(path) for path in paths if os.path.lexists(path)}
    assert not left, left
    assert not os.path.exists(sys.argv[2])
"""

KILLED = """
options, number, signo = eval(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])

# While it is ending, all others go on, and must not take it for a program.
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])

def disturb(found):
    os.sched_setscheduler(found[number], os.SCHED_IDLE, os.sched_param(0))
    os.kill(found[number], signo)

thread = when(number + 1, disturb)
refused(**options)
"""

MEMORY = """
memory = bytearray(64 << 20)
memory[::4096] = b"x" * (len(memory) // 4096)
seen = []

def look(found):
    with open(f"/proc/{found[-1]}/status") as file:
        seen.extend(line for line in file if line.startswith("VmRSS"))
    os.dup2(0, lease)

thread = when(2, look)
there = Namespace.from_pid(int(sys.argv[3]), "pid")
assert run([sys.argv[1], sys.argv[2]], join=there).returncode == 0
thread.join()
assert 0 < int(seen[0].split()[1]) < 32 << 10, seen
"""


def held_up(code: str, *args: str) -> None:
    """Run code, whose first argument is a program that waits to be executed."""
    with tempfile.TemporaryDirectory() as folder:
        touch = shutil.copy(program("touch"), folder)
        done = run_python(HEAD + code, touch, f"{folder}/marker", *args, check=False)
    assert done.returncode == 0, done.stderr


COPY, SHARING = Options(new="uts", user=0), Options(new=("user", "pid"), init=False)


@pytest.mark.parametrize("number", [0, 1], ids=["stage", "settler"])
@pytest.mark.parametrize(
    ("options", "signo"),
    [
        pytest.param(COPY, signal.SIGKILL, marks=POWER, id="killed-copy"),
        # Who shares memory would hold up its caller, until it goes on.
        pytest.param(COPY, signal.SIGSTOP, marks=POWER, id="stopped-copy"),
        pytest.param(SHARING, signal.SIGKILL, id="killed-sharing"),
    ],
)
def test_disturbed(options: Options, signo: int, number: int) -> None:
    """A child that is killed, or stopped with memory of its own, is an error."""
    need_own_user()
    held_up(KILLED, repr(dict(options)), str(number), str(int(signo)))


@POWER
def test_memory_is_let_go_of() -> None:
    """A child that others may look into has let go of its caller's memory."""
    command = ["unshare", "--pid", "--fork", "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as other:
        children = f"/proc/{other.pid}/task/{other.pid}/children"
        inside = ""
        while not inside:
            with open(children, encoding="ascii") as file:
                inside = file.read().strip()
        held_up(MEMORY, inside)
        assert other.stdin
        other.stdin.close()


FORKS = """
import os, signal, sys
from pynamespaces import Popen, _proc, run

def fork(*_):
    if (pid := os.fork()) == 0:
        sys.exit()
    os.waitpid(pid, 0)

signal.signal(signal.SIGALRM, fork)
signal.setitimer(signal.ITIMER_REAL, 0.1)
assert run(["sh", "-c", "sleep 0.3; exit 5"], new=("user", "uts")).returncode == 5
"""


def test_forked_meanwhile() -> None:
    """A child that a signal handler forks, and that ends, ends no program of ours."""
    need_own_user()
    assert run_python(FORKS).returncode == 0


def test_environment_changes_meanwhile() -> None:
    """Other threads may change the environment while programs are started."""
    need_own_user()
    over = threading.Event()

    def change() -> None:
        number = 0
        while not over.is_set():
            os.environ[f"PYNAMESPACES_TEST_{number % 50}"] = "x" * (number % 3000)
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(30):
            assert run(["true"], new="user", user=0).returncode == 0
    finally:
        over.set()
        thread.join()
        for number in range(50):
            os.environ.pop(f"PYNAMESPACES_TEST_{number}", None)


FIRST = """
import threading
import pynamespaces

def use():
    barrier.wait()
    pynamespaces.run(["true"], new=("user", "uts"), check=True)
    done.append(True)

barrier, done = threading.Barrier(4), []
threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(done) == 4
"""


def test_first_use_by_threads() -> None:
    """Threads that are the first to start programs do not see half a module."""
    need_own_user()
    assert run_python(FIRST).returncode == 0


def guard_of(process: Popen[bytes]) -> int:
    """Return the id of the guard of a program."""
    assert process._child is not None
    number = _proc.pidfd_pid(process._child._spawn.guard_pidfd)
    assert number is not None
    return number


def test_guard_is_in_no_group_of_ours() -> None:
    """What is sent to the caller's process group does not ever reach the guard."""
    for _ in range(20):
        with Popen(["cat"], stdin=subprocess.PIPE, die_with_parent=True) as process:
            guard = guard_of(process)
            assert os.getsid(guard) == guard
            assert os.getpgid(guard) == guard
            assert os.readlink(f"/proc/{guard}/cwd") == "/"


@pytest.mark.tier("root")
def test_guard_is_not_in_the_cgroup() -> None:
    """What is done to the program's cgroup is not done to the guard."""
    with fresh_cgroups() as folder:
        options = Options(cgroup=folder, die_with_parent=True)
        with Popen(["cat"], stdin=subprocess.PIPE, **options) as process:
            inside = (folder / "cgroup.procs").read_text().split()
            assert inside == [str(process.pid)] != [str(guard_of(process))]


def test_init_gains_nothing_either() -> None:
    """A program that is to gain nothing cannot do so through its init."""
    need_own_user()
    options = Options(new=("user", "pid"), no_new_privs=True)
    with Popen(["cat"], stdin=subprocess.PIPE, **options) as process:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            assert "NoNewPrivs:\t1\n" in file.read()
