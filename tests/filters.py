"""Seccomp filters: rules for system calls, what they become in BPF, and their start."""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

EQUAL: Final = 0x15
HAS: Final = 0x45
ABOVE: Final = 0x25

_NUMBER: Final = 0
_FIRST_ARGUMENT: Final = 16
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_LOAD: Final = 0x20
_JUMP: Final = 0x05
_RETURN: Final = 0x06

_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

IS_KNOWN: Final = platform.machine() in _SECCOMP
"""Whether the numbers of this machine's system calls are known here."""


def number(x86: int, generic: int) -> int:
    """Return the number of a call on this machine."""
    return x86 if platform.machine() == "x86_64" else generic


class Where(NamedTuple):
    """What the low half of an argument must be: one of, above, or with bits of."""

    argument: int
    test: int
    values: tuple[int, ...]


class Rule(NamedTuple):
    """How calls are answered: by an errno, or 0: they are made; if all of *where*."""

    calls: Sequence[int]
    errno: int
    where: tuple[Where, ...] = ()


class Newer(NamedTuple):
    """Calls after the last that is known: there are none."""

    last: int


def _statement(code: int, k: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("HBBI", code, true, false, k & 0xFFFFFFFF)


def _answer(failure: int) -> bytes:
    return _statement(_RETURN, _ERRNO | failure if failure else _ALLOW)


def _jump(block: bytes) -> bytes:
    """Jump over a block, of any length."""
    return _statement(_JUMP, len(block) // 8)


def _only_if(test: int, values: Iterable[int], block: bytes) -> bytes:
    """Go on with a block if a test of what was loaded holds for one of the values."""
    tests = list(values)
    # Each that holds jumps to the block, the last that does not jumps over it.
    lines = [
        _statement(test, value, true=len(tests) - at) for at, value in enumerate(tests)
    ]
    return b"".join(lines) + _jump(block) + block


def _compiled(rule: Rule | Newer) -> bytes:
    """Return code for a rule, that goes on behind itself where it says nothing."""
    load = _statement(_LOAD, _NUMBER)
    if isinstance(rule, Newer):
        return load + _only_if(ABOVE, [rule.last], _answer(errno.ENOSYS))
    block = _answer(rule.errno)
    for where in reversed(rule.where):
        block = _only_if(where.test, where.values, block)
        block = _statement(_LOAD, _FIRST_ARGUMENT + 8 * where.argument) + block
    calls = sorted(rule.calls)
    parts = [calls[first : first + 200] for first in range(0, len(calls), 200)]
    return b"".join(load + _only_if(EQUAL, part, block) for part in parts)


def install(rules: Iterable[Rule | Newer]) -> None:
    """
    Have the kernel answer this thread's calls so, for good; the first rule decides.

    What no rule is about is done. Who has no CAP_SYS_ADMIN can gain nothing by programs
    from then on (PR_SET_NO_NEW_PRIVS).
    """
    program = b"".join(map(_compiled, rules)) + _answer(0)
    room = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(room))
    libc = ctypes.CDLL(None, use_errno=True)
    call = _SECCOMP[platform.machine()]
    if libc.syscall(call, _SET_MODE_FILTER, 0, header) == 0:
        return
    # Only who has power may do without.
    for done in (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        libc.syscall(call, _SET_MODE_FILTER, 0, header),
    ):
        if done != 0:
            failure = ctypes.get_errno()
            raise OSError(failure, os.strerror(failure), "seccomp")
