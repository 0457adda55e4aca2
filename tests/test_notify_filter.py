"""The filter of namespace calls, and how it is handed to the kernel."""

import errno
import os
import struct
from collections import namedtuple

import pytest
from creating import nothing_happens

from pynamespaces import NamespaceType, Popen, SpawnError, UnsupportedError
from pynamespaces.tracing import _filter

ALLOW, NOTIFY, ENOSYS = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.ENOSYS
X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
X32 = 0x40000000
NEWUTS, NEWTIME = 0x04000000, 0x80

Machine = namedtuple("Machine", ["machine"])  # noqa: PYI024


def answer(code: bytes, arch: int, number: int, first: int) -> int:
    """Do what the kernel does with a filter."""
    data = struct.pack("=IIQQ", number, arch, 0, first)
    at = value = 0
    while True:
        kind, yes, no, operand = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if kind == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
        elif kind == 0x54:
            value &= operand
        elif kind == 0x15:
            at += yes if value == operand else no
        elif kind == 0x45:
            at += yes if value & operand else no
        else:
            assert kind == 0x06
            return int(operand)


@pytest.mark.parametrize(
    ("machine", "arch", "bit", "numbers"),
    [
        ("x86_64", X86_64, 0, (308, 272, 56, 435)),
        ("x86_64", X86_64, X32, (308, 272, 56, 435)),
        ("x86_64", I386, 0, (346, 310, 120, 435)),
        ("i686", I386, 0, (346, 310, 120, 435)),
        ("aarch64", AARCH64, 0, (268, 97, 220, 435)),
        ("armv7l", ARM, 0, (375, 337, 120, 435)),
    ],
)
def test_what_is_asked_about(
    machine: str,
    arch: int,
    bit: int,
    numbers: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of each architecture, namespace calls are asked about, and nothing else."""
    monkeypatch.setattr(os, "uname", lambda: Machine(machine))
    setns, unshare, clone, clone3 = (number | bit for number in numbers)
    notify, enosys = _filter.program("notify"), _filter.program("enosys")
    for code in (notify, enosys):
        assert answer(code, arch, setns, 0) == NOTIFY
        assert answer(code, arch, unshare, NEWUTS | 0x400) == NOTIFY
        assert answer(code, arch, unshare, NEWTIME) == NOTIFY
        assert answer(code, arch, unshare, 0x400) == ALLOW
        assert answer(code, arch, clone, NEWUTS | 17) == NOTIFY
        assert answer(code, arch, clone, NEWTIME | 0x10000) == ALLOW
        assert answer(code, arch, clone, NEWUTS << 32) == ALLOW
        assert answer(code, arch, 1, NEWUTS) == ALLOW
        assert answer(code, 0x1234, 1, 0) == ENOSYS
    assert answer(notify, arch, clone3, 1) == NOTIFY
    assert answer(enosys, arch, clone3, 1) == ENOSYS
    assert _filter.call_name(arch, unshare) == "unshare"


def test_flags() -> None:
    """All types are asked about; clone has none of time."""
    assert {*_types(_filter.NEW_NAMESPACES)} == {*NamespaceType}
    missing = {*NamespaceType} - {*_types(_filter.NEW_NAMESPACES_OF_CLONE)}
    assert missing == {NamespaceType.TIME}


def _types(flags: int) -> list[NamespaceType]:
    return [type for type in NamespaceType if type.flag & flags]


def test_unknown_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the calls have numbers that are not known, nothing is started."""
    monkeypatch.setattr(os, "uname", lambda: Machine("sparc64"))
    with pytest.raises(UnsupportedError, match="sparc64"):
        _filter.program("notify")


class Filtered(Popen[bytes]):
    """A program with a filter."""

    _is_brief = True


@pytest.mark.parametrize("filter", [b"", b"1234567", bytes(8 * 4097)])
def test_wrong_size(filter: bytes) -> None:
    """A filter is some whole instructions."""
    process = Filtered.__new__(Filtered)
    process._filter = filter
    with nothing_happens(), pytest.raises(ValueError, match="instructions"):
        process.__init__(["true"])  # type: ignore[misc]


@pytest.mark.parametrize("options", [{}, {"new": ("user", "pid", "mnt")}])
def test_refused(options: dict[str, tuple[str, ...]]) -> None:
    """A filter that the kernel refuses keeps the program from beginning."""
    process = Filtered.__new__(Filtered)
    process._filter = bytes(8)  # It answers nothing.
    with nothing_happens(), pytest.raises(SpawnError) as caught:
        process.__init__(["true"], **options)  # type: ignore[misc]
    assert (caught.value.errno, caught.value.step) == (errno.EINVAL, "supervise")
    assert caught.value.syscall == "seccomp"
