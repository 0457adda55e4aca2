"""The vocabulary: namespace types, clone flags, identities."""

import enum
from collections.abc import Mapping
from typing import (
    TYPE_CHECKING,
    Final,
    Literal,
    NoReturn,
    TypeAlias,
    TypeVar,
    cast,
    dataclass_transform,
)

from ._lib import lib

if TYPE_CHECKING:
    from typing_extensions import override as override
else:
    # Python has it since 3.12, and the other module takes as long as this package.
    def override(method: object) -> object:
        """Return *method*, which replaces an inherited one."""
        return method


_Class = TypeVar("_Class")


class CloneFlag(enum.IntFlag):
    """The flags of :manpage:`clone(2)`, :manpage:`unshare(2)`, :manpage:`setns(2)`."""

    CLONE_NEWTIME = lib.CLONE_NEWTIME
    CLONE_VM = lib.CLONE_VM
    CLONE_FS = lib.CLONE_FS
    CLONE_FILES = lib.CLONE_FILES
    CLONE_SIGHAND = lib.CLONE_SIGHAND
    CLONE_PIDFD = lib.CLONE_PIDFD
    CLONE_PTRACE = lib.CLONE_PTRACE
    CLONE_VFORK = lib.CLONE_VFORK
    CLONE_PARENT = lib.CLONE_PARENT
    CLONE_THREAD = lib.CLONE_THREAD
    CLONE_NEWNS = lib.CLONE_NEWNS
    CLONE_SYSVSEM = lib.CLONE_SYSVSEM
    CLONE_SETTLS = lib.CLONE_SETTLS
    CLONE_PARENT_SETTID = lib.CLONE_PARENT_SETTID
    CLONE_CHILD_CLEARTID = lib.CLONE_CHILD_CLEARTID
    CLONE_DETACHED = lib.CLONE_DETACHED
    CLONE_UNTRACED = lib.CLONE_UNTRACED
    CLONE_CHILD_SETTID = lib.CLONE_CHILD_SETTID
    CLONE_NEWCGROUP = lib.CLONE_NEWCGROUP
    CLONE_NEWUTS = lib.CLONE_NEWUTS
    CLONE_NEWIPC = lib.CLONE_NEWIPC
    CLONE_NEWUSER = lib.CLONE_NEWUSER
    CLONE_NEWPID = lib.CLONE_NEWPID
    CLONE_NEWNET = lib.CLONE_NEWNET
    CLONE_IO = lib.CLONE_IO
    CLONE_CLEAR_SIGHAND = lib.CLONE_CLEAR_SIGHAND
    CLONE_INTO_CGROUP = lib.CLONE_INTO_CGROUP


class NamespaceType(enum.StrEnum):
    """
    The eight types of namespace, named as under ``/proc/PID/ns``.

    A member is a string: ``NamespaceType.NET == "net"``. Whatever takes a type takes
    the string as well. See :manpage:`namespaces(7)`.
    """

    CGROUP = "cgroup"
    IPC = "ipc"
    MNT = "mnt"
    NET = "net"
    PID = "pid"
    TIME = "time"
    USER = "user"
    UTS = "uts"

    @property
    def flag(self) -> CloneFlag:
        """The ``CLONE_NEW*`` flag of this type."""
        return _FLAGS[self]

    @classmethod
    def from_flag(cls, flag: int) -> "NamespaceType":
        """
        Return the type of a ``CLONE_NEW*`` flag.

        Raises:
            ValueError: *flag* is not exactly one of the eight.
        """
        try:
            return _BY_FLAG[flag]
        except KeyError:
            known = ", ".join(f"{f.name} ({f:#x})" for f in _FLAGS.values())
            raise ValueError(
                f"{shown(flag)} is not the flag of one namespace type: {known}"
            ) from None

    @classmethod
    @override
    def _missing_(cls, value: object) -> "NamespaceType":
        known = ", ".join(repr(member.value) for member in cls)
        message = f"{shown(value)} is not a namespace type: use one of {known}"
        if not isinstance(value, str):
            raise TypeError(message)
        raise ValueError(message)


_LONGEST_SHOWN: Final = 200


