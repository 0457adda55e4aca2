"""Subinterpreters: those that share the GIL work, others are refused at the import."""

import sys

import pytest
from starting import POWER
from support import run_python

pytestmark = pytest.mark.usefixtures("orphans")

START = """
import sys
try:
    import _interpreters as interpreters  # CPython 3.13
except ImportError:
    import _xxsubinterpreters as interpreters

def start(kind):
    if interpreters.__name__ == "_interpreters":
        return interpreters.create(kind)
    return interpreters.create(isolated=kind == "isolated")

def run(id, code):
    failure = interpreters.run_string(id, code)  # Or it raises, before 3.13.
    assert failure is None, failure.formatted
"""

if sys.version_info < (3, 13):
    pytest.importorskip("_xxsubinterpreters")
else:
    pytest.importorskip("_interpreters")


def told(code: str, *, main: str = "", kind: str = "legacy", check: bool = True) -> str:
    """Return what code prints in a subinterpreter of a fresh interpreter."""
    ask = f"{START}\n{main}\none = start({kind!r})\nrun(one, sys.argv[1])\n"
    done = run_python(ask + "interpreters.destroy(one)", code, check=check)
    return done.stdout if check else done.stderr


BOTH = pytest.mark.parametrize(
    "main", ["", "import pynamespaces; pynamespaces.Namespace.current('net').close()"],
    ids=["alone", "beside main"],
)  # fmt: skip

WORKING = {
    "opening": "print(Namespace.current('net').is_current())",
    "entering": "with Namespace.current('net') as net: print(net.is_current())",
    "scan": "print(len(scan(['user']).namespaces()) > 0)",
    "Popen": "print(run(['true'], new=('user', 'pid')).returncode == 0)",
    "call": "print(NamespaceSet.new('user', 'net').call(os.getppid) > 0)",
    "executor": "with ThreadPoolExecutor(Namespace.current('net')) as pool: "
    "print(pool.submit(os.getpid).result() == os.getpid())",
    "context": "made = get_context(new='user').Process(target=len, args=('',)); "
    "made.start(); made.join(); print(made.exitcode == 0)",
    "trace": "with trace(command=['unshare', '-U', 'true'], backend='notify') as made: "
    "print(len(list(made)) == 1)",
}


@BOTH
def test_works(main: str) -> None:
    """In a subinterpreter that shares the GIL all works, whoever came first."""
    code = "\n".join(["import os", "from pynamespaces import *", *WORKING.values()])
    assert told(code, main=main).split() == ["True"] * len(WORKING)


@POWER
def test_thread_is_of_the_process() -> None:
    """What a thread has entered, it has in each interpreter; each leaves its own."""
    body = """
import os, sys
from pynamespaces import Namespace, NamespaceSet

def where():
    return os.readlink("/proc/thread-self/ns/uts")
"""
    inner = (
        body
        + """
inside = where()
with Namespace.new("uts") as uts:
    assert uts.is_current() and where() != inside
assert where() == inside
try:
    uts.__exit__(None, None, None)
except RuntimeError:
    print(inside)
"""
    )
    outer = (
        body
        + """
home = where()
with Namespace.new("uts") as uts:
    one = start("legacy")
    run(one, sys.argv[1])
    interpreters.destroy(one)
    assert uts.is_current()
    print(uts.id)
assert where() == home
"""
    )
    lines = run_python(START + outer, inner).stdout.split()
    assert len(lines) == 2
    assert lines[0] == lines[1]


def test_refused() -> None:
    """A subinterpreter cannot be copied, and says so: no copy would have it."""
    code = "from pynamespaces import lowlevel; lowlevel.clone3()"
    said = told(code, check=False)
    assert "RuntimeError" in said
    assert "a process with subinterpreters cannot be forked" in said


@pytest.mark.skipif(sys.version_info < (3, 12), reason="none has a GIL of its own")
@BOTH
def test_isolated(main: str) -> None:
    """One that has a GIL of its own cannot import it, and main goes on."""
    code = """
try:
    import pynamespaces
except ImportError as error:
    print("subinterpreters" in str(error))
"""
    assert told(code, main=main, kind="isolated") == "True\n"


BESIDE = """
import os
from pynamespaces import Namespace, lowlevel, support
def ask():
    print(Namespace.new("user").call(os.getuid))
    try:
        pid, _ = lowlevel.clone3()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    except RuntimeError as error:
        print("subinterpreters" in str(error))
ask()
print("operations work" in repr(support()))
interpreters.destroy(one)
ask()
"""


def test_main_beside_one() -> None:
    """Main makes no copy of the process while there is another, and does after that."""
    ask = f"{START}\none = start('legacy')\nrun(one, sys.argv[1])\n{BESIDE}"
    code = "import pynamespaces; kept = pynamespaces.NamespaceSet.current()"
    assert run_python(ask, code).stdout.split() == ["0", "True", "True", "0"]


def test_ended_ones() -> None:
    """Interpreters that come and go leave no descriptor, and the thread its own."""
    code = (
        START
        + """
import os
import pynamespaces
def once():
    one = start("legacy")
    run(one, "import pynamespaces\\nwith pynamespaces.NamespaceSet.current(): pass")
    interpreters.destroy(one)
with pynamespaces.NamespaceSet.current():
    once()
    before = sorted(os.listdir("/proc/self/fd"))
    once()
    print(sorted(os.listdir("/proc/self/fd")) == before)
"""
    )
    assert run_python(code).stdout == "True\n"
