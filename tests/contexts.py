"""What the tests of contexts share: ways to run a process, and to hear of it."""

from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from typing import TypeVar, Unpack

import pytest
import telling
from starting import Ours
from working import LIMIT

from pynamespaces import get_context

T = TypeVar("T")

TWO = pytest.mark.parametrize(
    "ours",
    [Ours(new=("user", "uts")), Ours(new=("user", "pid"))],
    ids=["user", "init"],
)
"""The ways in which what is behind a process object differs."""


def ran(process: SpawnProcess) -> int | None:
    """Return how a process ends."""
    process.start()
    process.join(LIMIT)
    return process.exitcode


def told(function: Callable[[], T], **ours: Unpack[Ours]) -> T:
    """Return what a process tells that starts so."""
    context = get_context(**ours)
    reader, writer = context.Pipe(duplex=False)
    with reader, writer:
        process = context.Process(target=telling.tell, args=[writer, function])
        process.start()
        process.join(LIMIT)
        assert process.exitcode == 0
        found: T = reader.recv()
    return found
