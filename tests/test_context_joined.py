"""`get_context`: its processes in namespaces that there are already."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import telling
import working
from contexts import told
from starting import POWER, fresh_proc, living, makable, read_line
from support import program
from targets import fresh
from working import LIMIT, links

from pynamespaces import (
    CallError,
    Namespace,
    NamespaceSet,
    Popen,
    TypeLike,
    get_context,
)

pytestmark = pytest.mark.usefixtures("tracked", "collected")


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
        assert {1, 2} < {*told(telling.processes, join=found)}
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
                    told = pool.submit(telling.imported, name).result(LIMIT)
                    assert told == name
        with ProcessPoolExecutor(1, get_context(join=found)) as pool:
            missing = pool.submit(telling.imported, name).result(LIMIT)
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


@POWER
def test_not_from_another_mnt() -> None:
    """From inside another mount namespace no interpreter is started."""

    def start() -> str:
        try:
            get_context(new="uts").Process(target=working.nothing).start()
        except CallError as error:
            return str(error)
        return "started"

    with closing(Namespace.new("mnt")) as mnt:
        assert "from outside" in mnt.call(start)
