"""The examples of the documentation work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typist
from support import TIER, program

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs/tutorial/first-steps.md"


@pytest.mark.tier("root", "userns")
def test_tutorial() -> None:
    """The examples of the tutorial show what it says."""
    command = [sys.executable, "-m", "doctest", "-o", "ELLIPSIS"]
    done = subprocess.run(
        [*command, str(TUTORIAL)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _typed(page: Path) -> list[str]:
    """Type a page in, where everything is installed already."""
    program("sh")
    if TIER == "plain":
        program("unshare")
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    return typist.check(page, {**os.environ, "PATH": path}, installed=True)


def test_tutorial_typed_in() -> None:
    """Typed in line by line, by anybody, the tutorial shows what it says."""
    assert _typed(TUTORIAL) == []


ONE_LINE = """
```sh
{shell}
```

```text
{shown}
```
"""

IN_PYTHON = """
```sh
python3
```

```python
>>> for number in (1, 2):
...     print(number, "of", 2)
1 of ...
{shown}
>>> raise LookupError("nobody")
Traceback (most recent call last):
LookupError: {said}

```
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ONE_LINE.format(shell="echo a b", shown="a ..."), []),
        (ONE_LINE.format(shell="echo a b", shown="a c"), ["line 3: echo a b"]),
        (ONE_LINE.format(shell="false", shown=""), ["line 3: false"]),
        (IN_PYTHON.format(shown="2 of 2", said="no..."), []),
        (
            IN_PYTHON.format(shown="3 of 2", said="somebody"),
            ["line 7: for number in (1, 2):", 'line 11: raise LookupError("nobody")'],
        ),
        ("No line at all.", ["page.md has nothing to type in"]),
    ],
    ids=["shell", "shown", "status", "python", "printed", "nothing"],
)
def test_what_is_typed_in_is_compared(
    text: str, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown otherwise than a page says is told, with its line."""
    monkeypatch.chdir(tmp_path)
    page = Path("page.md")
    page.write_text(text)
    assert [complaint.splitlines()[0] for complaint in _typed(page)] == told
