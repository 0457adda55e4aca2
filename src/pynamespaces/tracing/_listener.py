"""
The listener of a seccomp filter: who is asked, and answers.

See :manpage:`seccomp_unotify(2)`. Who has asked is blocked in its call until then.
"""

import errno
import struct
from fcntl import ioctl
from typing import Final, NamedTuple

from ._filter import CallName, call_name

# Of linux/seccomp.h; the sizes of the records are part of the numbers.
_RECEIVE: Final = 0xC0502100
_ANSWER: Final = 0xC0182101
_IS_VALID: Final = 0x40082102
_SET_FLAGS: Final = 0x40082104

_SYNC_WAKE_UP: Final = 1
_CONTINUE: Final = 1

_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("=QqiI")
_ID: Final = struct.Struct("=Q")


class Notification(NamedTuple):
    """A call that waits for an answer."""

    id: int
    tid: int
    """Of the thread; 0 if it has no id in the supervisor's pid namespace."""

    call: CallName | None
    arguments: tuple[int, ...]


class Listener:
    """A descriptor of a listener, which stays whose it is."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd
        try:
            # Who has asked goes on at once, on the same processor: ten times as fast.
            ioctl(fd, _SET_FLAGS, _SYNC_WAKE_UP)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):  # before Linux 6.6
                raise

    def fileno(self) -> int:
        """Lend the descriptor."""
        return self._fd

    def receive(self) -> Notification | None:
        """Take a call over, if it is still there; only when there is one to read."""
        record = bytearray(_NOTIFICATION.size)
        if not self._ask(_RECEIVE, record):
            return None
        id, tid, _, number, arch, _, *arguments = _NOTIFICATION.unpack(record)
        return Notification(id, tid, call_name(arch, number), tuple(arguments))

    def is_valid(self, notification: Notification) -> bool:
        """Return whether the caller still waits: then what was read is the caller's."""
        return self._ask(_IS_VALID, bytearray(_ID.pack(notification.id)))

    def answer(self, notification: Notification, error: int = 0) -> bool:
        """
        Let the call be made, or have it fail; return whether it was still there.

        It may not be, where the thread was killed or a signal came in between.
        """
        flags = 0 if error else _CONTINUE
        response = _RESPONSE.pack(notification.id, 0, -error, flags)
        return self._ask(_ANSWER, bytearray(response))

    def _ask(self, request: int, record: bytearray) -> bool:
        """Return whether there is what it is about; the answer is in the record."""
        while True:
            try:
                ioctl(self._fd, request, record)
            except InterruptedError:
                continue
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINPROGRESS):
                    return False
                raise
            return True


def as_int(argument: int) -> int:
    """Return what C takes an argument for that is an int."""
    number = argument & 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number
