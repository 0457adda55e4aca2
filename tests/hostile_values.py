"""Values that nobody should give, of which each use gets a fresh one."""

import enum
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn
from unittest.mock import Mock

from pynamespaces import IdMap, Namespace, NamespaceSet


class OddError(Exception):
    """What the hostile objects raise; whoever uses them gets just that."""


def _fail(*_: object) -> NoReturn:
    raise OddError("odd")


class _Path:
    """A path whose text is what it was made of."""

    def __init__(self, text: object) -> None:
        self._text = text

    def __fspath__(self) -> object:
        return self._text


class _Lender:
    """What lends a descriptor, or something else."""

    def __init__(self, number: object) -> None:
        self._number = number

    def fileno(self) -> object:
        return self._number


class _Closing:
    """What closes what it lends."""

    def fileno(self) -> int:
        fd = os.open("/", os.O_PATH)
        os.close(fd)
        return fd


class _NoMethod:
    fileno = 3


class _Index:
    def __init__(self, number: object) -> None:
        self._number = number

    def __index__(self) -> object:
        return self._number


class _Odd:
    """What raises whatever it is asked."""

    def __repr__(self) -> str:
        return "<odd>"


for _name in (
    *("hash", "eq", "bool", "len", "iter", "index", "int", "lt", "le", "gt", "ge"),
    *("and", "call", "getitem", "contains", "fspath", "float", "str"),
):
    setattr(_Odd, f"__{_name}__", _fail)


class _Word(str):
    """A str of a class of its own."""

    __slots__ = ()


class _Number(int):
    """An int of a class of its own."""


class _LookAlike(enum.StrEnum):
    NET = "net"
    OTHER = "nett"


class _Type:
    """What has all that a type has."""

    name, value, flag, type = "NET", "net", 0x40000000, "net"


class _Mapping(Mapping[str, object]):
    """A mapping that breaks off."""

    def __getitem__(self, key: str) -> object:
        return 1

    def __iter__(self) -> Iterator[str]:
        yield "monotonic"
        raise OddError("odd")

    def __len__(self) -> int:
        return 2


def _broken_off() -> Iterator[object]:
    yield "net"
    raise OddError("odd")


def _closed() -> Namespace:
    made = Namespace.current("net")
    made.close()
    return made


def _closed_set() -> NamespaceSet:
    made = NamespaceSet.current("net", "uts")
    made.close()
    return made


NUMBERS: Final = (
    *(0, 1, 2, -1, -2, 255, 4096, 1 << 30, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1),
    *(2**32 - 2, 2**32 - 1, 2**32, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1),
    *(2**64, -(2**64), 10**400, 10**5000, -(10**5000)),
    *(0.0, 0.5, -1.5, 1e300, float("nan"), float("inf"), float("-inf"), 1j),
    *(True, False, None, ..., NotImplemented),
)

TEXTS: Final = (
    *("", ".", "..", "/", "//", "a/b", "../../../etc", "/proc/self/ns", "/dev/null"),
    *("a\0b", "\0", "\n", "a\nb", "\udcff", "a\udcffb", "\ud800", "\x7f", "\u202e"),
    *("x" * 64, "x" * 65, "x" * 255, "x" * 256, "é" * 128, "x" * 5000, "x" * (1 << 20)),
    *("a/" * 2047, "/" * 5000, "net", "nett", "NET", "mnt", "user", "pid", "0", "-1"),
    *(
        "1",
        "\u0661",
        " 1",
        "1_0",
        "1e3",
        "nan",
        "net\0",
        "net ",
        "%s%n",
        "{0}",
        "$(id)",
    ),
)

_MADE: Final[dict[str, Callable[[], object]]] = {
    "object": object,
    "list": list,
    "dict": dict,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "class": lambda: int,
    "module": lambda: os,
    "function": lambda: _fail,
    "list of None": lambda: [None],
    "list of lists": lambda: [[]],
    "list of odd": lambda: [_Odd()],
    "tuple of three": lambda: (0, 0, 1),
    "triples": lambda: [(0, 0, 1), (0, 0, 1)],
    "long list": lambda: [0] * 100_000,
    "long generator": lambda: (None for _ in range(100_000)),
    "descriptors": lambda: list(range(1000)),
    "net twice": lambda: ["net", "net"],
    "broken off": _broken_off,
    "dict of odd": lambda: {"monotonic": _Odd()},
    "dict of None": lambda: {None: None},
    "dict of huge": lambda: {"monotonic": 10**400},
    "dict of nul": lambda: {"a\0b": "c"},
    "dict of mb": lambda: {f"a{n}": "x" * 100_000 for n in range(21)},
    "mapping": _Mapping,
    "slice": lambda: slice(0, 1),
    "bytes": lambda: b"",
    "bytes name": lambda: b"net",
    "bytes nul": lambda: b"a\0b",
    "bytes not utf-8": lambda: b"\xff\xfe",
    "bytes long": lambda: b"x" * 5000,
    "bytearray": lambda: bytearray(b"net"),
    "memoryview": lambda: memoryview(b"net"),
    "path": lambda: _Path("net"),
    "path of bytes": lambda: _Path(b"net"),
    "path nul": lambda: _Path("a\0b"),
    "path of None": lambda: _Path(None),
    "path of int": lambda: _Path(3),
    "path of path": lambda: _Path(_Path("net")),
    "lender": lambda: _Lender(2**31),
    "lender of -1": lambda: _Lender(-1),
    "lender of 0": lambda: _Lender(0),
    "lender of None": lambda: _Lender(None),
    "lender of str": lambda: _Lender("0"),
    "lender of True": lambda: _Lender(True),
    "lender of huge": lambda: _Lender(10**5000),
    "lender of index": lambda: _Lender(_Index(0)),
    "closing": _Closing,
    "no method": _NoMethod,
    "index": lambda: _Index(1),
    "index of huge": lambda: _Index(10**400),
    "index of str": lambda: _Index("1"),
    "odd": _Odd,
    # What says that it is an int.
    "liar": lambda: Mock(spec=int),
    "own str": lambda: _Word("net"),
    "own int": lambda: _Number(1),
    "look-alike": lambda: _LookAlike.NET,
    "other look-alike": lambda: _LookAlike.OTHER,
    "like a type": _Type,
    "closed namespace": _closed,
    "closed set": _closed_set,
    "namespace": lambda: Namespace.current("net"),
    "namespace set": lambda: NamespaceSet.current("net", "uts"),
    "class of namespace": lambda: Namespace,
    "map": lambda: IdMap([(0, 54321, 1)]),
    "long map": lambda: IdMap([(n, n, 1) for n in range(0, 680, 2)]),
    "error": lambda: OddError("odd"),
}


def _same(value: object) -> object:
    return value


def _shown(value: object) -> str:
    with suppress(ValueError):  # Of a number with very many digits.
        return f"{value!a:.30}#{len(repr(value))}"
    return f"huge {value > 0}"  # type: ignore[operator]


HOSTILE: Final[dict[str, Callable[[], object]]] = {
    **{_shown(value): partial(_same, value) for value in (*NUMBERS, *TEXTS)},
    **_MADE,
}
"""By what they are called; each call makes another."""
