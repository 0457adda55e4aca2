"""The pictures of the documentation are what the scripts beside them draw."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from starting import fresh_proc
from support import program

FOLDER: Final = Path(__file__).parents[1] / "docs/pictures"
DOCS: Final = FOLDER.parent
NAMES: Final = sorted(path.stem for path in FOLDER.glob("*.svg"))


@pytest.mark.parametrize("name", NAMES)
def test_is_what_is_drawn(name: str, tmp_path: Path) -> None:
    """A picture that is drawn again is the same, byte for byte."""
    if name == "tree":
        for needed in ("mount", "unshare"):
            program(needed)
        fresh_proc()
    subprocess.run(
        [sys.executable, str(FOLDER), str(tmp_path), name],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    drawn = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == (FOLDER / f"{name}.svg").read_text(encoding="utf-8")


def test_all_are_drawn_by_one_command() -> None:
    """The command for all pictures knows each that there is."""
    assert runpy.run_path(str(FOLDER / "__main__.py"))["NAMES"] == tuple(NAMES)


def test_all_are_shown() -> None:
    """Each picture is in a page or the README, with what it shows in words."""
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    shown = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for name in NAMES:
        before, found, _ = shown.partition(f"pictures/{name}.svg)")
        assert found, f"{name} is nowhere"
        words = before.rpartition("![")[2].partition("](")[0]
        assert len(words.split()) > 5, f"{name} has too few words for those who hear it"
