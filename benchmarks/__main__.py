"""Run the benchmarks, and print a table."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .figures import Figures, figure, lines
from .machine import facts
from .measure import Curve, Row
from .page import page
from .place import move_in, somewhere
from .table import HEAD, RULE, cells, line, table

# Each has a function rows(place), a generator of Row, and curves(place), one of Curve.
MODULES: Final = (
    *("calling", "entering", "importing", "scanning", "sockets", "starting"),
    "tracing",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    parser.add_argument("--check", action="store_true", help="exit 1 if one is not met")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all rounds too"
    )
    parser.add_argument(
        "--rounds", type=int, default=15, metavar="N", help="of each comparison (15)"
    )
    parser.add_argument(
        "--publish", type=Path, metavar="FOLDER", help="write a page with plots, too"
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="measure nothing: take the figures.json of a page",
    )
    given = parser.parse_args()
    for module in given.modules:
        if module not in MODULES:
            parser.error(f"{module!r} is none of {', '.join(MODULES)}")
    if given.rounds < 1:
        parser.error("--rounds must be 1 or more")
    if given.source and (given.modules or given.json):
        parser.error("--from takes neither modules nor --json")
    return given


@dataclass
class _Run:
    """What was measured, with all rounds."""

    machine: dict[str, str]
    rows: list[Row]
    curves: dict[str, list[Curve]]

    def figures(self) -> Figures:
        """Sum it up."""
        plots = {name: lines(curves) for name, curves in self.curves.items() if curves}
        return Figures(self.machine, [figure(row) for row in self.rows], plots)

    def as_json(self) -> str:
        """Write it all down."""
        curves = {name: list(map(asdict, all)) for name, all in self.curves.items()}
        rows = [_as_json(row) for row in self.rows]
        document = {"machine": self.machine, "rows": rows, "curves": curves}
        return json.dumps(document, indent=1) + "\n"


def _as_json(row: Row) -> dict[str, object]:
    head = {"what": row.what, "against": row.against, "bound": row.bound}
    if row.times is None:
        return {**head, "met": row.met}
    return {
        **head,
        "met": row.met,
        "ratio": row.times.ratio,
        "seconds": asdict(row.times),
    }


def _measured(modules: list[str], rounds: int, *, plotted: bool) -> _Run:
    """Measure, and print the table as it grows."""
    run = _Run(facts(), [], {})
    print(line(HEAD))
    print(line(RULE), flush=True)
    with somewhere(rounds) as place:
        for name in modules:
            module = import_module(f".{name}", __package__)
            for row in module.rows(place):
                print(line(cells(figure(row))), flush=True)
                run.rows.append(row)
            if plotted:
                run.curves[name] = list(module.curves(place))
    return run


def _publish(figures: Figures, folder: Path) -> None:
    """Write the figures, the page, and the plots."""
    from .plots import draw  # noqa: PLC0415 - its library may be missing

    folder.mkdir(parents=True, exist_ok=True)
    figures.save(folder / "figures.json")
    (folder / "index.md").write_text(page(figures))
    draw(figures, folder)


def main() -> None:
    """Print the table as it grows, then the facts of the machine."""
    given = _arguments()
    if given.publish and find_spec("matplotlib") is None:
        sys.exit("benchmarks: --publish needs matplotlib")
    if given.source:
        figures = Figures.load(given.source)
        print(table(figures.rows))
    else:
        if find_spec("pynamespaces") is None:
            sys.exit("benchmarks: pynamespaces is not installed in this Python")
        move_in()
        modules = given.modules or list(MODULES)
        run = _measured(modules, given.rounds, plotted=given.publish is not None)
        figures = run.figures()
        told = (f"{name}: {fact}" for name, fact in figures.machine.items())
        print(f"\n{', '.join(told)}")
        print("Times are medians; the ratio is the median of the rounds' ratios.")
        if given.json:
            given.json.write_text(run.as_json())
    if given.publish:
        _publish(figures, given.publish)
    if given.check and any(row.met is False for row in figures.rows):
        sys.exit(1)


main()
