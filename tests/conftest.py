"""Tiers, and the invariants that hold after every test."""

import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import working
from holding import Holder, holder
from provoking import libc
from support import TIER, missing

from pynamespaces import Namespace

SETTLE = 2.0
"""How long what is ending may take to be gone, in seconds."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line(
        "markers", "tier(*names): the test runs only as one of plain, userns, root"
    )
    # What starts the tests may have them ignored, as nohup(1) and a shell's "&" do, and
    # programs inherit that.
    for signo in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(signo, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say which tier this run is."""
    return f"tier: {TIER}; requires: {os.environ.get('PYNAMESPACES_REQUIRE', '-')}"


def pytest_sessionfinish() -> None:
    """Have what is left at the end collected as usual."""
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def _young_heap(request: pytest.FixtureRequest) -> None:
    """Have the collector look at what a module's tests make, at nothing from before."""
    # Tests fork thousands of children; all that there is here makes each of them slow.
    _forget_reports(request.config)
    gc.collect()
    with suppress(AttributeError):  # Other C libraries have none.
        libc.malloc_trim(0)
    gc.freeze()


def _forget_reports(config: pytest.Config) -> None:
    """Let go of the reports on fixtures that worked, which only durations are for."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and config.getoption("durations") is None:
        reporter.stats.get("", []).clear()


@pytest.fixture(autouse=True)
def _tier(request: pytest.FixtureRequest) -> None:
    """Skip what this tier cannot run; another tier does."""
    marker = request.node.get_closest_marker("tier")
    if marker is not None and TIER not in marker.args:
        if len(marker.args) == 1:
            missing(marker.args[0], f"needs the tier {marker.args[0]}, not {TIER}")
        pytest.skip(f"needs one of the tiers {', '.join(marker.args)}, not {TIER}")


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        # The directory that is being listed is gone by now.
        with suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def _threads() -> dict[str, dict[str, str]]:
    """Return the namespaces of every thread of this process."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            links = {
                name: os.readlink(task / "ns" / name)
                for name in os.listdir(task / "ns")
                if not name.endswith("for_children")
            }
            links["pid_for_children"] = os.readlink(task / "ns/pid_for_children")
        except OSError:
            continue  # It has just ended.
        found[task.name] = links
    return found


def _children() -> list[str]:
    return Path("/proc/thread-self/children").read_text().split()


def _places() -> tuple[tuple[int, int], tuple[int, int] | None]:
    root, cwd = os.stat("/"), os.stat("/proc/thread-self/cwd")
    return (root.st_dev, root.st_ino), (cwd.st_dev, cwd.st_ino)


def _state() -> dict[str, object]:
    return {
        "descriptors": _descriptors(),
        "threads": _threads(),
        "children": _children(),
        "root and cwd": _places(),
    }


@pytest.fixture(autouse=True)
def nothing_left_behind(_tier: None) -> Iterator[None]:
    """After each test: the same descriptors, threads, namespaces, children, cwd."""
    # The library keeps a pidfd of each thread, from its first use on.
    Namespace.current("net").close()
    before = _state()
    yield
    deadline = time.monotonic() + SETTLE
    while (changed := _changes(before, _state())) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not changed, "\n".join(changed)


def _changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Say what is not as it was; a thread that had been ending may be gone."""
    threads, known = after["threads"], before["threads"]
    assert isinstance(threads, dict)
    assert isinstance(known, dict)
    after = after | {"threads": known | threads}
    return [
        f"{key}: before {before[key]}, after {after[key]}"
        for key in before
        if before[key] != after[key]
    ]


@pytest.fixture(scope="module")
def tracked() -> Iterator[None]:
    """What multiprocessing keeps for the process, for as long as a module's tests."""
    main = sys.modules["__main__"]
    with pytest.MonkeyPatch.context() as patch, working.tracked():
        # Each process would import the main module again: all of pytest.
        patch.setattr(main, "__spec__", None)
        patch.delattr(main, "__file__", raising=False)
        yield


@pytest.fixture
def collected(nothing_left_behind: None) -> Iterator[None]:
    """No process objects in cycles, before it is looked at what is left."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def target() -> Iterator[Holder]:
    """A process that has its own of each type but user and time."""
    if TIER == "plain":
        pytest.skip("needs power to make it")
    with holder("cgroup", "ipc", "mnt", "net", "pid", "uts") as made:
        yield made
