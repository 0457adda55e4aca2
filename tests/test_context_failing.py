"""`get_context`: what fails to start, or on its way, and that nothing is left."""

import gc
import multiprocessing
import os
import resource
import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from multiprocessing import active_children, resource_tracker, spawn
from pathlib import Path
from pickle import PicklingError

import pytest
import telling
import working
from creating import children, descriptors, nothing_happens
from starting import POWER, makable, orphans_reaped
from support import in_child, run_python
from working import LIMIT, links, nothing

from pynamespaces import (
    Namespace,
    NamespaceSet,
    SpawnError,
    get_context,
    unshare,
)
from pynamespaces.workers._starting import _Errand

pytestmark = pytest.mark.usefixtures("tracked", "collected")

PLAIN = pytest.mark.tier("plain")
NO_CGROUP = "/sys/fs/cgroup/no such thing"


def refused(
    step: str, kind: type[OSError], types: tuple[str, ...] = (), **options: object
) -> None:
    """Check that a process does not start, why, and that nothing is left."""
    context = get_context(**options)  # type: ignore[arg-type]
    process = context.Process(target=nothing)
    gc.collect()
    with nothing_happens():
        before = descriptors(), children()
        with pytest.raises(SpawnError) as caught:
            process.start()
        assert isinstance(caught.value, kind)
        assert caught.value.step == step
        assert types in ((), caught.value.types)
        del caught
        gc.collect()
        assert (descriptors(), children()) == before
    assert process not in active_children()
    assert process.exitcode is None
    assert not process.is_alive()


@pytest.mark.parametrize("types", [("uts",), ("pid",)], ids="+".join)
def test_nothing_stays_with_the_error(types: tuple[str, ...]) -> None:
    """Who keeps the error does not keep descriptors open by that."""
    context = get_context(new=makable(*types), cgroup=NO_CGROUP)  # type: ignore[arg-type]
    before = descriptors()
    with pytest.raises(SpawnError) as caught:
        context.Process(target=nothing).start()
    after = descriptors()
    del caught
    assert after == before


def test_no_such_cgroup() -> None:
    """A cgroup that is not there is an error of the start."""
    refused("cgroup", FileNotFoundError, cgroup=NO_CGROUP)
    refused("cgroup", FileNotFoundError, cgroup=NO_CGROUP, new=makable("pid"))


@pytest.fixture
def _no_interpreter() -> Iterator[None]:
    before = spawn.get_executable()
    multiprocessing.set_executable("/no/such/python")
    try:
        yield
    finally:
        spawn.set_executable(before)


@pytest.mark.parametrize("types", [("uts",), ("pid",), ("mnt", "pid")], ids="+".join)
@pytest.mark.usefixtures("_no_interpreter")
def test_no_interpreter(types: tuple[str, ...]) -> None:
    """An interpreter that is not there is one as well."""
    new = makable(*types)  # type: ignore[arg-type]
    refused("execve", FileNotFoundError, new=new)


@PLAIN
def test_join_without_power() -> None:
    """An ordinary user joins nothing of another user namespace without that."""
    with closing(NamespaceSet.new("user", "net", "mnt")) as made:
        refused("setns", PermissionError, ("net",), join=made["net"])
        # Which is entered by another system call, later.
        refused("setns", PermissionError, ("mnt",), join=made["mnt"])


@PLAIN
def test_new_without_power() -> None:
    """Nor does it make any without one."""
    refused("clone", PermissionError, new="uts")


@POWER
def test_mnt_is_of_others() -> None:
    """A worker that has left its power behind cannot enter a mount namespace."""
    with closing(Namespace.new("mnt")) as mnt, closing(Namespace.new("user")) as user:
        refused("setns", PermissionError, join=[user, mnt])


@POWER
def test_nothing_runs_where_it_is() -> None:
    """A process that cannot enter its mount namespace ends, and runs nothing."""
    ours, theirs = socket.socketpair()
    with closing(Namespace.new("mnt")) as mnt, ours, theirs:
        child = os.fork()
        if child == 0:
            # One of another user's, from where this has no power.
            unshare("user")
            _Errand(theirs.detach(), os.dup(mnt.fileno()), ()).run()
            os._exit(0)
        ours.sendall(child.to_bytes(4, "big"))
        assert int.from_bytes(ours.recv(4), "big") != 0
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_start_once_more() -> None:
    """What has not started can be started when the reason is gone."""
    context = get_context(new=makable("uts"))
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=telling.tell, args=[writer, links])
    before = spawn.get_executable()
    multiprocessing.set_executable("/no/such/python")
    try:
        with pytest.raises(FileNotFoundError):
            process.start()
    finally:
        spawn.set_executable(before)
    process.start()
    process.join(LIMIT)
    with reader, writer:
        assert {"uts"} <= working.differing(links(), reader.recv())


