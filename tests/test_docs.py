"""The examples of the documentation work."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import run_python

ROOT = Path(__file__).parents[1]


@pytest.mark.tier("root", "userns")
def test_tutorial() -> None:
    """The tutorial, typed in line by line, shows what it says."""
    command = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS"]
    done = subprocess.run(
        [*command, str(ROOT / "docs/tutorial/first-steps.md")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_examples() -> None:
    """The examples of the README compile, and import only what there is."""
    text = (ROOT / "README.md").read_text()
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")
        imports = [line for line in block.splitlines() if line.startswith("from ")]
        run_python("\n".join(imports))
