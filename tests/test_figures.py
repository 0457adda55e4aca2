"""The published figures are what a run recorded, and nobody's handwriting."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/figures"
MOST = 40 * 1024


def _page(figures: Path) -> str:
    """Have the page written that goes with figures."""
    command = [sys.executable, "-m", "benchmarks.page", str(figures)]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, timeout=60
    ).stdout


def test_page_is_made_of_its_figures() -> None:
    """The page and its tables say what was recorded beside them."""
    assert (FOLDER / "index.md").read_text() == _page(FOLDER / "figures.json")


def test_changed_figures_make_another_page(tmp_path: Path) -> None:
    """What is recorded is what the page says, also of a bound that is not met."""
    document = json.loads((FOLDER / "figures.json").read_text())
    row = {"what": "a", "against": "b", "ratio": 7.125, "bound": 0.5, "met": False}
    side = {"low": 0.001, "median": 0.00125, "high": 0.002}
    document["rows"] = [{**row, "ours": side, "theirs": side}]
    (tmp_path / "figures.json").write_text(json.dumps(document))
    page = _page(tmp_path / "figures.json")
    assert "Not met: **1 of 1**." in page
    assert "| a | b | 1.25 ms | 1.25 ms | 7.125 | <= 0.5 | no |" in page


def test_plots_are_made_of_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each plot is that of what was recorded, small, and has its texts as texts."""
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.charts import CHARTS
    from benchmarks.figures import Figures, stamp

    plots = Figures.load(FOLDER / "figures.json").plots
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(plots)
    for name, lines in plots.items():
        path = FOLDER / f"{name}.svg"
        text = path.read_text()
        assert stamp(CHARTS[name], lines) in text
        assert f">{CHARTS[name].title}<" in text
        assert path.stat().st_size < MOST