def test_pool_that_does_not_start() -> None:
    """A pool whose workers do not start raises what they do, and is gone."""
    context = get_context(cgroup=NO_CGROUP)
    before = descriptors(), children()
    with pytest.raises(SpawnError) as caught:
        context.Pool(2)
    assert caught.value.step == "cgroup"
    del caught
    gc.collect()
    assert (descriptors(), children()) == before


def test_executor_that_does_not_start() -> None:
    """So does an executor, when it is given work."""
    context = get_context(cgroup=NO_CGROUP)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        with pytest.raises(SpawnError) as caught:
            pool.submit(nothing)
        assert caught.value.step == "cgroup"
        del caught


def test_manager_that_does_not_start() -> None:
    """And so does a manager."""
    with pytest.raises(SpawnError) as caught:
        get_context(cgroup=NO_CGROUP).Manager()
    assert caught.value.step == "cgroup"


@pytest.mark.parametrize("types", [("uts",), ("pid",)], ids="+".join)
def test_unpicklable(types: tuple[str, ...]) -> None:
    """What cannot be pickled is the standard library's error, and nothing starts."""
    context = get_context(new=makable(*types))  # type: ignore[arg-type]
    for target in (lambda: None, threading.Lock().acquire):
        with (
            nothing_happens(),
            pytest.raises((AttributeError, PicklingError, TypeError)),
        ):
            context.Process(target=target).start()
        gc.collect()


@pytest.mark.parametrize("has_mnt", [False, True])
def test_no_such_module(has_mnt: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """A module that cannot be imported ends the process, which says so."""
    with closing(NamespaceSet.new("user", "mnt" if has_mnt else "uts")) as made:
        context = get_context(join=made, preload=["working", "no_such_module"])
    process = context.Process(target=nothing)
    process.start()
    process.join(LIMIT)
    assert process.exitcode == 1
    assert "No module named 'no_such_module'" in capfd.readouterr().err


def test_initializer_fails(capfd: pytest.CaptureFixture[str]) -> None:
    """An initialiser that fails breaks its executor."""
    context = get_context(new=makable("uts"))
    options = working.begin, ("fail",)
    with ProcessPoolExecutor(2, context, *options) as pool:
        with pytest.raises(BrokenProcessPool):
            pool.submit(nothing).result(LIMIT)
    assert "no beginning" in capfd.readouterr().err


def descriptors_at_limit(context_of: Callable[[], object], more: int) -> str:
    """Start a process where so many descriptors more can be had; say how it was."""
    context = get_context(new=("user", "uts"))
    process = context.Process(target=context_of)
    before = sorted(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, before))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + more, hard))
    try:
        process.start()
    except OSError as error:
        said = type(error.with_traceback(None)).__name__
    else:
        said = "started"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if said == "started":
        process.join(LIMIT)
        return f"{said} {process.exitcode}"
    gc.collect()
    left = {*os.listdir("/proc/self/fd")} - {*before}
    return f"failed, left {len(left)}"


def test_no_more_descriptors() -> None:
    """Where descriptors run out on the way, those that there were are closed."""

    def check() -> list[str]:
        # Up to the highest, none is free.
        null = os.open(os.devnull, os.O_RDONLY)
        while null < 250:
            null = os.dup(null)
        resource_tracker.ensure_running()
        return [descriptors_at_limit(nothing, more) for more in range(1, 16)]

    found = in_child(check)
    assert {*found} == {"failed, left 0", "started 0"}, found


def test_parent_ends() -> None:
    """A worker whose parent is gone learns of it, and ends."""
    code = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import working
from pynamespaces import get_context

context = get_context(new=("user", "pid"))
ours, theirs = context.Pipe()
process = context.Process(target=working.outlive, args=[theirs])
process.start()
assert ours.recv() == "ready"
print(process.pid, flush=True)
os._exit(0)
"""
    with orphans_reaped():
        done = run_python(code, str(Path(working.__file__).parent))
        with suppress(ProcessLookupError):
            pidfd = os.pidfd_open(int(done.stdout))
            try:
                assert select.select([pidfd], [], [], LIMIT)[0]
            finally:
                os.close(pidfd)
