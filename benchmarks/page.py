"""
The page of the published figures, which nobody writes by hand.

``python -m benchmarks.page FILE`` prints it, without the plots.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Final

from .charts import CHARTS, Chart
from .figures import Figures, Line, Point
from .table import digits, duration, line, table

_TOP: Final = """\
<!-- Made by `nox -s bench` from figures.json: edit neither. -->

# Published figures

One run, on one machine that is [described below](#measured-on): take the figures for
how they compare. Ways that are compared take turns, round by round, so that what slows
the machine slows all of them. A figure is the median of the rounds; a narrow line or a
band across it is their middle half. A ratio is the median of the rounds' own ratios, to
the first way of a plot, or of a pair in it: 2 takes twice as long.
"""
_ALL: Final = """\
## All comparisons

Here a ratio is ours to theirs: 0.5 takes half as long as the peer. A bound is what the
project asks of itself. {verdict}
"""
_AGAIN: Final = """\
## Measured on

{facts}

## Again, elsewhere

```sh
nox -s bench
```

It needs a C compiler, for the peers util-linux and strace, and root: an ordinary user,
who has to be allowed user namespaces, gets no trace. It takes ten minutes of a machine
that should have nothing else to do, and writes this page, the plots, and [what they are
made of](figures.json), of which `python -m benchmarks --from FILE --publish FOLDER`
makes them again.
"""


def page(figures: Figures) -> str:
    """Write the page, in Markdown."""
    parts = [_TOP]
    for name, chart in CHARTS.items():
        if lines := figures.plots.get(name):
            parts.append("\n".join(_section(name, chart, lines)) + "\n")
    parts += [_ALL.format(verdict=_verdict(figures)), table(figures.rows) + "\n"]
    parts.append(_AGAIN.format(facts=_facts(figures.machine)))
    return "\n".join(parts)


def _section(name: str, chart: Chart, lines: Sequence[Line]) -> Iterator[str]:
    yield f"## {chart.title}\n"
    yield f"![The table below, as a plot]({name}.svg)\n"
    yield fill(chart.text, 88, break_on_hyphens=False) + "\n"
    yield from _sized(chart, lines) if chart.sizes else _simple(lines)


def _simple(lines: Sequence[Line]) -> Iterator[str]:
    yield line(("", "median", "middle half", "ratio"))
    yield line(("---", "---:", "---:", "---:"))
    for one in lines:
        (point,) = one.points
        took = point.took
        half = f"{duration(took.low)} to {duration(took.high)}"
        yield line((one.name, duration(took.median), half, digits(point.ratio, 3)))


def _sized(chart: Chart, lines: Sequence[Line]) -> Iterator[str]:
    sizes = [f"{point.size / chart.size_unit:,g}" for point in lines[0].points]
    yield line((chart.sizes, *sizes))
    yield line(("---", *("---:" for _ in sizes)))
    for one in lines:
        yield line((one.name, *map(_point, one.points)))


def _point(point: Point) -> str:
    return f"{duration(point.took.median)} ({digits(point.ratio, 3)})"


def _verdict(figures: Figures) -> str:
    bounds = [row.met for row in figures.rows if row.met is not None]
    missed = bounds.count(False)
    if not missed:
        return f"Met: all {len(bounds)}."
    return f"Not met: **{missed} of {len(bounds)}**."


def _facts(machine: dict[str, str]) -> str:
    rows = [line((name, value)) for name, value in machine.items()]
    return "\n".join([line(("", "")), line(("---", "---")), *rows])


if __name__ == "__main__":
    print(page(Figures.load(Path(sys.argv[1]))), end="")
