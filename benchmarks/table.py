"""How figures are written: durations, and lines of a Markdown table."""

from collections.abc import Sequence
from typing import Final

from .figures import Figure

HEAD: Final = ("what", "against", "ours", "theirs", "ratio", "must be", "met")
RULE: Final = ("---", "---", "---:", "---:", "---:", "---", "---")


def duration(seconds: float) -> str:
    """Write how long something took, in three digits."""
    unit, size = scale(seconds)
    return f"{digits(seconds / size, 3)} {unit}"


def digits(value: float, count: int) -> str:
    """Write a number with so many digits that count."""
    return f"{value:#.{count}g}".rstrip(".")


def scale(seconds: float) -> tuple[str, float]:
    """Return the unit for so many seconds, and how many seconds it has."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        # What would be written as 1000 is 1 of the next.
        if seconds >= size * 0.9995:
            return unit, size
    return "µs", 1e-6


def cells(figure: Figure) -> tuple[str, ...]:
    """Write a line of the table."""
    ours, theirs = (
        "-" if side is None else duration(side.median)
        for side in (figure.ours, figure.theirs)
    )
    ratio = "-" if figure.ratio is None else f"{figure.ratio:.3f}"
    bound = "-" if figure.bound is None else f"<= {figure.bound}"
    met = {None: "-", True: "yes", False: "no"}[figure.met]
    return figure.what, figure.against, ours, theirs, ratio, bound, met


def table(figures: Sequence[Figure]) -> str:
    """Write the whole table."""
    return "\n".join([line(HEAD), line(RULE), *(line(cells(one)) for one in figures)])


def line(columns: tuple[str, ...]) -> str:
    """Put columns beside each other."""
    return f"| {' | '.join(columns)} |"
