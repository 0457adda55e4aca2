"""The threads of this process, as the kernel counts them."""

import time
from typing import Final

from .. import _proc
from .._lib import lib

# Threads that were joined are gone after 4 ms at the most on a busy machine; the
# bound is for those of other libraries, which will not go.
_PATIENCE: Final = 0.1
_PAUSE: Final = 0.0005
_GLANCES: Final = 8


def is_alone() -> bool:
    """Return whether the process has one thread, as the kernel counts them."""
    answer = lib.pyns_is_alone()
    # A seccomp filter may forbid to ask. Without /proc either, it is not.
    return answer == 1 or (answer < 0 and len(_proc.task_ids() or (0, 0)) == 1)


def _others_run_in_python() -> bool:
    """Return whether Python knows of another thread that runs now."""
    import threading  # Not needed by those who only import this package.

    # After a fork the id of the main thread is that of the parent's.
    own = threading.current_thread()
    others = [thread for thread in threading.enumerate() if thread is not own]
    tasks = _proc.task_ids()
    return any(tasks is None or thread.native_id in tasks for thread in others)


def wait_until_alone() -> bool:
    """
    Return whether the calling thread is the only one, waiting for what is ending.

    A thread that has been joined goes on for a moment, and the kernel refuses to a
    process with threads what it would do a moment later. Threads that are running
    are not waited for; those that Python does not know are, for a tenth of a second.
    """
    deadline = time.monotonic() + _PATIENCE
    while not is_alone():
        if _others_run_in_python() or time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def wait_until_gone(tid: int) -> None:
    """
    Wait, for a tenth of a second at the most, until a joined thread has ended.

    Until then the kernel counts it, and it is still in its namespaces.
    """
    if lib.pyns_is_gone(tid, _GLANCES):
        return
    deadline = time.monotonic() + _PATIENCE
    while not lib.pyns_is_gone(tid, 1) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
