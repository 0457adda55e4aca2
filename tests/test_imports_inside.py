"""In a mount namespace of somebody's, nothing is imported that they have put there."""

import ast
import os
from pathlib import Path

import pytest
from support import run_python

import pynamespaces
from pynamespaces import _core

HIDE = """
import ctypes, os, sys
from pynamespaces import Namespace, NamespaceSet, setns

made = Namespace.new("mnt")
net = Namespace.new("net")
pid = os.fork()
if pid == 0:
    setns(made)
    for place in sys.argv[1:]:
        done = ctypes.CDLL(None).mount(b"none", place.encode(), b"tmpfs", 0, None)
        assert done == 0, place
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
known = {name for name in sys.modules if name.startswith("pynamespaces")}
assert "pynamespaces._core.registry" not in known
"""

USE = """
    try:
        os.stat(sys.argv[1] + "/__init__.py")
    except FileNotFoundError:
        pass
    else:
        raise AssertionError("the package is still there")
    net.socket().close()
    Namespace.new("uts").hostname
    Namespace.new("user").uid_map
    Namespace.current("mnt").mounts()
    bytes(net.ref())
    try:
        Namespace.from_path("/")
    except ValueError as error:
        assert "namespace" in str(error)
"""

WAYS = {
    "one": "with made:" + USE,
    "enter": "with made.enter():" + USE,
    "set": "with NamespaceSet([made, net]):" + USE,
    "for good": "setns(made)\nif True:" + USE,
    "set for good": "setns(NamespaceSet([made, net]))\nif True:" + USE,
}


@pytest.mark.tier("root", "userns")
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_imported(way: str) -> None:
    """What this package needs later is there before the thread is inside."""
    package = Path(pynamespaces.__file__).parent
    library = os.path.dirname(os.__file__)
    done = run_python(HIDE + WAYS[way], str(package), library, check=False)
    assert done.returncode == 0, done.stderr


def imported_late(path: Path) -> set[str]:
    """Return what functions of a file import that is not of this package."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, functions):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(node.module or "")
    return found


def test_all_is_known() -> None:
    """Whatever a function of the package imports is among what is imported before."""
    package = Path(pynamespaces.__file__).parent
    files = [path for path in package.rglob("*.py") if path.parent.name != "cli"]
    # These are for programs of their own: the command line, and pytest.
    others = {"__main__.py", "pytest_plugin.py", "_leaks.py"}
    late = {path.name: imported_late(path) for path in files if path.name not in others}
    assert late["maps.py"] == {"subprocess"}
    assert set().union(*late.values()) <= set(_core._LIBRARY)


def test_later_modules_are_named() -> None:
    """Each module of the core is imported with the package, or named as a later one."""
    folder = Path(_core.__file__ or "").parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    code = "import sys, pynamespaces; from pynamespaces import _core; _core.load_all();"
    code += "print(*[n.rpartition('.')[2] for n in sys.modules if '._core.' in n])"
    assert names == set(run_python(code).stdout.split())
