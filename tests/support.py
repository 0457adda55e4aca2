"""What the tests share: tiers, what may be missing, children, other interpreters."""

import os
import pickle
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn, TypeVar, cast

T = TypeVar("T")

ALL_TYPES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")

REQUIRED = frozenset(
    word for word in os.environ.get("PYNAMESPACES_REQUIRE", "").split(",") if word
)
"""Tiers and programs that this run must have: their absence is a failure."""


def status_field(name: str) -> str:
    """Return a field of this thread's status."""
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    raise LookupError(name)


def current_tier() -> str:
    """Return plain, userns or root: what this process may do."""
    if not int(status_field("CapEff"), 16) >> 21 & 1:
        return "plain"
    words = Path("/proc/thread-self/uid_map").read_text().split()
    return "root" if words == ["0", "0", "4294967295"] else "userns"


TIER = current_tier()


def missing(name: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where the run requires what is missing."""
    # Fresh interpreters import this module, and need no pytest.
    import pytest

    if name in REQUIRED:
        pytest.fail(f"required, but missing: {name}: {reason}")
    pytest.skip(reason)


def program(name: str) -> str:
    """Return the path of a program that the test needs."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        missing(name, f"{name} is not installed")
    return path


def module(name: str) -> ModuleType:
    """Return a module that the test needs, of a package that may not be installed."""
    try:
        return import_module(name)
    except ImportError as error:
        missing(name.partition(".")[0], str(error))


def identity(path: str | int) -> tuple[int, int]:
    """Return device and inode of a namespace file or descriptor."""
    facts = os.stat(path)
    return facts.st_dev, facts.st_ino


def own(type: str) -> tuple[int, int]:
    """Return the identity of a namespace of the calling thread."""
    return identity(f"/proc/thread-self/ns/{type}")


def own_all() -> dict[str, str]:
    """Return all links of the calling thread, for comparing before and after."""
    folder = "/proc/thread-self/ns"
    return {name: _link(f"{folder}/{name}") for name in sorted(os.listdir(folder))}


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return "pending"


class _SkippedError(Exception):
    """For what pytest raises to skip a test, which cannot be sent to the parent."""


def in_child(function: Callable[[], T]) -> T:
    """Run *function* in a forked child, and return or raise what it did."""
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        os.close(reader)
        outcome: tuple[T | None, BaseException | None]
        try:
            outcome = (function(), None)
        except BaseException as error:
            error.add_note("in the child:\n" + traceback.format_exc())
            is_skip = type(error).__name__ == "Skipped"
            outcome = (None, _SkippedError(str(error)) if is_skip else error)
        try:
            with open(writer, "wb") as file:
                pickle.dump(outcome, file)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        data = file.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        raise AssertionError(f"the child ended without an answer: status {status}")
    value, failure = pickle.loads(data)
    if isinstance(failure, _SkippedError):
        missing("", str(failure))
    if failure is not None:
        raise failure
    return cast("T", value)


def run_python(
    code: str, *args: str, prefix: Sequence[str] = (), check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own, started through a command."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        check=check,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
