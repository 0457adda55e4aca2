"""`get_context`: where its processes are, and as whom."""

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar, Unpack

import pytest
import working
from starting import POWER, Ours, fresh_proc, living, makable, read_line
from support import program
from targets import fresh
from working import LIMIT, Links, links

from pynamespaces import Namespace, NamespaceSet, Popen, TypeLike, get_context

T = TypeVar("T")


@pytest.fixture(autouse=True, scope="module")
def _tracked() -> Iterator[None]:
    with working.tracked():
        yield


@pytest.fixture(autouse=True)
def _collected(nothing_left_behind: None) -> Iterator[None]:
    yield
    gc.collect()


def told(function: Callable[[], T], **ours: Unpack[Ours]) -> T:
    """Return what a process tells that starts so."""
    context = get_context(**ours)
    reader, writer = context.Pipe(duplex=False)
    with reader, writer:
        process = context.Process(target=working.tell, args=[writer, function])
        process.start()
        process.join(LIMIT)
        assert process.exitcode == 0
        found: T = reader.recv()
    return found


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
    assert told(working.hostname, new=new, hostname="deep-inside") == "deep-inside"
    assert told(working.loopback_answers, new=new) == b"here"
    assert told(working.ids, new=new) == (0, 0)


def test_time() -> None:
    """A clock inside goes before."""
    new = makable("time")
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    inside = told(working.boottime, new=new, time_offsets={"boottime": 1e6})
    assert 1e6 - 10 < inside - now < 1e6 + 1000


def test_pid() -> None:
    """Under an init, a process has a small number, and its pool works and ends."""
    assert told(os.getpid, new=makable("pid")) in range(2, 10)
    context = get_context(new=makable("pid"))
    with ProcessPoolExecutor(2, context) as pool:
        assert {*pool.map(working.getpid, range(10))} <= {*range(2, 10)}
    # Of one worker: in Python itself, two of them may wait for ever (gh-115634).
    with ProcessPoolExecutor(1, context, max_tasks_per_child=3) as pool:
        found = [pool.submit(working.getpid).result(LIMIT) for _ in range(7)]
        assert {*found} <= {*range(2, 10)}


def test_pid_without_init() -> None:
    """Without an init, a process is number 1, and ends as others."""
    context = get_context(new=makable("pid"), init=False)
    assert told(os.getpid, new=makable("pid"), init=False) == 1
    with ProcessPoolExecutor(2, context) as pool:
        assert {*pool.map(working.getpid, range(10))} == {1}


def test_pid_with_proc() -> None:
    """With a mount namespace of its own too, ``/proc`` is of there."""
    fresh_proc()
    new = makable("pid", "mnt")
    assert told(working.processes, new=new) == [1, 2]
    with ProcessPoolExecutor(2, get_context(new=new)) as pool:
        assert {*pool.map(working.getpid, range(10))} <= {2}


def test_thousand_items() -> None:
    """Four workers in fresh namespaces, an ordinary user's, map a thousand items."""
    context = get_context(new=("user", "net", "uts"))
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        found = [*pool.map(working.square, range(1000))]
        where = pool.submit(links).result(LIMIT)
    assert found == [number * number for number in range(1000)]
    assert working.differing(links(), where) == {"user", "net", "uts"}


# --- joined ones ---


def test_join() -> None:
    """Several processes share what they join; the caller may close its own at once."""
    types: tuple[TypeLike, ...] = ("user", "net", "uts")
    with closing(NamespaceSet.new(*types)) as made:
        expected = {str(type): str(member.id) for type, member in made.items()}
        context = get_context(join=made)
    with ProcessPoolExecutor(3, mp_context=context) as pool:
        for found in pool.map(links, range(20)):
            assert found == links() | expected


@POWER
def test_join_one_and_new() -> None:
    """One is joined, another is fresh."""
    with closing(Namespace.new("net")) as net:
        found = told(links, join=net, new="uts")
        assert found["net"] == str(net.id)
    assert working.differing(links(), found) == {"net", "uts"}


def test_join_current() -> None:
    """To join where one is already needs no power, and changes nothing."""
    with closing(NamespaceSet.current()) as current:
        assert told(links, join=current) == links()


@contextmanager
def slept(*types: TypeLike) -> Iterator[Popen[bytes]]:
    """Have a program that is in fresh namespaces."""
    with Popen(["sleep", "1000"], new=types) as process:
        try:
            yield process
        finally:
            process.kill()


def test_join_a_program() -> None:
    """All that a program has can be joined: mnt and pid, and user, among others."""
    fresh_proc()
    types: tuple[TypeLike, ...] = ("user", "mnt", "pid", "uts", "ipc", "net")
    with slept(*types) as process, closing(process.namespaces) as found:
        expected = {str(type): str(member.id) for type, member in found.items()}
        assert told(links, join=found) == expected
        # Number 1 is the init, and 2 is what sleeps.
        assert {1, 2} < {*told(working.processes, join=found)}
        assert told(os.getpid, join=found) > 2
        with ProcessPoolExecutor(2, get_context(join=found)) as pool:
            assert [*pool.map(working.square, range(9))] == [n * n for n in range(9)]


