"""The calls of `supervise` fail, which sets the one filter that there can be."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from support import program

CODE = """
import os
from pynamespaces import NamespaceError, supervise
command = ["sh", "-c", "unshare -Ur true; echo it has run >&2; exit 3"]
try:
    print("status", supervise(command, on_event=lambda event: None))
except NamespaceError as error:
    print("error", type(error).__name__, error.errno)
print(sorted(os.listdir("/proc/self/fd")), open("/proc/thread-self/children").read())
"""

CALLS = {
    "seccomp": ["EINVAL", "EACCES", "ENOMEM"],
    "socketpair": ["EMFILE"],
    "clone3": ["ENOSYS", "EAGAIN"],
    "sendmsg": ["ENOBUFS", "EINTR"],
    "recvmsg": ["ENOMEM"],
    "poll": ["ENOMEM"],
    "execve": ["EACCES"],
}
"""What only the start of a program calls, and by what it fails there."""


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """Run it, traced."""
    command = [program("strace"), "-f", "-qq", "-o", "/dev/null", *options]
    return subprocess.run(
        [*command, sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what it says of how it went, and of what is left."""
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@cache
def whole() -> str:
    """Return what is open where no call fails."""
    done = run("-e", "trace=none")
    status, left = lines(done)
    assert status == "status 3"
    assert "it has run" in done.stderr
    return left


@pytest.mark.parametrize(
    ("call", "errno"), [(call, errno) for call in CALLS for errno in CALLS[call]]
)
def test_one_fails(call: str, errno: str, tmp_path: Path) -> None:
    """It is done all the same, or an error, and then no program runs unsupervised."""
    # The interpreter itself is the first that is executed.
    which = "2+" if call == "execve" else "1"
    log = tmp_path / "log"
    rule = f"inject={call}:error={errno}:when={which}"
    done = run("-o", str(log), "-e", rule)
    outcome, left = lines(done)
    assert left == whole()
    assert re.match("(status 3|error .*)$", outcome)
    if call != "poll":  # That is while it runs.
        assert ("it has run" in done.stderr) == (outcome == "status 3")
    assert "(INJECTED)" in log.read_text()
