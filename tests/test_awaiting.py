"""Awaiting inside a body: what is told of it, and by whom."""

import asyncio
import gc
import socket
import sys
import warnings
import weakref
from collections.abc import Coroutine
from contextlib import AbstractContextManager, closing
from pathlib import Path
from types import ModuleType

import pytest
from calling import where
from holding import Holder
from looping import ran
from starting import POWER, members
from support import own, run_python

from pynamespaces import (
    Namespace,
    NamespaceSet,
    ThreadPoolExecutor,
    create_subprocess_exec,
    unshared,
)

WAYS = ("one", "enter", "set", "set enter", "unshared")


def way(name: str, made: NamespaceSet) -> AbstractContextManager[object]:
    """Return a way to be inside."""
    ways: dict[str, AbstractContextManager[object]] = {
        "one": made["uts"],
        "enter": made["uts"].enter(),
        "set": made,
        "set enter": made.enter(),
        "unshared": unshared("uts"),
    }
    return ways[name]


def warned(main: Coroutine[object, object, None]) -> list[warnings.WarningMessage]:
    """Return what a coroutine is warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ran(main)
    return [one for one in caught if one.category is RuntimeWarning]


async def wait_inside(place: AbstractContextManager[object]) -> None:
    """Await in a body."""
    with place:
        await asyncio.sleep(0)


async def return_at_once() -> None:
    """Await nothing."""


async def stay_inside(place: AbstractContextManager[object]) -> None:
    """Await in a body what does not wait."""
    with place:
        await return_at_once()
    with place:
        pass


@POWER
@pytest.mark.parametrize("name", WAYS)
def test_warning(target: Holder, name: str) -> None:
    """Who awaits in a body is warned, at its own line, when the thread is back."""
    before = own("uts")
    with members(target.pid, "uts") as made:
        (warning,) = warned(wait_inside(way(name, made)))
    assert own("uts") == before
    assert warning.filename == __file__
    for word in ("call", "ThreadPoolExecutor", "socket", "create_subprocess_exec"):
        assert word in str(warning.message)


@POWER
@pytest.mark.parametrize("name", ["one", "set"])
def test_no_warning(target: Holder, name: str) -> None:
    """Who does not, or has nothing to wait for, is not."""
    with members(target.pid, "uts") as made:
        assert warned(stay_inside(way(name, made))) == []


def test_no_warning_where_nothing_moves() -> None:
    """To await where the thread has been before moves no other task."""
    with closing(NamespaceSet.current("uts", "net")) as current:
        assert warned(wait_inside(current)) == []


@POWER
def test_warning_as_an_error(target: Holder) -> None:
    """If the warning is an error, the thread is back before it is raised."""
    before = own("uts")

    async def main(made: NamespaceSet) -> None:
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="awaited"):
            await wait_inside(made)
        assert own("uts") == before

    with members(target.pid, "uts") as made:
        ran(main(made))


@POWER
def test_exception_of_the_body(target: Holder) -> None:
    """An exception of the body passes, and the warning comes as well."""

    async def main(made: NamespaceSet) -> None:
        with pytest.raises(KeyError):
            with made:
                await asyncio.sleep(0)
                raise KeyError

    with members(target.pid, "uts") as made:
        assert len(warned(main(made))) == 1


@POWER
def test_two_tasks(target: Holder) -> None:
    """Two tasks whose bodies cross are told that, and not that they are good."""
    outcomes: list[object] = []

    async def main(made: NamespaceSet) -> None:
        go_on = asyncio.Event()

        async def first() -> None:
            with made["uts"]:
                await go_on.wait()

        async def second() -> None:
            with made["net"]:
                go_on.set()
                await asyncio.sleep(0)
                await asyncio.sleep(0)

        found = await asyncio.gather(first(), second(), return_exceptions=True)
        outcomes.extend(found)

    def in_a_thread() -> None:
        with members(target.pid, "uts", "net") as made:
            warned(main(made))

    # The thread is left inside by this, so it is one that ends.
    with closing(Namespace.current("uts")) as uts:
        uts.call(in_a_thread)
    (error,) = (found for found in outcomes if found is not None)
    assert isinstance(error, RuntimeError)
    assert "must not await" in str(error)


@POWER
def test_ways_that_work(target: Holder) -> None:
    """What the warning names does not move the loop's thread, and is inside."""
    before = where()

    async def main(made: NamespaceSet) -> None:
        name = str(made["uts"].id)
        pool = ThreadPoolExecutor(made, 2)
        loop = asyncio.get_running_loop()
        found = await asyncio.gather(
            asyncio.to_thread(made.call, where),
            loop.run_in_executor(pool, where),
            loop.run_in_executor(pool, where),
        )
        await asyncio.to_thread(pool.shutdown)
        assert [one["uts"] for one in found] == [name] * 3
        process = await create_subprocess_exec(
            "readlink", "/proc/self/ns/uts", join=made, stdout=-1
        )
        said, _ = await process.communicate()
        assert said.decode().strip() == name
        with socket.socket() as used:
            assert used.family is socket.AF_INET
        assert where() == before

    with members(target.pid, "uts") as made:
        assert warned(main(made)) == []


def test_asyncio_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread is importing asyncio, bodies are as ever."""
    monkeypatch.setitem(sys.modules, "asyncio.events", ModuleType("asyncio.events"))
    monkeypatch.setitem(sys.modules, "asyncio.tasks", ModuleType("asyncio.tasks"))
    with closing(NamespaceSet.current("uts", "net")) as current, current:
        pass


def test_nothing_piles_up() -> None:
    """However often a coroutine enters, the loop has one thing more to do."""

    async def main(current: NamespaceSet) -> None:
        loop = asyncio.get_running_loop()
        before = len(getattr(loop, "_ready"))  # noqa: B009 - private
        for _ in range(100):
            with current:
                pass
        assert len(getattr(loop, "_ready")) <= before + 1  # noqa: B009

    with closing(NamespaceSet.current("uts", "net")) as current:
        assert warned(main(current)) == []


def test_loop_is_let_go_of() -> None:
    """A loop and its tasks are not kept alive by bodies that they have had."""
    kept: list[weakref.ref[object]] = []

    async def main(current: NamespaceSet) -> None:
        with current:
            pass
        kept.append(weakref.ref(asyncio.get_running_loop()))
        task = asyncio.current_task()
        assert task is not None
        kept.append(weakref.ref(task))

    with closing(NamespaceSet.current("uts", "net")) as current:
        asyncio.run(main(current))
    gc.collect()
    assert [one() for one in kept] == [None, None]


@pytest.mark.tier("root", "userns")
def test_where_nothing_can_be_imported(tmp_path: Path) -> None:
    """A thread enters, and comes back, though what would warn is out of its reach."""
    code = """
import asyncio, os, sys
from pynamespaces import Namespace
net = Namespace.new("net")
home = os.stat("/proc/thread-self/ns/net").st_ino
proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
def here():
    return os.stat("thread-self/ns/net", dir_fd=proc).st_ino
assert "pynamespaces._core.awaiting" not in sys.modules
os.chroot(sys.argv[1])
with net:
    assert here() == os.fstat(net.fileno()).st_ino
assert here() == home
"""
    done = run_python(code, str(tmp_path), check=False)
    assert done.returncode == 0, done.stderr
