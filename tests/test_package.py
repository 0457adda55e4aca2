"""The package as a whole: what it offers, what importing it costs and needs."""

import inspect
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support import run_python

import pynamespaces

ROOT = Path(__file__).parents[1]


def test_exports_are_what_is_offered() -> None:
    """``__all__`` names what there is, and all of it has a docstring."""
    public = {name for name in dir(pynamespaces) if not name.startswith("_")}
    modules = {name for name in public if inspect.ismodule(getattr(pynamespaces, name))}
    offered = public - modules - {"TYPE_CHECKING"}
    assert offered == set(pynamespaces.__all__) - {"errors", "lowlevel"}
    for name in pynamespaces.__all__:
        value = getattr(pynamespaces, name)
        assert name == "TypeLike" or inspect.getdoc(value), name


def _public_functions() -> Sequence[object]:
    classes = [v for v in vars(pynamespaces).values() if inspect.isclass(v)]
    members = [
        member
        for cls in classes
        if cls.__module__.startswith("pynamespaces")
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_") and inspect.isroutine(member)
    ]
    lowlevel = [
        getattr(pynamespaces.lowlevel, name) for name in pynamespaces.lowlevel.__all__
    ]
    return members + [value for value in lowlevel if inspect.isroutine(value)]


def test_public_functions_are_documented() -> None:
    """Every public function and method has a docstring."""
    functions = _public_functions()
    assert len(functions) > 40
    assert [function for function in functions if not inspect.getdoc(function)] == []


def test_import_is_light() -> None:
    """Importing takes in nothing of the wings, nor what they need."""
    code = "import sys, pynamespaces; print(*sys.modules)"
    loaded = set(run_python(code).stdout.split())
    heavy = {"asyncio", "click", "multiprocessing", "rich", "socket", "subprocess"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith("pynamespaces.cli")}


def test_other_systems() -> None:
    """On another system than Linux the import says what is wrong."""
    code = "import sys; sys.platform = 'plan9'; import pynamespaces"
    done = run_python(code, check=False)
    assert "ImportError: pynamespaces is for Linux, and this is plan9" in done.stderr


@pytest.mark.parametrize(
    ("hide", "words"),
    [
        ("import os; os.environ['CC'] = '/no/such/cc'", "C compiler (/no/such/cc)"),
        ("import sysconfig; sysconfig.get_path = lambda name: '/no'", "Python.h"),
        ("import os; os.environ['CFLAGS'] = '-nostdinc'", "stdio.h"),
    ],
)
def test_build_names_what_is_missing(hide: str, words: str) -> None:
    """Without a compiler or headers the build stops with one line that helps."""
    run = f"{hide}; import runpy; runpy.run_path({str(ROOT / 'build_ffi.py')!r})"
    done = subprocess.run(
        [sys.executable, "-c", run],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"{words} is missing" in done.stderr
    assert re.search(r"apt install .*dnf install .*apk add ", done.stderr)
