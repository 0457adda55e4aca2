"""What is tried, and as whom: what the caller tells the process that tries it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from .._types import NamespaceType

Pending: TypeAlias = Literal["fresh", "inhabited"]
"""Children are born in another pid namespace, which has had no process yet, or has."""


class Situation(NamedTuple):
    """What a child does not inherit of the calling thread by itself."""

    dumpable: bool
    pending: Pending | None
    capabilities: tuple[int, int, int] | None
    """Effective, permitted, inheritable; None where they are inherited."""


class Task(NamedTuple):
    """One thing to try."""

    name: str
    type: NamespaceType | None = None
    fds: tuple[int, ...] = ()
    """The namespaces that it is about, if these are given."""

    is_threaded: bool = False
    """To be tried beside another thread."""

    has_own_fs: bool = False
    """By one that has its own root, working directory and umask."""


class Subject(NamedTuple):
    """A task, as who tries it has it."""

    task: Task
    be_like_caller: Callable[[], None]
    """Called once what is tried with is there, and before it is tried."""

    @property
    def type(self) -> NamespaceType:
        assert self.task.type is not None
        return self.task.type


Try: TypeAlias = Callable[[Subject], None]
"""Tries something in a process of its own, and raises if it does not work."""
