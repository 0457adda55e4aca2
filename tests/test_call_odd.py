"""Calling a function elsewhere that does something odd."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from births import BIRTHS, KINDS, Birth, somewhere
from calling import fork_and_wait, low_sockets
from starting import orphans_reaped
from support import in_child, run_python

from pynamespaces import CallError, Namespace, NamespaceSet, ThreadPoolExecutor
from pynamespaces._core.call import How


def test_sigpipe() -> None:
    """A process that is gone before it is told what to do does not take its caller."""
    code = """
import os, signal, sys, threading
from pynamespaces import CallError, Namespace
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
end = threading.Event()
threading.Thread(target=end.wait).start()
sys.path.insert(0, "/dev/null")
import multiprocessing
multiprocessing.set_executable("/bin/true")
try:
    Namespace.new("user").call(len, b"x" * 10_000_000)
except CallError as error:
    print(error.exitcode)
end.set()
"""
    assert run_python(code).stdout == "0\n"


@BIRTHS
def test_function_that_forks(birth: Birth) -> None:
    """Where a function returns twice, its own process answers."""
    with closing(NamespaceSet.new("user", "uts")) as made, birth(), orphans_reaped():
        assert made.call(fork_and_wait) == "parent"


@dataclass(frozen=True)
class FrozenError(Exception):
    """An error to which nothing can be assigned."""


def fail_frozen() -> None:
    """Raise it."""
    raise FrozenError


def test_frozen_exception() -> None:
    """An exception that refuses assignments arrives as itself, and has its cause."""
    with closing(Namespace.new("user")) as made:
        with pytest.raises(FrozenError) as caught:
            made.call(fail_frozen)
    assert "fail_frozen" in str(caught.value.__cause__)


def test_closed_descriptors() -> None:
    """A function that closes all descriptors has no answer, and hangs nobody."""
    with closing(NamespaceSet.new("user", "uts")) as made:
        with pytest.raises(CallError):
            made.call(os.closerange, 0, 1000)


async def later() -> str:
    """Run when somebody awaits it."""
    return os.readlink("/proc/thread-self/ns/uts")


def one_by_one() -> Iterator[str]:
    """Run when somebody asks."""
    yield os.readlink("/proc/thread-self/ns/uts")


@KINDS
@pytest.mark.parametrize("function", [later, one_by_one])
@pytest.mark.filterwarnings("ignore:coroutine")
def test_function_that_has_not_run(function: Callable[[], object], how: How) -> None:
    """What a function leaves to be run in the caller is refused."""
    with somewhere(how) as made:
        with pytest.raises(TypeError, match="has not run yet"):
            made.call(function, how=how)
        if how == "thread":
            with ThreadPoolExecutor(made) as pool:
                with pytest.raises(TypeError, match="has not run yet"):
                    pool.submit(function).result()
            assert made.call(asyncio.run, later()) == str(made["uts"].id)


@BIRTHS
def test_closed_streams(birth: Birth) -> None:
    """With standard streams closed, what is printed is not taken for an answer."""

    def check() -> list[int]:
        os.closerange(0, 3)
        with closing(Namespace.new("user")) as made, birth():
            return made.call(low_sockets)

    assert in_child(check) == []


FULL = """
import os, sys
from pynamespaces import Namespace
sys.stdout = open("/dev/full", "w")
print("before")
value = Namespace.new("user").call(lambda: print("inside") or 7)
os.write(2, str(value).encode())
os._exit(0)
"""


def test_full_stream() -> None:
    """What cannot be written does not keep the value back."""
    assert run_python(FULL).stderr == "7"


def test_the_word_main() -> None:
    """An argument that names the main module does not need it."""
    code = """
import threading
from pynamespaces import Namespace
end = threading.Event()
threading.Thread(target=end.wait).start()
print(Namespace.new("user").call(len, "__main__"))
end.set()
"""
    assert run_python(code).stdout == "8\n"
