"""One attempt at a public operation, of which a system call fails."""

import os
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from injecting import Fault, Switch
from leavings import changes, settled, state
from support import TIER, own

from pynamespaces import (
    IrreversibleError,
    NamespaceError,
    NamespaceSet,
    RestoreError,
    TypeLike,
)

PROC_OF_THREAD: Final = re.compile(r"/proc/\d+/task/\d+/ns")
PIDFD: Final = "anon_inode:[pidfd]"


class Outcome(NamedTuple):
    """What came of an operation of which one call has failed."""

    kind: str
    """``worked``, or the name of the exception."""

    errno: int | None
    text: str

    wrong: tuple[str, ...]
    """What is not as it must be."""


class Attempt:
    """One attempt at an operation: what is prepared before, and what comes of it."""

    def __init__(self, switch: Switch, place: Path, fault: Fault | None) -> None:
        self.place = place
        """An empty folder."""

        self.worked = False
        self.kind, self.text = "nothing", ""
        self.errno: int | None = None
        self.wrong: list[str] = []

        self.is_elsewhere = False
        """Whether this process has moved for good, as it was to."""

        self._switch, self._fault = switch, fault
        self._opened = ExitStack()
        self._home = os.readlink("/proc/self/ns/net")

    @contextmanager
    def failing(
        self, *also: type[BaseException], apart_from: tuple[str, ...] = ()
    ) -> Iterator[ExitStack]:
        """
        Do it in the body, which gets a stack for what it opens.

        Args:
            also: What it may raise besides the errors of this package.

            apart_from: What need not be as before when it has failed.
        """
        before = self.state() | dict.fromkeys(apart_from)
        try:
            with self._switch.on():
                yield self._opened
        except BaseException as error:
            self._failed(error, also)
            self._opened.close()
            self.compare(before)
        else:
            self.worked, self.kind = True, "worked"

    def look(self, *links: str) -> list[tuple[int, int]]:
        """Within the body: return where the thread is, which cannot fail."""
        with self._switch.off():
            return [own(link) for link in links]

    def _failed(
        self, error: BaseException, also: tuple[type[BaseException], ...]
    ) -> None:
        self.kind, self.text = type(error).__name__, f"{error}"
        self.errno = getattr(error, "errno", None)
        if not isinstance(error, (NamespaceError, MemoryError, *also)):
            self.wrong.append(f"raised {error!r} at {_place(error)}")
        # What the frames that it went through had would be there until it is handled.
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, RestoreError):
            self._check_lost()

    def _check_lost(self) -> None:
        """Check that a thread whose way back failed is refused from now on."""
        try:
            with closing(NamespaceSet.new("user", "uts")) as fresh, fresh["uts"]:
                self.wrong.append("a lost thread has entered something")
        except (RestoreError, IrreversibleError):
            pass

    def compare(self, before: dict[str, object]) -> None:
        """Note what is not as it was before."""
        if self.kind == "RestoreError":
            lost = ("threads", "root and cwd", "mounts", "names", "files")
            before = self.without_place(before) | dict.fromkeys(lost)
        self.wrong += changes(before, settled(self.state, before))

    def state(self) -> dict[str, object]:
        """Return all that an operation may change and must not."""
        found = state()
        descriptors = found["descriptors"]
        assert isinstance(descriptors, dict)
        # What the library keeps of a thread is a directory where pidfds do not answer.
        links = [PROC_OF_THREAD.sub(PIDFD, link) for link in descriptors.values()]
        if self._fault is not None and self._fault.call == "fstat":
            # What cannot be told to be its own, it does not close.
            links = [link for link in links if link != PIDFD]
        # One of the network namespace is the library's, while it is cheap to keep.
        if self._home in links:
            links.remove(self._home)
        return found | {
            "descriptors": sorted(links),
            "credentials and signals": _status(),
            "mounts": _mounts(),
            "files": sorted(os.listdir(self.place)),
            "names": _names(),
        }

    def without_place(self, before: dict[str, object]) -> dict[str, object]:
        """Return what still holds of a state where this process is elsewhere."""
        moved = ("mounts", "names", "credentials and signals", "files")
        return before | dict.fromkeys((*moved, "threads", "root and cwd"))

    def close(self) -> None:
        """Close what it has opened."""
        self._opened.close()

    def outcome(self) -> Outcome:
        """Return what came of it."""
        return Outcome(self.kind, self.errno, self.text, tuple(self.wrong))


def _place(error: BaseException) -> str:
    """Return where an exception was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "nowhere"
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _status() -> list[str]:
    lines = Path("/proc/thread-self/status").read_text().splitlines()
    fields = ("Uid:", "Gid:", "Groups:", "Cap", "SigBlk", "SigIgn", "SigCgt", "Umask")
    return [line for line in lines if line.startswith(fields)]


def _mounts() -> list[str]:
    """Return what is mounted where; what was mounted again has another id."""
    lines = Path("/proc/thread-self/mountinfo").read_text().splitlines()
    return [re.sub(r"^\d+ \d+|\S+:\d+(?= )", "", line) for line in lines]


def _names() -> list[str]:
    return sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []


Body = Callable[[Attempt], None]


class Operation(NamedTuple):
    """An operation, and who may do it."""

    body: Body
    tiers: tuple[str, ...]


OPERATIONS: Final[dict[str, Operation]] = {}

POWER: Final = ("root", "userns")
_ALL: Final = ("plain", "userns", "root")


def operation(name: str, *tiers: str) -> Callable[[Body], Body]:
    """Enter a function into the table of operations."""

    def enter(body: Body) -> Body:
        OPERATIONS[name] = Operation(body, tiers or _ALL)
        return body

    return enter


def makable(*types: TypeLike) -> tuple[TypeLike, ...]:
    """Return these types, with user where they cannot be made without."""
    return types if TIER != "plain" else ("user", *types)
