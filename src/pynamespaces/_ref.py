"""`NamespaceRef`: a weak reference to one namespace, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NoReturn, cast, final

from . import _core
from ._namespace import Namespace
from ._types import NamespaceId, override
from .errors import NamespaceGoneError

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from ._core.marks import Marks

    _Kind_co = TypeVar("_Kind_co", bound=Namespace, covariant=True, default=Namespace)
    _Kind = TypeVar("_Kind", bound=Namespace)
else:
    # Defaults come with Python 3.13, and mean nothing at run time.
    from typing import TypeVar

    _Kind_co = TypeVar("_Kind_co", bound=Namespace, covariant=True)


@final
class NamespaceRef(Generic[_Kind_co]):
    """
    Which namespace it is, and how to open it again: a reference that is weak.

    Made by `Namespace.ref`. It holds no descriptor and keeps no namespace alive, so it
    may be kept, copied, pickled and sent to other processes, ``bytes(ref)`` also to
    ones that are not Python's. It is immutable; two are equal that say the same.

    Since Linux 6.18 it is sure: of a namespace that has died, nothing is opened, even
    when another one has its inode number. Before, that holds of the types mnt (since
    6.11) and net (since 5.14, where the caller has power over it); of the others, a
    namespace that got the number of the dead one is taken for it.
    """

    __slots__ = ("__weakref__", "_boot", "_marks")

    _marks: Marks
    _boot: bytes | None

    def __init__(self) -> None:
        raise TypeError("a NamespaceRef is made by Namespace.ref or from_bytes")

    @classmethod
    def _of(cls, namespace: _Kind) -> NamespaceRef[_Kind]:
        made = _made(_core.marks.marks_of(namespace.fileno()), _core.marks.boot_id())
        return cast("NamespaceRef[_Kind]", made)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> NamespaceRef:
        """
        Make the reference that ``bytes(ref)`` has written.

        Raises:
            ValueError: *data* is something else, or was damaged.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            kind = type(data).__name__
            raise TypeError(f"a NamespaceRef is made from bytes, not {kind}")
        return _made(*_core.wire.unpack(bytes(data)))

    @property
    def id(self) -> NamespaceId:
        """Which namespace it is, as plain data."""
        return self._marks.id

    def resolve(self) -> _Kind_co:
        """
        Open the namespace, as the subclass of its type. No thread is moved.

        Since Linux 6.18 this is one system call for the calling thread's own
        namespaces, and for a caller in the first pid namespace with CAP_SYS_ADMIN over
        the owner (:manpage:`open_by_handle_at(2)`). Else the namespace is looked for:
        among those of the calling thread; of the processes and threads in ``/proc``;
        where it is mounted; among the descriptors of this process and of others. The
        caller finds it where it may look (:manpage:`ptrace(2)`,
        PTRACE_MODE_READ_FSCREDS).

        Raises:
            NamespaceGoneError: It has died, or is nowhere that the caller may look.

            NamespaceLimitError: There was no descriptor left to open it.
        """
        self._require_this_boot()
        fd = _core.marks.open_by_handle(self._marks)
        if fd is None or not _core.seek.keep_if(fd, self._is_it):
            fd = _core.seek.open_found(self.id, self._is_it)
        if fd is None:
            raise NamespaceGoneError(
                f"{self.id} has died, or is nowhere that this caller may look (an open "
                "Namespace or a pin keeps one alive; root in the first pid namespace "
                "finds all, since Linux 6.18)"
            )
        return cast("_Kind_co", Namespace._adopt(fd))

    def _is_it(self, fd: int) -> bool:
        return _core.marks.fits(fd, self._marks)

    def _require_this_boot(self) -> None:
        """Refuse what was made elsewhere: the kernel counts anew in each boot."""
        now = _core.marks.boot_id()
        if self._boot == now:
            return
        if self._boot is None or now is None:
            raise NamespaceGoneError(
                f"whether {self.id} is of this boot cannot be told, for want of a "
                "/proc/sys/kernel/random/boot_id, now or when the reference was made"
            )
        raise NamespaceGoneError(
            f"{self.id} was a namespace before this machine was booted, or of another "
            "machine or container, and is none here: make a new reference"
        )

    def __bytes__(self) -> bytes:
        return _core.wire.pack(self._marks, self._boot)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NamespaceRef):
            return NotImplemented
        return (self._marks, self._boot) == (other._marks, other._boot)

    @override
    def __hash__(self) -> int:
        return hash((self._marks, self._boot))

    @override
    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a NamespaceRef cannot be changed: {name!r}")

    @override
    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a NamespaceRef cannot be changed: {name!r}")

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return NamespaceRef.from_bytes, (bytes(self),)

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


def _made(known: Marks, boot: bytes | None) -> NamespaceRef:
    self: NamespaceRef = object.__new__(NamespaceRef)
    keep = object.__setattr__
    keep(self, "_marks", known)
    keep(self, "_boot", boot)
    return self


Namespace._ref_class = NamespaceRef
