"""What processes are called in other pid namespaces: by the kernel, and by NSpid."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from creating import nothing_happens
from holding import in_own_userns
from newer import need
from provoking import dead_pid, hide_proc, refuse_ioctl
from support import in_child
from watching import in_worker

from pynamespaces import (
    Namespace,
    NamespacePermissionError,
    NoSuchProcessError,
    PidNamespace,
    SystemCallError,
    unshare,
)

REQUESTS = (0x8004B706, 0x8004B708)
"""NS_GET_PID_FROM_PIDNS and NS_GET_PID_IN_PIDNS, which came with Linux 6.11."""


def by_nspid(function: Callable[[], None]) -> None:
    """Run in a child for which the kernel has no requests for ids."""

    def inside() -> None:
        for request in REQUESTS:
            refuse_ioctl(request, errno.ENOTTY)
        function()

    in_child(inside)


WAYS: dict[str, Callable[[Callable[[], None]], None]] = {
    "ioctl": lambda function: function(),
    "NSpid": by_nspid,
}
ways = pytest.mark.parametrize("way", WAYS)


def pause() -> None:
    """Wait until the end."""
    signal.pause()


@contextmanager
def nest(depth: int) -> Iterator[list[tuple[int, PidNamespace]]]:
    """
    Have the inits of pid namespaces, each inside the one before.

    Gives what they are called here, and their namespaces.
    """
    reader, writer = os.pipe()
    first = os.fork()
    if first == 0:
        try:
            for _ in range(depth):
                unshare("pid")
                if child := os.fork():
                    os.waitpid(child, 0)
                    os._exit(0)
                # The pipe tells the caller what this /proc calls it.
                os.write(writer, os.readlink("/proc/self").encode().rjust(10))
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    pids: list[int] = []
    try:
        while len(pids) < depth:
            pids.append(int(os.read(reader, 10)))
        spaces = [PidNamespace.from_pid(pid, "pid") for pid in pids]
        yield list(zip(pids, spaces, strict=True))
        for space in spaces:
            space.close()
    finally:
        os.close(reader)
        # Each of the others waits for the one that is inside it.
        os.kill(pids[-1] if pids else first, signal.SIGKILL)
        os.waitpid(first, 0)


def in_nest(
    depth: int, check: Callable[[list[tuple[int, PidNamespace]]], None]
) -> None:
    """Check something about pid namespaces that the caller has power over."""

    def inside() -> None:
        with nest(depth) as inits:
            check(inits)

    in_own_userns(inside)


@ways
def test_init(way: str) -> None:
    """The init of a namespace is 1 inside, and has its id here."""

    def check(inits: list[tuple[int, PidNamespace]]) -> None:
        [(pid, inside)] = inits

        def ask() -> None:
            with nothing_happens():
                assert inside.pid_here(1) == pid
                assert inside.pid_inside(pid) == 1

        WAYS[way](ask)
        in_worker(lambda: (inside.pid_here(1), inside.pid_inside(pid)))

    in_nest(1, check)


@ways
def test_nested(way: str) -> None:
    """Of nested namespaces, each has its own names for the same process."""

    def check(inits: list[tuple[int, PidNamespace]]) -> None:
        pids, (outer, middle, inner) = [pid for pid, _ in inits], [n for _, n in inits]

        def ask() -> None:
            assert [outer.pid_inside(pid) for pid in pids] == [1, 2, 3]
            assert [middle.pid_inside(pid) for pid in pids[1:]] == [1, 2]
            assert inner.pid_inside(pids[2]) == 1
            assert [outer.pid_here(number) for number in (1, 2, 3)] == pids
            assert [middle.pid_here(number) for number in (1, 2)] == pids[1:]
            assert inner.pid_here(1) == pids[2]
            for space, pid in ((middle, pids[0]), (inner, pids[1])):
                with pytest.raises(NoSuchProcessError):
                    space.pid_inside(pid)

        WAYS[way](ask)

    in_nest(3, check)


@ways
def test_from_inside(way: str) -> None:
    """The caller's own is that of the thread, wherever this /proc is of."""

    def check() -> None:
        # Here /proc is that of a pid namespace further out.
        with nest(2) as inits:
            (first, outer), (second, inner) = inits

            def ask() -> None:
                assert outer.pid_here(1) < second
                assert inner.pid_inside(inner.pid_here(1)) == 1
                assert outer.pid_inside(inner.pid_here(1)) == 2

            assert first < second
            WAYS[way](ask)

    in_own_userns(check)


