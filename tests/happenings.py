"""Events for tests, made by hand, and a trace that gives them."""

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import pytest

from pynamespaces import CloneFlag, NamespaceId, NamespaceType, tracing
from pynamespaces.tracing.events import (
    ChangeEvent,
    CloneEvent,
    LostEvent,
    NamespaceChange,
    SetnsEvent,
    TraceEvent,
    UnshareEvent,
)

SECOND: Final = 10**9

HOSTILE: Final = "[red]\x1b[31m\n\udcff"
"""What a process may be called."""

SHOWN: Final = r"[red]\x1b[31m\n\xff"


def id_of(type: NamespaceType, ino: int, unique: int | None = None) -> NamespaceId:
    """Return the identity of a namespace."""
    return NamespaceId(type, 4, ino, unique)


def change(
    type: NamespaceType,
    before: int | None,
    after: int | None,
    *,
    created: bool | None = False,
) -> NamespaceChange:
    """Return a change from one inode number to another."""
    ids = [None if ino is None else id_of(type, ino) for ino in (before, after)]
    return NamespaceChange(type, ids[0], ids[1], created)


ENTERED: Final = SetnsEvent(
    *(5 * SECOND + 1234567, 4242, 4242, 4200, "nsenter"),
    *(3, int(CloneFlag.CLONE_NEWNET), (NamespaceType.NET,)),
    *(0, None),
    "kernel",
    (change(NamespaceType.NET, 4026531840, 4026532177),),
)

STAYED: Final = ENTERED._replace(nstype=0, changes=())
"""It entered what it was in."""

REFUSED: Final = ENTERED._replace(
    result=-1,
    error="EPERM",
    changes=(),
    target=id_of(NamespaceType.NET, 4026532177, 99),
)

UNSHARED: Final = UnshareEvent(
    *(6 * SECOND, 4243, 4250, None, HOSTILE),
    int(CloneFlag.CLONE_NEWUSER | CloneFlag.CLONE_NEWNET | CloneFlag.CLONE_NEWNS),
    (NamespaceType.MNT, NamespaceType.NET, NamespaceType.USER),
    *(0, None),
    "kernel",
    (
        change(NamespaceType.MNT, 4026531841, 4026532280, created=True),
        change(NamespaceType.NET, 4026531840, 4026532281, created=True),
        change(NamespaceType.USER, None, 4026532279, created=True),
    ),
)

DENIED: Final = UNSHARED._replace(result=-1, error="EPERM", changes=(), denied=True)

CLONED: Final = CloneEvent(
    *(7 * SECOND, 4244, 4244, 1, "make"),
    *("clone", 0x1000000 | CloneFlag.CLONE_NEWUTS | 17, (NamespaceType.UTS,)),
    *(4245, 4245, None),
    "observed",
    (change(NamespaceType.UTS, 4026531838, 4026532290, created=True),),
)

HIDDEN: Final = CLONED._replace(
    syscall="clone3", flags=None, child=None, result=None, changes=()
)
"""Its flags could not be read, and its return was not seen."""

BORN: Final = ChangeEvent(
    *(8 * SECOND, 4246, 4246, 1, "sh", 4247, "kernel"),
    (change(NamespaceType.PID, 4026531836, 4026532300, created=None),),
)

CHANGED: Final = BORN._replace(child=None)

LOST: Final = LostEvent(9 * SECOND, 12, 30)

EVERY: Final[tuple[TraceEvent, ...]] = (
    *(ENTERED, STAYED, REFUSED, UNSHARED, DENIED, CLONED, HIDDEN, BORN, CHANGED, LOST),
)
"""One of each kind."""


class FakeTrace:
    """A trace that gives batches of events, and then ends."""

    backend = "perf"

    def __init__(
        self,
        batches: Iterable[Iterable[TraceEvent]],
        *,
        pid: int | None = None,
        returncode: int | None = None,
        lost: int = 0,
    ) -> None:
        self._batches = [list(batch) for batch in batches]
        self.pid = pid
        self.returncode = returncode
        self.lost = lost
        self.closed = False
        self.timeouts: list[float | None] = []

    @property
    def ended(self) -> bool:
        """Whether all was given."""
        return not self._batches

    def read(self, timeout: float | None = None) -> list[TraceEvent]:
        """Give the next batch."""
        self.timeouts.append(timeout)
        return self._batches.pop(0) if self._batches else []

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


Gives: TypeAlias = Callable[[FakeTrace], list[dict[str, object]]]


@pytest.fixture
def gives(monkeypatch: pytest.MonkeyPatch) -> Gives:
    """Have commands of this process get a trace; with what they ask is returned."""

    def give(trace: FakeTrace) -> list[dict[str, object]]:
        asked: list[dict[str, object]] = []

        def start(**options: object) -> FakeTrace:
            asked.append(options)
            return trace

        monkeypatch.setattr(tracing, "trace", start)
        return asked

    return give