def test_join_mnt_starts_at_its_root() -> None:
    """A process that has joined a mount namespace begins at the root of that."""
    with slept("user", "mnt") as process, closing(process.namespaces) as found:
        assert told(os.getcwd, join=found) == "/"


@contextmanager
def hidden(path: Path) -> Iterator[NamespaceSet]:
    """Give namespaces where a directory is another, and empty."""
    script = f"mount -t tmpfs none '{path}'\necho ready; exec cat"
    pipe = subprocess.PIPE
    command = [program("sh"), "-ec", script]
    with Popen(command, new=("user", "mnt"), stdin=pipe, stdout=pipe) as process:
        assert read_line(process.stdout) == b"ready\n"
        with closing(process.namespaces) as found:
            yield found


def test_preload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not to be had in a mount namespace can be imported before."""
    name = "only_outside"
    (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with hidden(tmp_path) as found:
        for preload in (name, [name], iter([name])):
            context = get_context(join=found, preload=preload)
            with ProcessPoolExecutor(2, context) as pool:
                for _ in range(2):
                    told = pool.submit(working.imported, name).result(LIMIT)
                    assert told == name
        with ProcessPoolExecutor(1, get_context(join=found)) as pool:
            missing = pool.submit(working.imported, name).result(LIMIT)
            assert missing == f"No module named '{name}'"
    assert name not in sys.modules


def test_target_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process runs is loaded before it enters a mount namespace."""
    (tmp_path / "target_outside.py").write_text(
        "from working import links\ndef run(c): c.send(links())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import target_outside  # type: ignore[import-not-found]

    try:
        with hidden(tmp_path) as found:
            context = get_context(join=found)
            reader, writer = context.Pipe(duplex=False)
            with reader, writer:
                process = context.Process(target=target_outside.run, args=[writer])
                process.start()
                assert reader.poll(LIMIT)
                assert reader.recv()["mnt"] == str(found["mnt"].id)
                process.join(LIMIT)
    finally:
        del sys.modules["target_outside"]


# --- as whom ---


def capabilities(**ours: Unpack[Ours]) -> int:
    """Return what a process that starts so may do."""
    return int(told(working.effective, **ours), 16)


def test_caps() -> None:
    """Capabilities are dropped, but for those that are named."""
    new = makable("uts")
    assert capabilities(new=new) != 0
    assert capabilities(new=new, caps=[]) == 0
    assert capabilities(new=new, caps=["net_raw"]) == 1 << 13


def test_no_new_privs() -> None:
    """A process can be kept from getting more."""
    assert told(working.no_new_privs, new=makable("uts"), no_new_privs=True) == "1"
    assert told(working.no_new_privs, new=makable("uts")) == "0"


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


@POWER
def test_started_from_elsewhere() -> None:
    """A process is where the thread is that starts it, and in what is joined."""
    with fresh("net") as other, closing(Namespace.new("uts")) as uts:
        context = get_context(join=uts)
        with context.Pool(1) as pool:
            assert working.differing(links(), pool.apply(links)) == {"uts"}
        with other:
            found = told(links, join=uts)
        assert found == links() | {"net": str(other.id), "uts": str(uts.id)}


def test_started_from_threads() -> None:
    """Several threads start processes at once, each its own."""
    context = get_context(new=makable("uts", "net"))

    def work() -> list[Links]:
        reader, writer = context.Pipe(duplex=False)
        found = []
        with reader, writer:
            for _ in range(2):
                process = context.Process(target=working.tell, args=[writer, links])
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
            assert int(pool.apply(working.effective), 16) == 1 << 13


def test_a_later_change_of_arguments() -> None:
    """What the caller does to its lists afterwards is of no matter."""
    types = [*makable("uts", "net")]
    context = get_context(new=types)
    types.clear()
    with context.Pool(1) as pool:
        found = pool.apply(links)
    assert {"uts", "net"} <= working.differing(links(), found)


@POWER
def test_join_an_iterator() -> None:
    """Namespaces to join come in an iterator as well, for each process."""
    with closing(NamespaceSet.new("net", "uts")) as both:
        context = get_context(join=iter(both.values()))
        expected = {"net": str(both["net"].id), "uts": str(both["uts"].id)}
    for _ in range(2):
        with context.Pool(1) as pool:
            assert pool.apply(links) == links() | expected


def test_beside_a_living_program() -> None:
    """Processes and programs share namespaces."""
    with living(new=makable("net")) as process, closing(process.namespaces) as found:
        assert told(links, join=found)["net"] == str(found["net"].id)
