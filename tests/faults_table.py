"""
The table of faults in the documentation, out of what ``faulting.py`` has printed.

``python tests/faults_table.py FILE`` writes it and says how much was tried. It fails
where something was lost.
"""

import json
import platform
import sys
from collections import Counter
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parent.parent / "docs/reference/faults.md"
_BEGIN, _END = "<!-- table -->\n", "<!-- end of the table -->\n"
_NAMES: Final = {"worked": "done all the same", "RestoreError": "thread refused"}
_COLUMNS: Final = ("done all the same", "an error", "thread refused", "lost")


class Row:
    """What came of one operation."""

    def __init__(self) -> None:
        self.calls: set[str] = set()
        self.faults = 0
        self.outcomes: Counter[str] = Counter()

    def add(self, call: str, kind: str, wrong: list[str]) -> None:
        """Count one case."""
        if kind == "not reached":
            return
        self.calls.add(call)
        self.faults += 1
        self.outcomes["lost" if wrong else _NAMES.get(kind, "an error")] += 1

    def line(self, name: str) -> str:
        """Return it as a line of the table."""
        counts = " | ".join(str(self.outcomes[column]) for column in _COLUMNS)
        return f"| `{name}` | {len(self.calls)} | {self.faults} | {counts} |\n"


def read(lines: list[str]) -> dict[str, Row]:
    """Sort what was tried by operation."""
    rows: dict[str, Row] = {}
    for line in lines:
        name, call, _, _, kind, _, _, wrong = json.loads(line)
        row = rows.setdefault(name, Row())
        if call:
            row.add(call, kind, wrong)
        elif wrong or kind != "worked":
            sys.exit(f"{name} does not work at all: {line}")
    return rows


def summary(rows: dict[str, Row]) -> str:
    """Say how much was tried."""
    faults = sum(row.faults for row in rows.values())
    calls = set().union(*(row.calls for row in rows.values()))
    lost = sum(row.outcomes["lost"] for row in rows.values())
    machine = f"Linux {platform.release()}, Python {platform.python_version()}"
    return (
        f"{len(rows)} operations, {len(calls)} system calls, {faults:,} faults, "
        f"{lost} of them with something lost ({machine}).\n"
    )


def main() -> None:
    """Write the table."""
    rows = read(Path(sys.argv[1]).read_text().splitlines())
    text = PAGE.read_text()
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    title = " | ".join(("operation", "system calls", "faults", *_COLUMNS))
    lines = [f"| {title} |\n", "| --- " + "| ---: " * 6 + "|\n"]
    lines += [row.line(name) for name, row in rows.items()]
    said = summary(rows)
    PAGE.write_text(f"{head}{_BEGIN}{said}\n{''.join(lines)}{_END}{tail}")
    print(said, end="")
    sys.exit(any(row.outcomes["lost"] for row in rows.values()))


if __name__ == "__main__":
    main()
