"""The private side of the standard library that workers are started through."""

import importlib.util
import inspect
import json
import os
import queue
import threading
from concurrent import futures
from concurrent.futures import process as executing
from concurrent.futures import thread
from multiprocessing import popen_fork, popen_spawn_posix, process, spawn, util
from multiprocessing.context import SpawnProcess

import pytest
from starting import orphans_reaped
from support import missing, run_python
from test_popen_hook import parameters
from working import LIMIT, nothing

from pynamespaces import ThreadPoolExecutor, get_context
from pynamespaces.workers import _starting
from pynamespaces.workers._starting import Inhabitant

pytestmark = pytest.mark.usefixtures("tracked", "collected")


def private(owner: object, name: str) -> object:
    """Return what nobody else may use."""
    return getattr(owner, name)


@pytest.mark.parametrize("name", ["__init__", "_launch", "poll", "_send_signal"])
def test_popen(name: str) -> None:
    """What `multiprocessing` calls of what it starts takes what ours takes."""
    theirs = private(popen_spawn_posix.Popen, name)
    assert parameters(private(_starting._Started, name)) == parameters(theirs)


def test_popen_is_all() -> None:
    """There is nothing else that starts, waits or sends signals."""
    known = {"_launch", "_send_signal", "close", "duplicate_for_child", "kill"}
    known |= {"poll", "terminate", "wait"}
    for kind in (popen_fork.Popen, popen_spawn_posix.Popen):
        functions = {n for n, value in vars(kind).items() if inspect.isfunction(value)}
        # Of later versions.
        assert functions - {"__init__", "interrupt"} <= known
    assert popen_spawn_posix.Popen.__mro__[1:-1] == (popen_fork.Popen,)
    for name in ("terminate", "kill"):
        code = inspect.getsource(private(popen_fork.Popen, name))  # type: ignore[arg-type]
        assert "_send_signal" in code
    code = inspect.getsource(private(popen_fork.Popen, "wait"))  # type: ignore[arg-type]
    assert "self.sentinel" in code
    assert "os.WNOHANG if timeout == 0.0 else 0" in code


def test_process() -> None:
    """A process object is started by its class, and runs by one function."""
    bootstrap = private(process.BaseProcess, "_bootstrap")
    assert parameters(bootstrap) == ["parent_sentinel"]
    assert parameters(private(Inhabitant, "_bootstrap")) == ["parent_sentinel"]
    assert parameters(private(SpawnProcess, "_Popen")) == ["process_obj"]
    assert isinstance(vars(SpawnProcess)["_Popen"], staticmethod)
    assert "self._Popen(self)" in inspect.getsource(process.BaseProcess.start)
    assert "_bootstrap(parent_sentinel)" in inspect.getsource(spawn._main)


def test_spawn() -> None:
    """What a fresh interpreter is told is what ours is."""
    assert parameters(spawn.get_preparation_data) == ["name"]
    command = spawn.get_command_line(tracker_fd=3, pipe_handle=4)
    assert command[-1] == "--multiprocessing-fork"
    assert "tracker_fd=3" in command[-2]
    assert "pipe_handle=4" in command[-2]
    theirs = inspect.getsource(private(popen_spawn_posix.Popen, "_launch"))  # type: ignore[arg-type]
    for call in (
        "get_preparation_data(process_obj._name)",
        "dump(prep_data, fp)",
        "dump(process_obj, fp)",
        "util.Finalize(self, util.close_fds, fds_to_close)",
    ):
        assert call in theirs
    assert parameters(util.Finalize)[:2] == ["obj", "callback"]


def test_inherited_descriptors() -> None:
    """What a pickled object wants to give to a child is asked of what starts it."""
    starter = popen_spawn_posix.Popen.__new__(popen_spawn_posix.Popen)
    vars(starter)["_fds"] = []
    assert starter.duplicate_for_child(7) == 7
    assert vars(starter)["_fds"] == [7]


def test_id_of_a_worker() -> None:
    """A worker of an executor tells its id, which it asks of one module's ``os``."""
    assert vars(executing)["os"] is os
    worker = inspect.getsource(private(executing, "_process_worker"))  # type: ignore[arg-type]
    assert "os.getpid()" in worker
    others = _starting._Os(7)
    assert vars(others)["getpid"]() == 7
    assert private(others, "cpu_count") is os.cpu_count
    assert others.sep == os.sep


def test_threads() -> None:
    """A pool of threads has what ours looks at, and calls what ours replaces."""
    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(nothing).result(LIMIT)
        assert isinstance(private(pool, "_work_queue"), queue.SimpleQueue)
        assert isinstance(private(pool, "_shutdown_lock"), type(threading.Lock()))
        assert private(pool, "_broken") is False
        (one,) = pool._threads
        assert isinstance(one, threading.Thread)
    theirs = private(futures.ThreadPoolExecutor, "_initializer_failed")
    assert parameters(theirs) == []
    assert "._initializer_failed()" in inspect.getsource(private(thread, "_worker"))  # type: ignore[arg-type]
    assert "raise BrokenThreadPool(self._broken)" in inspect.getsource(
        futures.ThreadPoolExecutor.submit
    )
    item = private(thread, "_WorkItem")
    assert callable(item)
    assert {"future"} <= {*inspect.signature(item).parameters}


