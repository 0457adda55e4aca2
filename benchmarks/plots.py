"""The plots: SVG that is read on white and on black pages, 600 pixels across."""

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from textwrap import wrap
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from .charts import CHARTS, Chart
from .figures import Figures, Line, stamp
from .table import digits, duration, scale

# As the pictures of the documentation, which are on white cards too.
_CARD: Final = "#cbd5e1"
_INK: Final = "#475569"
_TITLE: Final = "#1e293b"
_FAINT: Final = "#e2e8f0"
_OURS: Final = "#2563eb"
_FLOOR: Final = "#64748b"
_PEERS: Final = ("#d97706", "#7c3aed", "#0d9488", "#dc2626")
_BARS: Final = {"ours": _OURS, "peer": "#94a3b8", "floor": "#cbd5e1"}

_STYLE: Final = Path(__file__).with_suffix(".mplstyle")

# In inches, 96 pixels each.
_WIDTH: Final = 6.25
_ROW: Final = 0.42
_ABOVE: Final = 0.46
_BELOW: Final = 0.58
_LINES: Final = 3.5
_BORDER: Final = 0.01

# In parts of the width.
_EDGE: Final = 0.028
_BESIDE: Final = (0.115, 0.69)
"""From where to where lines are, with what is beside them."""

_GAP: Final = 0.5
"""What is between two groups, of a row."""

_SPREAD: Final = "median, and the middle half of the rounds"

_LABEL: Final = 26
"""How many letters of a line's name are beside each other."""

_APART: Final = 13
"""How far apart such rows of letters are, in points."""


def draw(figures: Figures, folder: Path) -> None:
    """Write a plot for each that was measured."""
    with mpl.rc_context(fname=_STYLE):
        for name, lines in figures.plots.items():
            chart = CHARTS[name]
            canvas = _lines(chart, lines) if chart.sizes else _bars(chart, lines)
            canvas.savefig(
                folder / f"{name}.svg",
                transparent=True,
                metadata={
                    "Title": chart.title,
                    "Identifier": stamp(chart, lines),
                    "Date": None,
                    "Creator": None,
                },
            )


def _canvas(
    chart: Chart, height: float, left: float, right: float
) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(_WIDTH, height))
    card = FancyBboxPatch(
        (_BORDER, _BORDER),
        *(_WIDTH - 2 * _BORDER, height - 2 * _BORDER),
        boxstyle="round,pad=0,rounding_size=0.125",
        transform=canvas.dpi_scale_trans,
        facecolor="white",
        edgecolor=_CARD,
        zorder=-1,
    )
    canvas.add_artist(card)
    inside = height - _ABOVE - _BELOW
    axes = canvas.add_axes((left, _BELOW / height, right - left, inside / height))
    top = 1 - 0.25 / height
    title = canvas.text(_EDGE, top, chart.title, va="center", color=_TITLE)
    title.set(fontsize=11, fontweight="bold")
    scale = "time, log scale" if chart.scale == "log" else "time"
    canvas.text(1 - _EDGE, top, scale, va="center", ha="right")
    return canvas, axes


def _bars(chart: Chart, lines: Sequence[Line]) -> Canvas:
    """Draw a bar for each, or on a scale without a 0 a dot, under its name."""
    gaps = len({line.group for line in lines}) - 1
    height = _ABOVE + _BELOW + _ROW * (len(lines) + _GAP * gaps)
    canvas, axes = _canvas(chart, height, _EDGE, 0.95)
    spreads = [line.points[0].took for line in lines]
    start, end = 0.0, max(took.high for took in spreads)
    if chart.scale == "log":
        axes.set_xscale("log")
        start = min(took.low for took in spreads) / 2
        axes.set_xlim(start, end * (end / start) ** 0.3)
    else:
        axes.set_xlim(start, end * 1.25)
    for index, line in enumerate(lines):
        _bar(axes, chart, line, index + _GAP * line.group, start)
    axes.set_ylim(len(lines) + _GAP * gaps, 0)
    axes.yaxis.set_visible(False)
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(_SPREAD)
    axes.grid(axis="x")
    return canvas


def _bar(axes: Axes, chart: Chart, line: Line, top: float, start: float) -> None:
    """Draw a bar in a row that begins there, from top to bottom."""
    point, colour = line.points[0], _BARS[line.role]
    low, middle, high = point.took.low, point.took.median, point.took.high
    y = top + 0.68
    if chart.scale == "log":
        axes.plot([start, middle], [y, y], color=_FAINT, linewidth=1)
        axes.plot([low, high], [y, y], color=colour, linewidth=6, alpha=0.4)
        axes.plot([middle], [y], "o", color=colour, markersize=7)
    else:
        axes.barh(y, middle, 0.36, color=colour)
        axes.plot([low, high], [y, y], color=_INK, linewidth=1.5)
    text = duration(middle)
    if point.ratio != 1:
        text += f" · {digits(point.ratio, 2)}\N{MULTIPLICATION SIGN}"
    _write(axes, text, (high, y), (8, 0), line, _INK)
    colour = _OURS if line.role == "ours" else _INK
    _write(axes, _plain(line.name), (start, top + 0.28), (3, 0), line, colour)


def _lines(chart: Chart, lines: Sequence[Line]) -> Canvas:
    """Draw a line for each, with its name at its end."""
    canvas, axes = _canvas(chart, _LINES, *_BESIDE)
    axes.set_xscale(chart.size_scale)
    axes.set_yscale(chart.scale)
    sizes = [point.size / chart.size_unit for point in lines[0].points]
    colours = iter(_PEERS)
    ends = []
    for line in lines:
        colour = {"ours": _OURS, "floor": _FLOOR}.get(line.role) or next(colours)
        medians = [point.took.median for point in line.points]
        low = [point.took.low for point in line.points]
        high = [point.took.high for point in line.points]
        axes.fill_between(sizes, low, high, color=colour, alpha=0.25, linewidth=0)
        style = "o--" if line.role == "floor" else "o-"
        width = 2.4 if line.role == "ours" else 1.5
        axes.plot(sizes, medians, style, color=colour, linewidth=width, markersize=4)
        ends.append((medians[-1], line, colour))
    axes.set_xlabel(f"{chart.sizes} ({_SPREAD})")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_number))
    if chart.scale == "log":
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")
    _label(axes, ends)
    return canvas


def _label(axes: Axes, ends: Sequence[tuple[float, Line, str]]) -> None:
    """Write the names beside the ends of the lines, none over another."""
    points = axes.get_position().height * _LINES * 72
    taken = -points
    for value, line, colour in sorted(ends, key=itemgetter(0)):
        rows = wrap(_plain(line.name), _LABEL, break_long_words=False)
        half = len(rows) * _APART / 2
        _, y = axes.transScale.transform((1, value))
        _, height = axes.transLimits.transform((0, y))
        at = max(height * points, taken + half)
        taken = at + half
        text = "\n".join(rows)
        _write(axes, text, (1, at / points), (8, 0), line, colour, "axes fraction")


def _write(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    offset: tuple[float, float],
    line: Line,
    colour: str,
    unit: str = "data",
) -> None:
    axes.annotate(
        text,
        place,
        offset,
        xycoords=unit,
        textcoords="offset points",
        va="center",
        color=colour,
        fontweight="bold" if line.role == "ours" else "normal",
    )


def _plain(name: str) -> str:
    return name.replace("`", "")


def _tick(seconds: float, _position: int | None = None) -> str:
    unit, size = scale(seconds)
    return f"{seconds / size:.10g} {unit}" if seconds else "0"


def _number(value: float, _position: int | None = None) -> str:
    return f"{value:,.10g}"
