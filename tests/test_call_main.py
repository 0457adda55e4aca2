"""Calling a function elsewhere that a fresh interpreter finds by its name, or not."""

import os
import subprocess
import sys
from pathlib import Path

from support import run_python


def test_function_that_cannot_be_passed() -> None:
    """A function without a name is an error in a process with threads."""
    code = """
import sys, threading
sys.modules["cloudpickle"] = None
from pynamespaces import CallError, Namespace
end = threading.Event()
threading.Thread(target=end.wait).start()
try:
    Namespace.new("user").call(lambda: 1)
except CallError as error:
    print(error, error.exitcode)
finally:
    end.set()
"""
    said = run_python(code).stdout
    assert "cannot be passed" in said
    assert "cloudpickle" in said
    assert said.strip().endswith("None")


GUARDED = """
import os, threading
from contextlib import contextmanager
from pynamespaces import CallError, Namespace

def here():
    return os.readlink("/proc/self/ns/user")

def main():
    end = threading.Event()
    threading.Thread(target=end.wait).start()
    made = Namespace.new("user")
    try:
        print(made.call(here) == str(made.id))
    except CallError as error:
        print(error)
    finally:
        end.set()

"""


def test_function_of_the_main_module(tmp_path: object) -> None:
    """A function of the main module is found, if that can be imported."""
    path = os.path.join(str(tmp_path), "main_module.py")
    with open(path, "w") as file:
        file.write(GUARDED + 'if __name__ == "__main__":\n    main()\n')
    assert said_by(path) == "True\n"


def test_main_module_without_a_guard(tmp_path: object) -> None:
    """A main module that would call again when it is imported is an error."""
    path = os.path.join(str(tmp_path), "main_module.py")
    with open(path, "w") as file:
        file.write(GUARDED + "main()\n")
    assert "__main__" in said_by(path)


def said_by(path: str) -> str:
    """Return what a program says."""
    done = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


UNGUARDED = """
import os, threading
from pynamespaces import Namespace

def called():
    os.write(int(os.environ["LOG"]), b"x")

if __name__ == "__main__":
    end = threading.Event()
    threading.Thread(target=end.wait, daemon=True).start()
try:
    Namespace.new("user").call(called)
except Exception as error:
    print(error)
"""


def test_unguarded_call(tmp_path: Path) -> None:
    """A main module that is imported by its own call does not call once more."""
    path = tmp_path / "unguarded.py"
    path.write_text(UNGUARDED)
    reader, writer = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**os.environ, "LOG": str(writer)},
            pass_fds=[writer],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        os.set_blocking(reader, False)
        os.write(writer, b".")
        assert os.read(reader, 10) in (b".", b"x.")
    finally:
        os.close(reader)
        os.close(writer)
    assert "__main__" in done.stdout


LEAVING = """
import sys
if __name__ != "__main__":
    sys.exit(3)
"""


def test_main_module_that_leaves(tmp_path: Path) -> None:
    """A main module that ends what imports it does not end the caller."""
    path = tmp_path / "leaving.py"
    path.write_text(LEAVING + GUARDED + 'if __name__ == "__main__":\n    main()\n')
    assert "SystemExit(3)" in said_by(str(path))
