"""The soak finds what grows, and nothing does."""

import subprocess
import sys
from pathlib import Path

import pytest
from soaking import LEAKS

pytestmark = pytest.mark.usefixtures("orphans")

SOAK = Path(__file__).with_name("soak.py")


def soaked(seconds: float, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it as anybody would."""
    command = [sys.executable, str(SOAK), "--seconds", str(seconds), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_flat() -> None:
    """All at once, nothing is left of what has been done, and each figure is shown."""
    done = soaked(3, "--short")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for figure in (*LEAKS, "mounts"):
        assert f" {figure} " in done.stdout
    assert "NOT FLAT" not in done.stdout


@pytest.mark.parametrize(
    ("leaks", "others"),
    [
        (("descriptors", "threads", "children"), {"objects", "memory"}),
        (("namespaces", "memory", "objects"), {"descriptors"}),
    ],
)
def test_leak_is_found(leaks: tuple[str, ...], others: set[str]) -> None:
    """What leaks is named, and is a failure."""
    done = soaked(0.6, "--leak", *leaks)
    assert done.returncode == 1, done.stdout
    (line,) = done.stderr.splitlines()
    named = set(line.removeprefix("not flat: ").split(", "))
    assert named >= set(leaks)
    # What leaks takes memory too, and a namespace is kept by a descriptor.
    assert named <= {*leaks, *others}