def test_arguments_of_pools() -> None:
    """Our pool of threads takes what theirs takes, and namespaces first."""
    theirs = inspect.signature(futures.ThreadPoolExecutor).parameters
    names = ["max_workers", "thread_name_prefix", "initializer", "initargs"]
    assert [*theirs][:4] == names
    assert [*inspect.signature(ThreadPoolExecutor).parameters] == ["namespaces", *names]
    shutdown = inspect.signature(ThreadPoolExecutor.shutdown).parameters
    theirs = inspect.signature(futures.ThreadPoolExecutor.shutdown).parameters
    assert {n: (p.kind, p.default) for n, p in shutdown.items()} == {
        n: (p.kind, p.default) for n, p in theirs.items()
    }


@pytest.mark.parametrize("types", [("user", "uts"), ("user", "pid")], ids="+".join)
def test_goes_through_ours(
    types: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start goes through our programs, and through nothing of theirs."""
    for name in ("spawnv_passfds", "close_fds"):
        monkeypatch.delattr(util, name)
    context = get_context(new=types)  # type: ignore[arg-type]
    worker = context.Process(target=nothing)

    def run() -> None:
        worker.start()
        worker.join(LIMIT)

    hooked: list[str] = []
    monkeypatch.setattr(
        _starting._Started,
        "_send_signal",
        lambda self, sig: hooked.append(str(sig)),
    )
    run()
    assert worker.exitcode == 0
    assert isinstance(private(worker, "_popen"), _starting._Started)
    worker.kill()
    assert len(hooked) == 1


STDLIB = """
import json, sys, unittest
from concurrent.futures import process
from pynamespaces import NamespaceSet, ThreadPoolExecutor, get_context
from test import support
from test.test_concurrent_futures import util
share, shares, *new = sys.argv[1:]
current, made = NamespaceSet.current(), []

class Pool(ThreadPoolExecutor):
    def __init__(self, *args, **options):
        made.append("thread")
        super().__init__(current, *args, **options)

# By which some tests import it in another interpreter: theirs, that is.
Pool.__name__ = ThreadPoolExecutor.__name__

def ours(self):
    made.append("process")
    return get_context(new=new)

util.ProcessPoolSpawnMixin.get_context = ours
util.ThreadPoolMixin.executor_type = Pool
from test.test_concurrent_futures import (
    test_deadlock, test_init, test_process_pool, test_shutdown, test_thread_pool
)

modules = [test_deadlock, test_init, test_process_pool, test_shutdown, test_thread_pool]
kinds = util.ProcessPoolSpawnMixin, util.ThreadPoolMixin
# They take their time, and are about something else; or are about another class.
skipped = {"test_map_timeout", "test_gh105829_should_not_deadlock_if_wakeup_pipe_full"}
skipped |= {"test_thread_names_default"}
# Which looks for another id where each worker has the same, in a namespace of its own.
skipped |= {"test_max_tasks_per_child"}
# CPython has a deadlock of its own there, until 3.12.8 and 3.13.1 (gh-125451).
if "_lock" not in process._ThreadWakeup.__init__.__code__.co_names:
    skipped |= {"test_shutdown_deadlock_pickle"}
support.verbose = False
tests = [
    case(name)
    for module in modules
    for case in vars(module).values()
    if isinstance(case, type) and issubclass(case, kinds)
    if issubclass(case, unittest.TestCase)
    for name in unittest.defaultTestLoader.getTestCaseNames(case)
    if name not in skipped
]
result = unittest.TestResult()
unittest.TestSuite(tests[int(share)::int(shares)]).run(result)
failed = [text for _, text in result.failures + result.errors]
current.close()
print(json.dumps([failed, result.testsRun, len(made)]))
"""
"""The library's own tests of executors, most of them, with ours in their place."""


def test_stdlib() -> None:
    """All pass that the standard library tests executors with."""
    if importlib.util.find_spec("test.test_concurrent_futures") is None:
        missing("stdlib_tests", "this Python comes without these tests")

    def run(share: int) -> tuple[list[str], int, int]:
        done = run_python(STDLIB, str(share), "3", "user", "pid")
        failed, number, made = json.loads(done.stdout.splitlines()[-1])
        return failed, number, made

    with orphans_reaped(), futures.ThreadPoolExecutor(3) as pool:
        failed, numbers, made = zip(*pool.map(run, range(3)), strict=True)
    texts = [text for part in failed for text in part]
    assert texts == [], "\n".join(texts)
    assert sum(numbers) > 60
    assert sum(made) > 60
