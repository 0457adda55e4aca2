"""Where the kernel does not tell of namespaces: looking into /proc after each call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .._types import NamespaceType
from ._assembly import Assembler, Call
from ._records import UNKNOWN
from ._tasks import ORDER, Places, look
from .events import Certainty, NamespaceChange

_FOR_CHILDREN: Final = (NamespaceType.PID, NamespaceType.TIME)


class ObservingAssembler(Assembler):
    """An assembler that looks where a thread is by now, as long as it is there."""

    certainty: Certainty = "observed"

    def _born(self, numbers: tuple[int, ...]) -> None:
        super()._born(numbers)
        _, maker, tid, maker_tid = numbers
        places = self.tasks.places(maker_tid, maker, self.time)
        if places is not None:
            self.tasks.move(tid, places)

    def _succeeded(self, call: Call, tid: int) -> None:
        if call.first == UNKNOWN and call.syscall == "clone3":
            return  # What is seen later need not be of this call.
        of = tid if call.child is None else call.child
        before, after = self.tasks.places(tid, call.pid, self.time), look(of)
        if after is not None:
            self.tasks.move(of, after)
            is_new = call.syscall != "setns"
            created = call.types if is_new else ()
            call.changes = tuple(self.tasks.changes(before, after, created, call.types))
        elif call.syscall != "setns":
            # It has ended, but something was made; by setns, perhaps nothing changed.
            call.changes = tuple(self._made(before, call))
        super()._succeeded(call, tid)

    def _made(self, before: Places | None, call: Call) -> Iterator[NamespaceChange]:
        is_clone = call.syscall in ("clone", "clone3")
        for type in call.types:
            if not is_clone and type in _FOR_CHILDREN:
                continue
            old = 0 if before is None else before[ORDER.index(type)]
            id = self.tasks.id(ORDER.index(type), old) if old else None
            yield NamespaceChange(type, id, None, created=True)
