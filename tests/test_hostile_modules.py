"""A container that has modules of its own wherever Python would import from."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from targets import POWER

EXPECTED: Final = 12
"""How many functions are called."""

SCRIPT: Final = r'''
import ctypes, os, sys, threading, warnings
import pynamespaces
from pynamespaces import *
from pynamespaces import errors

MARK = """import os
os.write(2, b"PLANTED " + __name__.encode() + bytes([10]))
"""
PACKAGES = ("encodings", "pynamespaces", "pynamespaces._core", "multiprocessing",
            "concurrent", "concurrent.futures", "asyncio", "importlib", "json",
            "collections", "logging", "email", "ctypes", "cffi", "typing_extensions")
CODECS = ("idna", "latin_1", "ascii", "cp1252", "utf_16", "punycode", "aliases")

def write(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(MARK)

def plant(folder):
    for name in {*sys.stdlib_module_names, "sitecustomize", "usercustomize", "_ffi"}:
        write(f"{folder}/{name}.py")
    for name in PACKAGES:
        write(f"{folder}/{name.replace('.', '/')}/__init__.py")
        os.path.exists(f"{folder}/{name}.py") and os.unlink(f"{folder}/{name}.py")
    for name in CODECS:
        write(f"{folder}/encodings/{name}.py")
    core = f"{folder}/pynamespaces/_core"
    for name in ("registry", "agents", "inside", "interpreters", "call", "sockets"):
        write(f"{core}/{name}.py")

def furnish():
    package = os.path.dirname(os.path.abspath(pynamespaces.__file__))
    places = map(os.path.realpath, (*sys.path, os.path.dirname(package)))
    places = {place for place in places if os.path.isdir(place) and place != "/"}
    for place in sorted(places):
        if not any(place.startswith(other + "/") for other in places):
            done = ctypes.CDLL(None).mount(b"none", place.encode(), b"tmpfs", 0, None)
            assert done == 0, place
            # Not in a file of this machine's, whatever has happened.
            assert os.path.ismount(place) and not os.listdir(place)
            plant(place)

class Odd:
    def __reduce__(self):
        raise TypeError("not to be pickled")
    def __del__(self):
        raise ValueError("not to be dropped")

def fail(): raise ValueError("boom \u00e9")
def fail_deep():
    try:
        fail()
    except ValueError as error:
        raise ExceptionGroup("both", [error, KeyError("x")]) from error
def warn(): warnings.warn("careful", stacklevel=1)
def recurse(): return recurse()
def odd(): return Odd()
def leave(): sys.exit("away")
def decode(): return b"\xff".decode("utf-8")
def missing(): open("/nowhere")
def own_import(): import sched
def in_thread():
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
FUNCTIONS = (fail, fail_deep, warn, recurse, odd, leave, decode, missing, in_thread,
             os.getpid, os.uname, os.getcwd)

def prepare(how):
    if how == "process":
        made = NamespaceSet.new("user", "mnt")
    else:
        made = NamespaceSet([Namespace.new("mnt")])
    pid = os.fork()
    if pid == 0:
        try:
            setns(made)
            furnish()
        finally:
            os._exit(sys.exc_info()[0] is not None)
    assert os.waitpid(pid, 0)[1] == 0
    return made

def main(how, beside):
    made = prepare(how)
    if beside == "with threads":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    os.write(2, b"begin\n")
    for function in FUNCTIONS:
        try:
            made.call(function)
        except (Exception, SystemExit) as error:
            print(function.__name__, type(error).__name__)
        else:
            print(function.__name__)
    if how == "thread":
        with ThreadPoolExecutor(made) as pool:
            for function in FUNCTIONS:
                pool.submit(function).exception()
    try:
        run(["/bin/true"], join=made, user="nobody")
    except (errors.NamespaceError, OSError, KeyError) as error:
        print(repr(error))
    os.close(made["mnt"].open("/"))
    made["mnt"].mounts()
    os.write(2, b"end\n")
    # What the function itself imports is its own business, and shows that this tells.
    made.call(own_import)

if __name__ == "__main__":
    main(*sys.argv[1:])
'''


@POWER
@pytest.mark.parametrize("how", ["thread", "process"])
@pytest.mark.parametrize("beside", ["alone", "with threads"])
def test_none_is_imported(how: str, beside: str, tmp_path: Path) -> None:
    """Whatever a function does, and however it ends, nothing that is there is run."""
    script = tmp_path / "calling.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), how, beside],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    during, _, after = done.stderr.partition("begin\n")[2].partition("end\n")
    assert "PLANTED" not in during, during
    assert "PLANTED sched" in after, after
    assert len(done.stdout.splitlines()) >= EXPECTED, done.stdout
