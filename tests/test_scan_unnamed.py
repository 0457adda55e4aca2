"""A process without a name, where there is none with one before it."""

import sys

from pynamespaces import run

UNNAMED = """
import ctypes
ctypes.CDLL(None).prctl(15, b"", 0, 0, 0)
from pynamespaces import scan
print([(process.pid, process.name) for process in scan().processes()])
"""


def test_no_name_at_all() -> None:
    """The first text that a worker keeps may be empty: the session sanitize looks."""
    command = [sys.executable, "-c", UNNAMED]
    # Beside an init of ours, which has a name, it would not be the first.
    done = run(
        command,
        new=("user", "pid", "mnt"),
        init=False,
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert (done.stdout, done.stderr) == (b"[(1, '')]\n", b"")
    assert done.returncode == 0