@ways
def test_own(way: str) -> None:
    """In the caller's own namespace an id is an id, and of a dead process none."""

    def ask() -> None:
        with nothing_happens(), closing(PidNamespace.current("pid")) as own:
            assert own.pid_here(os.getpid()) == own.pid_inside(os.getpid())
            assert own.pid_here(os.getpid()) == os.getpid()
            for question in (own.pid_here, own.pid_inside):
                with pytest.raises(NoSuchProcessError) as caught:
                    question(dead_pid())
                assert caught.value.errno == errno.ESRCH

    WAYS[way](lambda: in_child(ask))


@ways
def test_not_there(way: str) -> None:
    """A process outside has no id inside, and ids that are free lead nowhere."""

    def check(inits: list[tuple[int, PidNamespace]]) -> None:
        [(_, inside)] = inits

        def ask() -> None:
            for question, number in (
                (inside.pid_inside, os.getpid()),
                (inside.pid_here, 4444),
            ):
                with nothing_happens(), pytest.raises(NoSuchProcessError):
                    question(number)

        WAYS[way](ask)

    in_nest(1, check)


@ways
def test_above(way: str) -> None:
    """One that the caller is below has no names for those here, nor the other way."""

    def check() -> None:
        outer = Namespace.current("pid")
        assert isinstance(outer, PidNamespace)
        unshare("pid")

        def ask() -> None:
            with pytest.raises(SystemCallError):
                outer.pid_here(os.getppid() or 1 << 21)
            with pytest.raises((NoSuchProcessError, NamespacePermissionError)):
                outer.parent().close()

        in_child(lambda: WAYS[way](ask))
        outer.close()

    in_own_userns(check)


@ways
def test_sibling(way: str) -> None:
    """Two namespaces side by side know nothing of one another's processes."""

    def check(inits: list[tuple[int, PidNamespace]]) -> None:
        with nest(1) as others:
            (pid, inside), (other_pid, other) = inits[0], others[0]

            def ask() -> None:
                assert inside.pid_here(1) == pid
                assert other.pid_here(1) == other_pid
                for space, number in ((inside, other_pid), (other, pid)):
                    with pytest.raises(NoSuchProcessError):
                        space.pid_inside(number)

            WAYS[way](ask)

    in_nest(1, check)


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**64])
def test_no_pid(number: int) -> None:
    """What is no id is a ValueError that tells what is."""
    with closing(PidNamespace.current("pid")) as own:
        for question in (own.pid_here, own.pid_inside):
            with pytest.raises(ValueError, match="pid"):
                question(number)


@pytest.mark.parametrize("number", ["1", 1.0, None, True])
def test_no_number(number: object) -> None:
    """What is no number is a TypeError."""
    with closing(PidNamespace.current("pid")) as own:
        for question in (own.pid_here, own.pid_inside):
            with pytest.raises(TypeError):
                question(number)  # type: ignore[arg-type]


def test_without_proc() -> None:
    """The kernel answers without /proc; without either it is told as not there."""
    need("pid-translation")

    def check() -> None:
        with nest(1) as [(pid, inside)]:
            hide_proc()
            assert (inside.pid_here(1), inside.pid_inside(pid)) == (pid, 1)

            def ask() -> None:
                with pytest.raises(SystemCallError):
                    inside.pid_here(1)

            by_nspid(ask)

    in_own_userns(check, "mnt")
