"""Where the kernel does not tell of namespaces: looking into /proc after each call."""

from __future__ import annotations

from ._assembly import Assembler, Call
from ._tasks import look
from .events import Certainty


class ObservingAssembler(Assembler):
    """An assembler that looks where a thread is by now, as long as it is there."""

    certainty: Certainty = "observed"

    def _succeeded(self, call: Call, pid: int, tid: int) -> None:
        of = tid if call.child is None else call.child
        before, after = self.tasks.places(tid, pid), look(of)
        if after is not None:
            self.tasks.move(of, after)
            is_new = call.syscall != "setns"
            created = call.types if is_new else ()
            call.changes = tuple(
                self.tasks.changes(before, after, created, call.types)
            )
        super()._succeeded(call, pid, tid)
