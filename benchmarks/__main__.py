"""Run the benchmarks, and print a table."""

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Final

from .measure import Row
from .place import move_in, somewhere

# Each has a function rows(place), a generator of Row.
MODULES: Final = (
    *("calling", "entering", "importing", "scanning", "sockets", "starting"),
    "tracing",
)

_HEAD: Final = ("what", "against", "ours", "theirs", "ratio", "must be", "met")


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
    given = parser.parse_args()
    for module in given.modules:
        if module not in MODULES:
            parser.error(f"{module!r} is none of {', '.join(MODULES)}")
    if given.rounds < 1:
        parser.error("--rounds must be 1 or more")
    return given


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "CPU part"):
            return value.strip()
    return platform.machine()


def _machine() -> dict[str, str]:
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu": _cpu(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.2f} µs"


def _cells(row: Row) -> tuple[str, ...]:
    ours = theirs = ratio = "-"
    if row.times is not None:
        ours, theirs = (
            _duration(median(side)) for side in (row.times.ours, row.times.theirs)
        )
        ratio = f"{row.times.ratio:.3f}"
    bound = "-" if row.bound is None else f"<= {row.bound}"
    met = {None: "-", True: "yes", False: "no"}[row.met]
    return row.what, row.against, ours, theirs, ratio, bound, met


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _measured(modules: list[str], rounds: int) -> Iterator[Row]:
    with somewhere(rounds) as place:
        for name in modules:
            yield from import_module(f".{name}", __package__).rows(place)


def _as_json(row: Row) -> dict[str, object]:
    head = {"what": row.what, "against": row.against, "bound": row.bound}
    if row.times is None:
        return {**head, "met": row.met}
    rounds = {"ours": row.times.ours, "theirs": row.times.theirs}
    return {**head, "met": row.met, "ratio": row.times.ratio, "seconds": rounds}


def main() -> None:
    """Print the table as it grows, then the facts of the machine."""
    given = _arguments()
    if find_spec("pynamespaces") is None:
        sys.exit("benchmarks: pynamespaces is not installed in this Python")
    move_in()
    print(_line(_HEAD))
    print(_line(("---", "---", "---:", "---:", "---:", "---", "---")), flush=True)
    rows = []
    for row in _measured(given.modules or list(MODULES), given.rounds):
        print(_line(_cells(row)), flush=True)
        rows.append(row)
    machine = _machine()
    print(f"\n{', '.join(machine.values())}")
    print("Times are medians; the ratio is the median of the rounds' ratios.")
    if given.json:
        document = {"machine": machine, "rows": [_as_json(row) for row in rows]}
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    if given.check and any(row.met is False for row in rows):
        sys.exit(1)


main()
