"""Where the kernel does not tell of namespaces: looking into /proc after each call."""

from __future__ import annotations

from collections.abc import Iterator

from .._types import NamespaceType
from ._assembly import Assembler, Call
from ._tasks import ORDER, Places, look
from .events import Certainty, NamespaceChange


class ObservingAssembler(Assembler):
    """An assembler that looks where a thread is by now, as long as it is there."""

    certainty: Certainty = "observed"

    def _succeeded(self, call: Call, tid: int) -> None:
        of = tid if call.child is None else call.child
        before, after = self.tasks.places(tid, call.pid), look(of)
        if after is not None:
            self.tasks.move(of, after)
            is_new = call.syscall != "setns"
            created = call.types if is_new else ()
            call.changes = tuple(self.tasks.changes(before, after, created, call.types))
        elif call.syscall != "setns":
            # It has ended, but something was made; by setns, perhaps nothing changed.
            call.changes = tuple(self._made(before, call.types))
        super()._succeeded(call, tid)

    def _made(
        self, before: Places | None, types: tuple[NamespaceType, ...]
    ) -> Iterator[NamespaceChange]:
        for type in types:
            old = 0 if before is None else before[ORDER.index(type)]
            id = self.tasks.id(ORDER.index(type), old) if old else None
            yield NamespaceChange(type, id, None, created=True)
