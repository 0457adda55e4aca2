"""Nothing is left of who is killed by SIGKILL at any moment, and the next one works."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import killing
import pytest
from killable import NAMED, OPERATIONS, PIN, Operation, group
from killing import (
    calls_of,
    do_again,
    duration_of,
    in_arena,
    kill_after,
    kill_at,
    load_for,
    spread,
)
from provoking import mount, replace
from starting import makable
from support import TIER

from pynamespaces import Popen

KILLS = int(os.environ.get("PYNAMESPACES_KILLS", "60"))
"""How often this run kills, at least."""

SEED = int(os.environ.get("PYNAMESPACES_SEED", "8"))

HERE = [one for one in OPERATIONS if TIER in one.tiers]
SHARES = sum(one.share for one in HERE)


def kills_of(operation: Operation) -> int:
    """Return how often those who do it are killed."""
    return -(-KILLS * operation.share // SHARES)


def mounts() -> Counter[str]:
    """Return what is mounted, and where; others may come and go by others' doing."""
    lines = Path("/proc/thread-self/mountinfo").read_text().splitlines()
    return Counter(" ".join(line.split()[2:5]) for line in lines)


def state() -> dict[str, object]:
    """Return what nobody who is killed may change for good."""
    found: dict[str, object] = {
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "temporary": sorted(os.listdir(os.environ["TMPDIR"])),
    }
    if TIER != "plain":
        found["run"] = sorted(map(str, Path("/run").rglob("*")))
        # multiprocessing makes a semaphore before it has it tracked.
        shared = (name for name in os.listdir("/dev/shm") if "sem.mp-" not in name)
        found["shared memory"] = sorted(shared)
    if TIER == "root":
        found["cgroup"] = (group() / "cgroup.procs").read_text()
        found["cgroups"] = sorted(entry.name for entry in group().iterdir())
    return found


@contextmanager
def furnished(folder: Path) -> Iterator[None]:
    """Have a cgroup, and what else those who are killed use."""
    os.environ["TMPDIR"] = str(folder)
    os.environ["PYNAMESPACES_ARENA"] = str(os.getpid())
    if TIER != "plain":
        mount("none", "/dev/shm", "tmpfs")
    if TIER == "root":
        group().mkdir()
    try:
        yield
    finally:
        if TIER == "root":
            group().rmdir()


def kill_often(operation: Operation) -> Counter[str]:
    """Kill workers at exact moments and random ones; count what they have left."""
    left, chance, act = Counter[str](), random.Random(SEED), operation.act

    def look(moment: float) -> None:
        left[operation.clear()] += 1
        do_again(act)
        operation.clear()
        after = state()
        for what in before:
            assert after[what] == before[what], f"{what} after {moment}"
        # Who has no mounts of its own sees those of others come, and can make none.
        assert TIER == "plain" or mounts() <= mounted, moment

    load_for(act)
    operation.clear()
    before, mounted, count = state(), mounts(), kills_of(operation)
    exact = -(-count // 2) if operation.is_watched else 0
    if exact:
        total = calls_of(act)
        operation.clear()
        for moment in spread(total, exact, chance):
            # Another time it may have needed fewer.
            left["ended before"] += not kill_at(act, moment)
            look(moment)
    duration = duration_of(act) if exact < count else 0
    operation.clear()
    for number in range(count - exact):
        seconds = (number + chance.random()) * 1.2 * duration / (count - exact)
        kill_after(act, seconds, is_repeated=operation.is_repeated)
        look(seconds)
    return left


def check_killed(operation: Operation, folder: Path) -> None:
    """Check that nothing is left, and that the next run works."""

    def suffer() -> Counter[str]:
        with furnished(folder):
            return kill_often(operation)

    left = in_arena(suffer)
    assert not [line for line in mounts() if str(PIN) in line or str(NAMED) in line]
    told = ", ".join(f"{what}: {count}" for what, count in sorted(left.items()))
    print(f"{operation.name}: {told}")


@pytest.mark.parametrize("operation", HERE, ids=lambda one: one.name.replace(" ", "-"))
@pytest.mark.timeout(120 + KILLS)
def test_killed(operation: Operation, tmp_path: Path) -> None:
    """No mount, name, process, file or cgroup is left, and the next run works."""
    check_killed(operation, tmp_path)


def test_survivor_is_found() -> None:
    """What a killed worker leaves running would be told."""

    def leave() -> None:
        Popen(["sleep", "1000"], new=makable("uts"))

    def look() -> None:
        replace(killing, LIMIT=0.2)
        with pytest.raises(AssertionError, match="sleep 1000"):
            kill_after(leave, 0.2, is_repeated=False)

    in_arena(look)
