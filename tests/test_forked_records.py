"""Records of the shim's in a forked child, which must know that it is another."""

import os
from contextlib import closing
from ctypes import CDLL

import pytest
from forking import WITH_THREADS, forked
from provoking import replace
from support import TIER, run_python

from pynamespaces import IdMap, Namespace
from pynamespaces._core import maps
from pynamespaces._lib import Inhabitant, lib, new_inhabitant

pytestmark = WITH_THREADS

PR_GET_DUMPABLE = 3

SCANNING = """
import ctypes, os, signal, time
from pynamespaces import unshare
from pynamespaces._core import census, engines
from pynamespaces._types import NamespaceType

assert os.getpid() == 1
for _ in range(300):
    if os.fork() == 0:
        signal.pause()
parts = census.take(census.Wish(tuple(NamespaceType)), engines.Known(), None)
next(parts)
unshare("pid")
pid = os.fork()
if pid == 0:
    assert os.getpid() == 1
    try:
        next(parts)
    except RuntimeError as error:
        print("forked" in str(error), flush=True)
    parts.close()
    os._exit(5)
# An init ignores SIGALRM of its own; from outside it can be killed.
pidfd = os.pidfd_open(pid)
import select
if not select.select([pidfd], [], [], 20)[0]:
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.tier("root", "userns")
def test_both_are_inits() -> None:
    """An init that an init has forked has its id, and is another process."""
    command = ["unshare", "--pid", "--fork", "--mount-proc"]
    for _ in range(3):
        assert run_python(SCANNING, prefix=command).stdout == "True\n5\n"


@pytest.mark.tier("root", "userns")
def test_helper_is_the_parents() -> None:
    """A handler that forks while maps are read ends no helper of the parent's."""
    records: list[Inhabitant] = []
    alive: list[bool] = []
    made, read_whole = new_inhabitant, maps._read_whole

    def remember() -> Inhabitant:
        records.append(made())
        return records[-1]

    def fork_and_read(fd: int) -> str:
        record = records[0]
        forked(lambda: lib.pyns_dismiss(record))
        alive.append(os.path.exists(f"/proc/{record.pid}/exe"))
        return read_whole(fd)

    def read() -> list[bool]:
        replace(maps, new_inhabitant=remember, _read_whole=fork_and_read)
        with closing(Namespace.new("user")) as user:
            assert user.uid_map is not None
        return alive

    assert forked(read) == [True]


@pytest.mark.skipif(TIER != "root", reason="others need no hiding")
def test_hides_as_before() -> None:
    """A child that was forked while memory was hidden hides it when it must."""
    seen: list[int] = []
    write = maps._write_map

    def note(*args: object) -> None:
        seen.append(CDLL(None).prctl(PR_GET_DUMPABLE))
        if len(seen) == 1 and (pid := os.fork()):
            os.waitpid(pid, 0)
            os._exit(0)
        write(*args)  # type: ignore[arg-type]

    def go_on() -> list[int]:
        replace(maps, _write_map=note)
        for _ in range(2):
            few = IdMap([(0, 0, 2)])
            Namespace.new("user", uid_map=few, gid_map=few).close()
        return seen

    # Of the first two it is the parent's helper that writes, and no memory of ours.
    assert forked(go_on)[2:] == [0, 0]
