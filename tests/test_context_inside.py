"""`get_context`: its processes in fresh namespaces, and as whom they run."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Unpack

import pytest
import telling
import working
from contexts import told
from starting import Ours, fresh_proc, makable
from working import LIMIT, Links, links

from pynamespaces import TypeLike, get_context

pytestmark = pytest.mark.usefixtures("tracked", "collected")


# --- fresh ones ---


@pytest.mark.parametrize(
    "type", ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
)
def test_new(type: TypeLike) -> None:
    """A process is in a fresh namespace, and where the caller is otherwise."""
    found = told(links, new=makable(type))
    assert working.differing(links(), found) == {*makable(type)}


def test_new_each() -> None:
    """Each process has fresh ones of its own, however many a context starts."""
    context = get_context(new=makable("uts", "net"))
    # While both live: the numbers of what is gone are used again.
    with context.Pool(1) as one, context.Pool(1) as other:
        found = one.apply(links), other.apply(links)
    assert working.differing(*found) == {*makable("uts", "net")}


def test_set_up() -> None:
    """The name of the host is set, the loopback is up, and one is root there."""
    new: tuple[TypeLike, ...] = ("user", "uts", "net")
    assert told(telling.hostname, new=new, hostname="deep-inside") == "deep-inside"
    assert told(telling.loopback_answers, new=new) == b"here"
    assert told(telling.ids, new=new) == (0, 0)


def test_time() -> None:
    """A clock inside goes before."""
    new = makable("time")
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    inside = told(telling.boottime, new=new, time_offsets={"boottime": 1e6})
    assert 1e6 - 10 < inside - now < 1e6 + 1000


def test_pid() -> None:
    """Under an init, a process has a small number, and its pool works and ends."""
    assert told(os.getpid, new=makable("pid")) in range(2, 10)
    context = get_context(new=makable("pid"))
    with ProcessPoolExecutor(2, context) as pool:
        assert {*pool.map(telling.getpid, range(10))} <= {*range(2, 10)}
    # Of one worker: in Python itself, two of them may wait for ever (gh-115634).
    with ProcessPoolExecutor(1, context, max_tasks_per_child=3) as pool:
        found = [pool.submit(telling.getpid).result(LIMIT) for _ in range(7)]
        assert {*found} <= {*range(2, 10)}


def test_pid_without_init() -> None:
    """Without an init, a process is number 1, and ends as others."""
    context = get_context(new=makable("pid"), init=False)
    assert told(os.getpid, new=makable("pid"), init=False) == 1
    # An init of its own would not hear SIGTERM.
    process = context.Process(target=working.wait_for_end)
    process.start()
    process.terminate()
    process.join(LIMIT)
    assert process.exitcode == -signal.SIGKILL
    with ProcessPoolExecutor(2, context) as pool:
        assert {*pool.map(telling.getpid, range(10))} == {1}


def test_pid_with_proc() -> None:
    """With a mount namespace of its own too, ``/proc`` is of there."""
    fresh_proc()
    new = makable("pid", "mnt")
    assert told(telling.processes, new=new) == [1, 2]
    with ProcessPoolExecutor(2, get_context(new=new)) as pool:
        assert {*pool.map(telling.getpid, range(10))} <= {2}


def test_thousand_items() -> None:
    """Four workers in fresh namespaces, an ordinary user's, map a thousand items."""
    context = get_context(new=("user", "net", "uts"))
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        found = [*pool.map(working.square, range(1000))]
        where = pool.submit(links).result(LIMIT)
    assert found == [number * number for number in range(1000)]
    assert working.differing(links(), where) == {"user", "net", "uts"}


# --- as whom ---


def capabilities(**ours: Unpack[Ours]) -> int:
    """Return what a process that starts so may do."""
    return int(told(telling.effective, **ours), 16)


def test_caps() -> None:
    """Capabilities are dropped, but for those that are named."""
    new = makable("uts")
    assert capabilities(new=new) != 0
    assert capabilities(new=new, caps=[]) == 0
    assert capabilities(new=new, caps=["net_raw"]) == 1 << 13


def test_no_new_privs() -> None:
    """A process can be kept from getting more."""
    assert told(telling.no_new_privs, new=makable("uts"), no_new_privs=True) == "1"
    assert told(telling.no_new_privs, new=makable("uts")) == "0"


def test_die_with_parent() -> None:
    """Started by a thread that ends, a process lives until its parent does not."""
    context = get_context(new=makable("uts"), die_with_parent=True)
    ours, theirs = context.Pipe()
    process = context.Process(target=working.wait_for_end, args=[theirs])
    starter = threading.Thread(target=process.start)
    starter.start()
    starter.join()
    with ours, theirs:
        assert ours.poll(LIMIT)
        assert ours.recv() == "ready"
        assert process.is_alive()
    process.join(LIMIT)
    assert process.exitcode == 0


# --- whoever starts them ---


def test_started_from_threads() -> None:
    """Several threads start processes at once, each its own."""
    context = get_context(new=makable("uts", "net"))

    def work() -> list[Links]:
        reader, writer = context.Pipe(duplex=False)
        found = []
        with reader, writer:
            for _ in range(2):
                process = context.Process(target=telling.tell, args=[writer, links])
                process.start()
                assert reader.poll(LIMIT)
                found.append(reader.recv())
                process.join(LIMIT)
                assert process.exitcode == 0
        return found

    found = [one for each in working.at_once(work, 6) for one in each]
    assert len(found) == 12
    for one in found:
        assert working.differing(links(), one) == {*makable("uts", "net")}


@pytest.mark.parametrize("form", [list, tuple, set, iter], ids=lambda x: x.__name__)
def test_forms(form: Callable[[object], list[TypeLike]]) -> None:
    """Types come in any iterable, and are those of each process that is started."""
    types = makable("uts", "net")
    context = get_context(new=form(types))
    for _ in range(2):
        with context.Pool(1) as pool:
            found = pool.apply(links)
        assert working.differing(links(), found) == {*types}


def test_forms_of_caps() -> None:
    """So do capabilities."""
    context = get_context(new=makable("uts"), caps=iter(["net_raw"]))
    for _ in range(2):
        with context.Pool(1) as pool:
            assert int(pool.apply(telling.effective), 16) == 1 << 13


def test_a_later_change_of_arguments() -> None:
    """What the caller does to its lists afterwards is of no matter."""
    types = [*makable("uts", "net")]
    context = get_context(new=types)
    types.clear()
    with context.Pool(1) as pool:
        found = pool.apply(links)
    assert {"uts", "net"} <= working.differing(links(), found)
