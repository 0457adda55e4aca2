"""Forks while another thread imports a part of this package, being the first user."""

import pytest
from support import run_python

RACE = """
import os, signal, sys, threading, warnings
import pynamespaces, pynamespaces._forking as forking
from pynamespaces import NamespaceSet

warnings.simplefilter("ignore", DeprecationWarning)
patience, first, second = sys.argv[1:]
began, goes_on = threading.Event(), threading.Event()

def have_wait(event, args):
    "Have the import of one module wait, as it begins to run."
    if event == "exec" and args[0].co_filename.endswith(file) and not goes_on.is_set():
        began.set()
        goes_on.wait(30)

file = first.replace(".", "/") + ".py"
sys.addaudithook(have_wait)
if patience:
    forking._PATIENCE = float(patience)
else:
    # Handlers run last come first: from here on, the fork waits.
    os.register_at_fork(before=goes_on.set)

def use(name):
    package, _, module = name.rpartition(".")
    return getattr(sys.modules[package], module)

thread = threading.Thread(target=use, args=(first,))
thread.start()
began.wait(30)
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    try:
        use(second)
        print("works", flush=True)
        os._exit(0)
    except ImportError as error:
        print(error, flush=True)
    try:
        NamespaceSet.current().close()
        os._exit(3)
    finally:
        os._exit(4)
goes_on.set()
print("child:", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
thread.join()
use(first), use(second)
"""

CORE = "pynamespaces._core"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{CORE}.create", f"{CORE}.create"),
        # It imports the other.
        (f"{CORE}.plan", f"{CORE}.spawn"),
        (f"{CORE}.spawn", f"{CORE}.spawn"),
    ],
)
def test_fork_waits_for_an_import(first: str, second: str) -> None:
    """A fork waits until what another thread imports is whole: the child can use it."""
    done = run_python(RACE, "", first, second)
    assert (done.stdout, done.stderr) == ("works\nchild: 0\n", "")


@pytest.mark.parametrize("second", [f"{CORE}.create", f"{CORE}.spawn"])
def test_import_that_hangs(second: str) -> None:
    """If that takes too long, the child says so, and uses what was there already."""
    done = run_python(RACE, "0.01", f"{CORE}.create", second)
    said, ended = done.stdout.splitlines()
    assert said.startswith(f"{second} is not imported, and cannot be: this process was")
    assert (ended, done.stderr) == ("child: 3", "")


LEFT = """
import os, signal, sys, threading, warnings
import pynamespaces, pynamespaces._forking as forking

warnings.simplefilter("ignore", DeprecationWarning)
# Of one thread after the other, most with the same id.
for name in ("create", "plan", "spawn", "missing"):
    def use():
        try:
            getattr(pynamespaces._core, name)
        except AttributeError:
            pass
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
assert not forking._held_by_others()

def fork(*args):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        pynamespaces._core.agents
        os._exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

class Forking:
    "Forks within an import of its own."
    def find_spec(self, name, path, target=None):
        if name == "pynamespaces._core.wire":
            print(fork(), flush=True)

sys.meta_path.insert(0, Forking())
pynamespaces._core.wire
print(fork(), forking._is_torn)
"""


def test_fork_does_not_wait_for_itself() -> None:
    """A thread that forks in the midst of an import waits for nobody, nor for ended."""
    done = run_python(LEFT)
    assert (done.stdout, done.stderr) == ("5\n5 False\n", "")


AT_ONCE = """
import os, signal, sys, threading, warnings
import pynamespaces

warnings.simplefilter("ignore", DeprecationWarning)
names = ["create", "plan", "spawn", "agents", "census", "seek", "pin", "registry"]
start = threading.Barrier(len(names) + 1)
def use(name):
    start.wait()
    getattr(pynamespaces._core, name)
threads = [threading.Thread(target=use, args=(name,)) for name in names]
for thread in threads:
    thread.start()
start.wait()
pids = []
while any(thread.is_alive() for thread in threads) or not pids:
    if (pid := os.fork()) == 0:
        signal.alarm(20)
        try:
            for name in names:
                getattr(pynamespaces._core, name)
            pynamespaces.NamespaceSet.current().close()
        except ImportError as error:
            os._exit(3 if "was forked while" in str(error) else 4)
        os._exit(0)
    pids.append(pid)
for thread in threads:
    thread.join()
print({os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids})
"""


def test_many_imports_and_forks() -> None:
    """Forks and first uses by many threads at once: no child hangs, or it is told."""
    # An import may begin between the wait and the fork: then it is an error.
    assert run_python(AT_ONCE).stdout in ("{0}\n", "{0, 3}\n")
