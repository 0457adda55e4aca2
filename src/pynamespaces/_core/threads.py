"""The threads of this process, as the kernel counts them."""

import time
from typing import Final

from .. import _proc

# Threads that were joined are gone after 4 ms at the most on a busy machine; the
# bound is for those of other libraries, which will not go.
_PATIENCE: Final = 0.1
_PAUSE: Final = 0.0005


def _running_in_python(tasks: list[int]) -> int:
    """Return how many of the threads Python knows to be running."""
    import threading  # Not needed by those who only import this package.

    return sum(thread.native_id in tasks for thread in threading.enumerate())


def wait_until_alone() -> bool:
    """
    Return whether the calling thread is the only one, waiting for what is ending.

    A thread that has been joined goes on for a moment, and the kernel refuses to a
    process with threads what it would do a moment later. Threads that are running
    are not waited for; those that Python does not know are, for a tenth of a second.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        tasks = _proc.task_ids()
        if tasks is None:
            return False
        if len(tasks) <= 1:
            return True
        if _running_in_python(tasks) > 1 or time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
