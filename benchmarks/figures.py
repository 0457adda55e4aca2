"""What is kept of a run: of each figure the quartiles, and of each pair the ratio."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from statistics import quantiles
from typing import Final

from .measure import Curve, Role, Row, Times

_DIGITS: Final = 4


@dataclass(frozen=True)
class Spread:
    """Half of the rounds took from *low* to *high* seconds."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Figure:
    """A line of the table."""

    what: str
    against: str
    ours: Spread | None
    theirs: Spread | None
    ratio: float | None
    bound: float | None
    met: bool | None


@dataclass(frozen=True)
class Point:
    """What a line of a plot is at one size."""

    size: int
    took: Spread
    ratio: float
    """The median of the rounds' ratios to the first line of the group."""


@dataclass(frozen=True)
class Line:
    """A line of a plot, or a bar."""

    name: str
    role: Role
    group: int
    points: list[Point]


@dataclass(frozen=True)
class Figures:
    """A run, as it is published."""

    machine: dict[str, str]
    rows: list[Figure]
    plots: dict[str, list[Line]]

    def save(self, path: Path) -> None:
        """Write it down, so that `load` returns the same."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def load(path: Path) -> "Figures":
        """Read what `save` wrote."""
        document = json.loads(path.read_text())
        for row in document["rows"]:
            for side in ("ours", "theirs"):
                row[side] = row[side] and Spread(**row[side])
        for lines in document["plots"].values():
            for line in lines:
                for point in line["points"]:
                    point["took"] = Spread(**point["took"])
                line["points"] = [Point(**point) for point in line["points"]]
        return Figures(
            document["machine"],
            [Figure(**row) for row in document["rows"]],
            {
                name: [Line(**line) for line in lines]
                for name, lines in document["plots"].items()
            },
        )


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _spread(seconds: Sequence[float]) -> Spread:
    rounds = [*seconds, *seconds] if len(seconds) == 1 else seconds
    low, middle, high = quantiles(rounds, method="inclusive")
    return Spread(_rounded(low), _rounded(middle), _rounded(high))


def figure(row: Row) -> Figure:
    """Sum up a line of the table."""
    head = (row.what, row.against)
    if row.times is None:
        return Figure(*head, None, None, None, row.bound, row.met)
    sides = (_spread(row.times.ours), _spread(row.times.theirs))
    return Figure(*head, *sides, _rounded(row.times.ratio), row.bound, row.met)


def lines(curves: Sequence[Curve]) -> list[Line]:
    """Sum up the lines of a plot."""
    firsts: dict[int, Curve] = {}
    for curve in curves:
        firsts.setdefault(curve.group, curve)
    return [_line(curve, firsts[curve.group]) for curve in curves]


def _line(curve: Curve, first: Curve) -> Line:
    points = [
        Point(size, _spread(times), _rounded(Times(times, first.times[size]).ratio))
        for size, times in curve.times.items()
    ]
    return Line(curve.name, curve.role, curve.group, points)


def stamp(*parts: object) -> str:
    """Return what tells whether a plot was made of these: of no file, but of values."""
    return sha256(repr(parts).encode()).hexdigest()
