"""In a mount namespace of somebody's, nothing is imported that they have put there."""

import os
from pathlib import Path

import pytest
from support import run_python

import pynamespaces

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
