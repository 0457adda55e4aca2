"""Calls beside threads, other calls, and the libraries that people use."""

import itertools
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from calling import where, which
from holding import Holder
from starting import POWER, makable, members
from support import missing, own_all, run_python

from pynamespaces import NamespaceSet

CALLERS = 10
CALLS = 100


def tasks_elsewhere() -> list[str]:
    """Return the threads of this process that are not where this one is."""
    mine = {type: os.readlink(f"/proc/self/ns/{type}") for type in ("net", "uts")}
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            links = {type: os.readlink(task / "ns" / type) for type in mine}
        except OSError:
            continue  # It has just ended.
        if links != mine:
            found.append(task.name)
    return found


@POWER
def test_a_thousand_calls(target: Holder) -> None:
    """Of 1,000 calls by 10 threads none sees another's, and nothing is left."""
    mine = own_all()
    with members(target.pid, "net", "uts") as made:
        ways = [
            (made["net"], where() | {"net": str(made["net"].id)}),
            (made["uts"], where() | {"uts": str(made["uts"].id)}),
            (made, where() | {str(t): str(made[t].id) for t in made}),
        ]

        def call_often(number: int) -> int:
            right = 0
            turns = itertools.islice(itertools.cycle(ways), number, number + CALLS)
            for place, expected in turns:
                right += place.call(where) == expected
            return right

        with ThreadPoolExecutor(CALLERS) as pool:
            assert sum(pool.map(call_often, range(CALLERS))) == CALLERS * CALLS
            assert tasks_elsewhere() == []
    assert own_all() == mine


def test_processes_by_threads() -> None:
    """Calls that take processes do not get in each other's way."""
    with closing(NamespaceSet.new("user", "uts")) as made:

        def call_some(_: int) -> set[tuple[int, int]]:
            return {made.call(which) for _ in range(3)}

        with ThreadPoolExecutor(4) as pool:
            found = set().union(*pool.map(call_some, range(4)))
    assert len(found) == 12
    assert os.getpid() not in {pid for pid, _ in found}


WITH_NUMPY = """
import os, sys
os.environ["OPENBLAS_NUM_THREADS"] = "2"  # Also where there is one processor.
import numpy
assert len(os.listdir("/proc/self/task")) > 1, "numpy has no threads"
sys.path.insert(0, sys.argv[1])
from calling import where
from pynamespaces import Namespace, NamespaceSet, Popen

def names(made):
    return {str(type): str(one.id) for type, one in made.items()}

made = NamespaceSet.new(*sys.argv[2].split(","))
assert made.call(where) == where() | names(made)
with Popen(["sleep", "60"], new=("user", "pid", "mnt", "uts")) as process:
    inside = process.namespaces
    assert inside.call(where) == names(inside)
    process.kill()
user = NamespaceSet.new("user", "time", "net")
assert user.call(where) == where() | names(user)
assert made.call(numpy.arange, 3, how="process").sum() == 3
if "user" not in made:
    assert made.call(numpy.arange, 3, how="thread").sum() == 3
"""


def test_numpy() -> None:
    """With numpy imported, whose threads run, every kind of call works."""
    need("numpy")
    types = ",".join(makable("net", "uts"))
    run_python(WITH_NUMPY, str(Path(__file__).parent), types)


def need(name: str) -> None:
    """Skip the test, or fail it where that is required, if a library is missing."""
    done = run_python(f"import {name}", check=False)
    if done.returncode != 0:
        missing(name, f"{name} is not installed")


INSIDE = """
import socket, sys
import psutil
from pynamespaces import NamespaceSet

made = NamespaceSet.new(*sys.argv[1].split(","), hostname="inside")
how = sys.argv[2]
assert set(made.call(psutil.net_if_addrs, how=how)) <= {"lo"}
assert made.call(socket.gethostname, how=how) == "inside"
assert socket.gethostname() != "inside"
if how == "process":
    # What psutil reads in /proc is of the first thread of a process.
    assert set(made.call(psutil.net_io_counters, pernic=True, how=how)) == {"lo"}
"""


@pytest.mark.parametrize("how", ["thread", "process"])
def test_psutil(how: str) -> None:
    """What psutil is told in there is of the inside."""
    need("psutil")
    types = makable("net", "uts")
    if how == "thread" and "user" in types:
        pytest.skip("an ordinary user has no power over what a thread could enter")
    run_python(INSIDE, ",".join(types), how)


def listening() -> tuple[str, int]:
    """Return where a server of the calling thread's network listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        with socket.create_connection((host, port), timeout=5):
            return host, port


@pytest.mark.parametrize("how", ["thread", "process"])
def test_sockets(how: str) -> None:
    """Sockets that are made inside belong there: its loopback is up."""
    types = makable("net")
    if how == "thread" and "user" in types:
        pytest.skip("an ordinary user has no power over what a thread could enter")
    with closing(NamespaceSet.new(*types)) as made:
        host, _ = made.call(listening, how="thread" if how == "thread" else "process")
    assert host == "127.0.0.1"


LINKS = """
import sys
from pyroute2 import IPRoute
from pynamespaces import NamespaceSet

def links():
    with IPRoute() as ip:
        return [link.get("ifname") for link in ip.get_links()]

def make():
    with IPRoute() as ip:
        ip.link("add", ifname="dummy7", kind="bridge")
    return links()

if __name__ == "__main__":
    made = NamespaceSet.new(*sys.argv[1].split(","))
    assert made.call(links, how=sys.argv[2]) == ["lo"]
    assert made.call(make, how=sys.argv[2]) == ["lo", "dummy7"]
    assert "dummy7" not in links()
"""


@pytest.mark.parametrize("how", ["thread", "process"])
def test_pyroute2(how: str, tmp_path: Path) -> None:
    """What pyroute2 does in there, it does inside."""
    need("pyroute2")
    types = makable("net")
    if how == "thread" and "user" in types:
        pytest.skip("an ordinary user has no power over what a thread could enter")
    path = tmp_path / "links.py"
    path.write_text(LINKS)
    code = "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    run_python(code, str(path), ",".join(types), how)


@POWER
def test_threads_are_gone(target: Holder) -> None:
    """After calls by threads a process has none, and may do what needs that."""
    with members(target.pid, "uts", "mnt") as made:
        for _ in range(50):
            made["uts"].call(threading.get_ident)
            with made["mnt"]:
                pass


BY_VALUE = """
import threading
from pynamespaces import Namespace
end = threading.Event()
threading.Thread(target=end.wait).start()
three = 3

def add(number):
    return number + three

made = Namespace.new("user")
print(made.call(lambda: add(1)), made.call(add, 2))
end.set()
"""


def test_cloudpickle() -> None:
    """With cloudpickle, functions without a name that can be imported are passed."""
    need("cloudpickle")
    assert run_python(BY_VALUE).stdout == "4 5\n"
