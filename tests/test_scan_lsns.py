"""Agreement with lsns: the same namespaces, with as many processes."""

import json
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from mounting import MS_BIND, mount
from pinning import fresh_fd
from populating import alone, known, start_thread
from provoking import another_process, own_mounts, own_user
from support import TIER, program

from pynamespaces import lowlevel, scan
from pynamespaces.inventory import Inventory

OF_PROCESS = lowlevel.CLONE_NEWUTS | lowlevel.CLONE_NEWIPC | lowlevel.CLONE_NEWNET

Listed = dict[tuple[str, int], int]
"""How many processes are in each namespace, by type and inode number."""


def listed_by_lsns() -> Listed:
    """Return what lsns has found."""
    command = [program("lsns"), "--json", "-o", "NS,TYPE,NPROCS"]
    for _ in range(20):
        # It gives up when a process ends that it looks at.
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        if done.returncode == 0:
            break
    found = json.loads(done.stdout)["namespaces"]
    return {(line["type"], int(line["ns"])): int(line["nprocs"]) for line in found}


def listed_by_us(found: Inventory) -> Listed:
    """Return the same of what a scan has found."""
    return {(str(r.type), r.id.ino): len(r.processes) for r in found}


def populate(depth: int = 3) -> None:
    """Be many: nested user and pid namespaces, and some processes in each."""
    for level in range(depth):
        own_user()
        if level % 2:
            lowlevel.unshare(OF_PROCESS)
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        reader, writer = os.pipe()
        if os.fork():
            # What is below it must be there before it says that it is ready.
            os.close(writer)
            os.read(reader, 1)
            return
        os.close(reader)
        for _ in range(level + 1):
            if os.fork() == 0:
                if level == 1:
                    lowlevel.unshare(lowlevel.CLONE_NEWUTS)
                os.close(writer)
                signal.pause()
    os.close(writer)
    signal.pause()


def own(listed: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return those that the caller is in."""
    mine = {os.stat(f"/proc/self/ns/{type}").st_ino for type, _ in listed}
    return {key for key in listed if key[1] in mine}


def test_agreement() -> None:
    """Where nobody else is, a scan finds all that lsns does, with as many in each."""
    program("lsns")

    def look() -> None:
        with another_process(populate):
            theirs, ours = listed_by_lsns(), listed_by_us(scan())
            again = listed_by_us(scan())
            assert ours == again
            # lsns itself was among those that it counted.
            for key in own(theirs):
                theirs[key] -= 1
            assert {key: ours.get(key) for key in theirs} == theirs
            types = [type for type, _ in ours]
            assert types.count("pid") >= 4
            assert types.count("user") >= 4
            # What lsns does not list is where no process is.
            assert {ours[key] for key in ours.keys() - theirs.keys()} <= {0}

    alone(look)


def test_agreement_as_ordinary_user() -> None:
    """The same holds for an ordinary user, of its own processes and what it may see."""
    program("lsns")

    def look() -> None:
        theirs, ours = listed_by_lsns(), listed_by_us(scan())
        shared = theirs.keys() & ours.keys()
        assert own(theirs) <= shared
        pid_and_user = {key for key in theirs if key[1] in mine}
        assert pid_and_user <= shared

    mine: set[int] = set()

    def prepare() -> None:
        own_user(OF_PROCESS)

    with another_process(prepare) as pid:
        mine |= {os.stat(f"/proc/{pid}/ns/{t}").st_ino for t in ("user", "net", "uts")}
        look()


def test_more_than_lsns(tmp_path: Path) -> None:
    """What only a thread, or a mount elsewhere, keeps is found; lsns does not."""
    program("lsns")

    def look() -> None:
        with another_process(live) as pid:
            theirs, found = listed_by_lsns(), scan()
            (tid,) = {int(n) for n in os.listdir(f"/proc/{pid}/task")} - {pid}
            record = known(found, f"/proc/{pid}/task/{tid}/ns/uts")
            assert record.threads == (tid,)
            assert ("uts", record.id.ino) not in theirs
            mnt = os.stat(f"/proc/{pid}/ns/mnt").st_ino
            (pinned,) = (r for r in found if mnt in [p.mnt.ino for p in r.pins])
            assert pinned.type == "net"
            assert ("net", pinned.id.ino) not in theirs
            assert theirs.keys() <= listed_by_us(found).keys()

    def live() -> None:
        own_mounts()
        mount(str(tmp_path))
        fd = fresh_fd("net")
        (tmp_path / "net").touch()
        link = f"/proc/thread-self/fd/{fd}"
        mount(str(tmp_path / "net"), MS_BIND, source=link, type=None)
        os.close(fd)
        start_thread(lambda: lowlevel.unshare(lowlevel.CLONE_NEWUTS))

    alone(look)


@pytest.mark.tier("root")
def test_whole_machine() -> None:
    """On a machine that goes on, what lsns finds before and after is found between."""
    program("lsns")
    before = listed_by_lsns()
    ours = listed_by_us(scan())
    after = listed_by_lsns()
    assert TIER == "root"
    assert before.keys() & after.keys() <= ours.keys()