def shown(value: object) -> str:
    """Return what an error says of a value that it was given, whatever that is."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of very many digits.
        return f"a {type(value).__name__} that cannot be written"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


_FLAGS: Final = {
    NamespaceType.CGROUP: CloneFlag.CLONE_NEWCGROUP,
    NamespaceType.IPC: CloneFlag.CLONE_NEWIPC,
    NamespaceType.MNT: CloneFlag.CLONE_NEWNS,
    NamespaceType.NET: CloneFlag.CLONE_NEWNET,
    NamespaceType.PID: CloneFlag.CLONE_NEWPID,
    NamespaceType.TIME: CloneFlag.CLONE_NEWTIME,
    NamespaceType.USER: CloneFlag.CLONE_NEWUSER,
    NamespaceType.UTS: CloneFlag.CLONE_NEWUTS,
}
_BY_FLAG: Final = {int(flag): type for type, flag in _FLAGS.items()}

TypeName: TypeAlias = Literal[
    "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"
]
TypeLike: TypeAlias = NamespaceType | TypeName
"""A namespace type, or its name."""


def types_of(flags: int) -> tuple[NamespaceType, ...]:
    """Return the namespace types whose flags are in *flags*, in the order of names."""
    return tuple(type for type, flag in _FLAGS.items() if flags & flag)


def flags_of(types: tuple[NamespaceType, ...]) -> CloneFlag:
    """Return the flags of *types* in one value."""
    flags = CloneFlag(0)
    for type in types:
        flags |= type.flag
    return flags


def parse_types(types: tuple[TypeLike, ...]) -> tuple[NamespaceType, ...]:
    """Return *types* as members, each once."""
    return tuple(dict.fromkeys(NamespaceType(type) for type in types))


class _Fields:
    """``__dataclass_fields__``, made when the module dataclasses asks for it."""

    def __get__(self, instance: object, owner: type) -> Mapping[str, object]:
        from dataclasses import field, make_dataclass

        made = make_dataclass(
            owner.__name__,
            [
                ("type", NamespaceType),
                ("dev", int),
                ("ino", int),
                ("unique", "int | None", field(default=None)),
            ],
            frozen=True,
        )
        return cast("Mapping[str, object]", vars(made)["__dataclass_fields__"])


@dataclass_transform(frozen_default=True)
def _written_out(cls: type[_Class]) -> type[_Class]:
    """Let type checkers take for a frozen dataclass what is one, written by hand."""
    return cls


# Importing dataclasses costs more than the rest of this package, so what it would
# generate stands here.
@_written_out
class NamespaceId:
    """
    Which namespace it is: plain data, that may be kept, sent and compared.

    A frozen dataclass. The kernel gives the inode number of a dead namespace to the
    next one at once, so *dev* and *ino* tell two namespaces apart only while both
    live. *unique* is never given twice: two ids that both have one are equal only for
    one namespace.
    """

    __slots__ = ("dev", "ino", "type", "unique")
    __match_args__ = ("type", "dev", "ino", "unique")
    __dataclass_fields__ = _Fields()

    type: NamespaceType
    """The type of the namespace."""

    dev: int
    """The device of nsfs, the same for all namespaces of a machine."""

    ino: int
    """The inode number, as in ``net:[4026531840]``."""

    unique: int | None
    """``NS_GET_ID``; ``None`` before Linux 6.18."""

    def __init__(
        self, type: NamespaceType, dev: int, ino: int, unique: int | None = None
    ) -> None:
        keep = object.__setattr__
        keep(self, "type", type)
        keep(self, "dev", dev)
        keep(self, "ino", ino)
        keep(self, "unique", unique)

    def _values(self) -> tuple[NamespaceType, int, int, int | None]:
        return self.type, self.dev, self.ino, self.unique

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NamespaceId):
            return NotImplemented
        return self._values() == other._values()

    @override
    def __hash__(self) -> int:
        return hash(self._values())

    @override
    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise _frozen(name, "assign to")

    @override
    def __delattr__(self, name: str) -> NoReturn:
        raise _frozen(name, "delete")

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return NamespaceId, self._values()

    @override
    def __repr__(self) -> str:
        values = zip(self.__match_args__, self._values(), strict=True)
        return f"NamespaceId({', '.join(f'{n}={v!r}' for n, v in values)})"

    @override
    def __str__(self) -> str:
        """Write the id as the kernel does: ``net:[4026531840]``."""
        return f"{self.type}:[{self.ino}]"


def _frozen(name: str, what: str) -> AttributeError:
    from dataclasses import FrozenInstanceError

    return FrozenInstanceError(f"cannot {what} field {name!r}")
