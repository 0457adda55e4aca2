"""Time namespaces: the offsets of their clocks."""

from .. import _core
from .._namespace import Namespace
from .._types import NamespaceType


class TimeNamespace(Namespace, type=NamespaceType.TIME):
    """A time namespace: its own monotonic clocks (:manpage:`time_namespaces(7)`)."""

    __slots__ = ()

    @property
    def offsets(self) -> dict[str, float]:
        """
        How far its clocks, monotonic and boottime, are ahead of the machine's.

        In seconds; `Namespace.new` takes the same. A helper task with memory of its
        own reads them, so this takes longer in a large process; no thread is moved.
        Where this thread's children are due in a fresh time namespace, it is refused
        (`IrreversibleError`).

        Raises:
            NamespacePermissionError: The caller has no power over the namespace.
        """
        with self._hold() as fd:
            return _core.elsewhere.read_offsets(fd)
