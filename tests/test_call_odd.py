"""Calling a function elsewhere that does something odd."""

import os
from contextlib import closing
from dataclasses import dataclass

import pytest
from calling import BIRTHS, Birth
from starting import orphans_reaped
from support import run_python

from pynamespaces import CallError, Namespace, NamespaceSet


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


def fork_and_wait() -> str:
    """Return in two processes, the child first."""
    pid = os.fork()
    if pid == 0:
        return "child" * 100_000
    os.waitpid(pid, 0)
    return "parent"


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
