"""Helper tasks that take long, while signals come faster than they can be done."""

import subprocess
import tempfile

import pytest
from support import missing, program, run_python

CODE = """
import os, signal, sys
from pynamespaces import Namespace

handled = 0

def count(*_):
    global handled
    handled += 1

own = Namespace.current("mnt")
signal.signal(signal.SIGALRM, count)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
os.close(own.open("/"))
signal.setitimer(signal.ITIMER_REAL, 0)
assert handled >= int(sys.argv[1]), handled
"""


@pytest.mark.parametrize(("milliseconds", "handled"), [(1, 0), (70, 3)])
def test_signals_come_faster(milliseconds: int, handled: int) -> None:
    """Signals are handled meanwhile, and do not keep it from being done."""
    with tempfile.NamedTemporaryFile("r") as log:
        command = [program("strace"), "-fqq", "--seccomp-bpf", "-o", log.name]
        command += ["-e", "trace=openat2"]
        command += ["-e", f"inject=openat2:delay_enter={1000 * milliseconds}"]
        try:
            done = run_python(CODE, str(handled), prefix=command, check=False)
        except subprocess.TimeoutExpired as error:
            raise AssertionError("it was never done") from error
    if "ptrace" in done.stderr:
        missing("strace", done.stderr)
    assert done.returncode == 0, done.stderr
