"""
The seccomp filter that has namespace calls answered: a program for the kernel's BPF.

It reads the architecture first: one number is another call for 32-bit programs, and
both kinds are asked about. What makes no namespaces, as a plain fork or a new thread,
goes on at the cost of a few instructions.
"""

import errno
import os
import struct
from typing import Final, Literal, TypeAlias

from .._types import NamespaceType, flags_of
from ..errors import UnsupportedError

CallName: TypeAlias = Literal["setns", "unshare", "clone", "clone3"]
Clone3: TypeAlias = Literal["notify", "enosys"]

# Of linux/audit.h and the tables of system calls: setns, unshare, clone, clone3.
_NAMES: Final[tuple[CallName, ...]] = ("setns", "unshare", "clone", "clone3")
_X86: Final = {
    0xC000003E: (308, 272, 56, 435),  # x86_64, and x32 with a bit more
    0x40000003: (346, 310, 120, 435),  # i386
}
_ARM: Final = {
    0xC00000B7: (268, 97, 220, 435),  # aarch64
    0x40000028: (375, 337, 120, 435),  # 32 bits
}
_MACHINES: Final = {
    "x86_64": _X86,
    "i386": _X86,
    "i686": _X86,
    "aarch64": _ARM,
    "armv7l": _ARM,
    "armv8l": _ARM,
}
_CALLS: Final[dict[tuple[int, int], CallName]] = {
    (arch, number): name
    for table in (_X86, _ARM)
    for arch, numbers in table.items()
    for name, number in zip(_NAMES, numbers, strict=True)
}

_NOT_X32: Final = 0xBFFFFFFF

NEW_NAMESPACES: Final = int(flags_of(tuple(NamespaceType)))

# clone(2) has the signal of the child's end there, where others have CLONE_NEWTIME.
NEW_NAMESPACES_OF_CLONE: Final = NEW_NAMESPACES & ~0xFF

# struct seccomp_data; the lower half of an argument comes first on these machines.
_NUMBER: Final = 0
_ARCH: Final = 4
_FIRST_ARGUMENT: Final = 16

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_ANY: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_ALLOW: Final = 0x7FFF0000
_NOTIFY: Final = 0x7FC00000
_NO_SUCH_CALL: Final = 0x00050000 | errno.ENOSYS


def call_name(arch: int, number: int) -> CallName | None:
    """Return which call a notification is about."""
    return _CALLS.get((arch, number & _NOT_X32))


def program(clone3: Clone3) -> bytes:
    """
    Return the filter, as instructions of struct sock_filter.

    Args:
        clone3: Whether that call is asked about, or the kernel seems not to have it:
            then the C library takes clone, whose flags are in a register.

    Raises:
        UnsupportedError: The numbers of this machine's calls are not known here.
    """
    machine = os.uname().machine
    table = _MACHINES.get(machine)
    if table is None:
        raise UnsupportedError(
            errno.ENOSYS,
            os.strerror(errno.ENOSYS),
            syscall="seccomp",
            reason=f"the numbers of the calls of {machine} are not known here",
        )
    code = _instruction(_LOAD, _ARCH)
    for arch, numbers in table.items():
        part = _part(numbers, clone3)
        code += _instruction(_IF_EQUAL, arch, if_not=len(part) // 8) + part
    # No other kind of program runs on such a machine.
    return code + _instruction(_RETURN, _NO_SUCH_CALL)


def _part(numbers: tuple[int, ...], clone3: Clone3) -> bytes:
    """Return what is done for one architecture; it ends with the filter's answer."""
    setns, unshare, clone, third = numbers
    answers = {setns: _answer(_NOTIFY), unshare: _asked_if(NEW_NAMESPACES)}
    answers[clone] = _asked_if(NEW_NAMESPACES_OF_CLONE)
    answers[third] = _answer(_NOTIFY if clone3 == "notify" else _NO_SUCH_CALL)
    code = _instruction(_LOAD, _NUMBER) + _instruction(_AND, _NOT_X32)
    for number, answer in answers.items():
        code += _instruction(_IF_EQUAL, number, if_not=len(answer) // 8) + answer
    return code + _answer(_ALLOW)


def _asked_if(flags: int) -> bytes:
    """Return what asks if the first argument has one of some flags."""
    return (
        _instruction(_LOAD, _FIRST_ARGUMENT)
        + _instruction(_IF_ANY, flags, if_not=1)
        + _answer(_NOTIFY)
        + _answer(_ALLOW)
    )


def _answer(action: int) -> bytes:
    return _instruction(_RETURN, action)


def _instruction(code: int, operand: int, *, if_not: int = 0) -> bytes:
    """Return one; *if_not* is how many are left out where its condition is false."""
    return struct.pack("=HBBI", code, 0, if_not, operand)
