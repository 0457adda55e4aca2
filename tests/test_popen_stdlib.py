"""The standard library's own tests of `subprocess`, run against our ``Popen``."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import stdlib_subprocess
from starting import POWER, makable
from stdlib_subprocess import Outcome
from support import TIER, missing

SHARES: Final = 4
"""How many processes do the work; most of its time is waited."""

FEWEST: Final = 250
"""How many tests must have passed; those of Windows, for one, are skipped."""

_PREEXEC: Final = "preexec_fn is refused: it is Python, in a child that may not run it"
_FORK_EXEC: Final = "is about subprocess._fork_exec, which does not start our programs"

EXPECTED: Final = {
    "MiscTests.test_run_keyboardinterrupt_no_kill": (
        "run() kills and reaps its program before it raises, as it documents; the test "
        "replaces Popen's way to wait, and fails as soon as one waits without a limit"
    ),
    "POSIXProcessTestCase.test__use_vfork": _FORK_EXEC,
    "POSIXProcessTestCase.test_close_fds_after_preexec": _PREEXEC,
    "POSIXProcessTestCase.test_exception_errpipe_bad_data": _FORK_EXEC,
    "POSIXProcessTestCase.test_exception_errpipe_normal": _FORK_EXEC,
    "POSIXProcessTestCase.test_preexec": _PREEXEC,
    "POSIXProcessTestCase.test_preexec_errpipe_does_not_double_close_pipes": _PREEXEC,
    "POSIXProcessTestCase.test_preexec_exception": _PREEXEC,
    "POSIXProcessTestCase.test_preexec_fork_failure": _PREEXEC,
    "POSIXProcessTestCase.test_preexec_gc_module_failure": _PREEXEC,
    "POSIXProcessTestCase.test_surrogates_error_message": _PREEXEC,
    # Where 3.11 and the first of 3.12 have it.
    "ProcessTestCase.test__use_vfork": _FORK_EXEC,
    "ProcessTestCaseNoPoll.test__use_vfork": _FORK_EXEC,
}
"""The tests that fail, and why; not each of them is in each Python."""

_UNMAPPED: Final = (
    "takes the ids of nobody and staff, which the user namespace does not map: EINVAL, "
    "where the test expects EPERM, if anything"
)

_OF_USER: Final = {
    "POSIXProcessTestCase.test_group": _UNMAPPED,
    "POSIXProcessTestCase.test_user": _UNMAPPED,
}

_OF_INIT: Final = {
    "POSIXProcessTestCase.test_stopped": (
        "replaces os.waitpid, which tells how an init ends, not how its program does"
    ),
}


NEWEST = pytest.mark.skipif(sys.version_info < (3, 13), reason="another Python runs it")
"""These ways differ by Python in nothing that the first does not show."""


def _outcome(new: tuple[str, ...], folder: Path) -> Outcome:
    """Run all the tests, in several processes at once."""
    running = []
    for share in range(SHARES):
        place = folder / str(share)
        place.mkdir()
        script = Path(stdlib_subprocess.__file__).absolute()
        command = [sys.executable, str(script), str(share), str(SHARES), *new]
        pipe = subprocess.PIPE
        running.append(
            subprocess.Popen(
                command, cwd=place, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
            )
        )
    whole = Outcome(passed=[], skipped={}, failed={}, started=0)
    try:
        for process in running:
            written, errors = process.communicate(timeout=100)
            assert process.returncode == 0, errors.decode()
            # Its programs write there, too, and before.
            part: Outcome = json.loads(written.splitlines()[-1])
            whole["passed"] += part["passed"]
            whole["skipped"] |= part["skipped"]
            whole["failed"] |= part["failed"]
            whole["started"] += part["started"]
    finally:
        for process in running:
            process.kill()
            process.__exit__(None, None, None)
    return whole


@pytest.mark.parametrize(
    ("new", "more"),
    [
        pytest.param(("uts",), {}, marks=POWER, id="uts"),
        pytest.param(("user", "uts"), _OF_USER, marks=NEWEST, id="user"),
        pytest.param(makable("pid"), _OF_INIT, marks=NEWEST, id="init"),
    ],
)
def test_stdlib(new: tuple[str, ...], more: dict[str, str], tmp_path: Path) -> None:
    """All pass that `subprocess` is tested with, but for those listed with a reason."""
    if importlib.util.find_spec(stdlib_subprocess.SUITE) is None:
        missing("stdlib_tests", "this Python comes without the library's own tests")
    if "user" in new or TIER == "userns":
        more = _OF_USER | more
    found = _outcome(new, tmp_path)
    known = {*found["passed"], *found["failed"]}
    unexpected = {
        name: text
        for name, text in found["failed"].items()
        if name not in EXPECTED | more
    }
    assert unexpected == {}, "\n".join(unexpected.values())
    assert found["failed"].keys() == (EXPECTED | more).keys() & known
    assert len(found["passed"]) > FEWEST
    assert found["started"] > FEWEST
