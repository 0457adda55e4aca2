"""Tiers, and the invariants that hold after every test."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress

import hypothesis
import pytest
import working
from holding import Holder, holder
from killing import reap_all
from leavings import changes, settled, state
from provoking import libc
from support import TIER, missing

from pynamespaces import Namespace

# The same examples each time, and no files: not everybody may write here.
hypothesis.settings.register_profile(
    "same", database=None, deadline=None, derandomize=True
)
hypothesis.settings.load_profile("same")


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


@pytest.fixture(autouse=True)
def nothing_left_behind(_tier: None) -> Iterator[None]:
    """After each test: the same descriptors, threads, namespaces, children, cwd."""
    # The library keeps a pidfd of each thread, from its first use on.
    Namespace.current("net").close()
    before = state()
    yield
    changed = changes(before, settled(state, before))
    assert not changed, "\n".join(changed)


@pytest.fixture
def orphans(nothing_left_behind: None) -> Iterator[None]:
    """What a test's children leave may come to this process: if it is the init here."""
    yield
    if os.getpid() == 1:
        reap_all()


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
