"""Running helper tasks: until they are through, and losing nothing that they open."""

import errno
import os
from collections.abc import Callable
from typing import Final, TypeVar

from .._lib import IntOut, new_ints, read_int, write_int
from .._types import NamespaceType
from .outcomes import refusal

_NOTHING: Final = -1

Made = TypeVar("Made")


def run(
    task: Callable[[], int], type: NamespaceType, filename: str | bytes | None = None
) -> int:
    """
    Run a task of the shim's, again where a signal has ended it.

    Python handles the signal in between, and the handler may raise.
    """
    while (result := task()) == -errno.EINTR:
        pass
    if result < 0:
        raise refusal(result, (type,), filename)
    return result


def run_for_descriptor(
    task: Callable[[IntOut], int],
    adopt: Callable[[int], Made],
    type: NamespaceType,
    filename: str | bytes | None = None,
) -> Made:
    """
    Run a task that opens something; return what *adopt* makes of the descriptor.

    From then on that owns it, also if it fails.
    """
    # The shim writes it here, where it is found also if a signal handler raises
    # before the call has returned.
    opened = new_ints("int", [_NOTHING])
    try:
        run(lambda: task(opened), type, filename)
        return adopt(_take(opened))
    except BaseException:
        if read_int(opened) != _NOTHING:
            os.close(read_int(opened))
        raise


def _take(opened: IntOut) -> int:
    fd = read_int(opened)
    write_int(opened, _NOTHING)
    return fd
