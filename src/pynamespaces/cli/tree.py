"""``pynamespaces tree``: hierarchies of users, of pids, of processes."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final, Literal

import click

from ..inventory import Hierarchy, Inventory
from ..inventory._json import as_object, process_object
from . import branches, drawing, output
from .scanning import scanned, tell_unreadable

_HELP: Final = """
Show a hierarchy: of processes, of user namespaces or of pid namespaces.

\b
process  the processes; a line ends with the namespaces that are not those of
         the parent, or if that is too wide for a terminal, with their types.
         Branches where nothing differs are left out.
user     the user namespaces, each below its parent, with who made it; and
         below it the namespaces of other types that it owns.
pid      the pid namespaces, each below its parent, with its init; and below
         it the processes with their pids, as each namespace has them.

Without an argument it shows processes. A line that is too deep for guides begins with
the number of its level.

\b
Privileges:
  None. An ordinary user sees the namespaces of its own processes; how much
  could not be read is said on standard error, and with --json under
  "unreadable". What belongs to something that is hidden stands for itself.

\b
Examples:
  pynamespaces tree
  pynamespaces tree process --all
  pynamespaces tree user --no-owned
  pynamespaces tree pid --json

\b
Exit status:
  0  it was shown
  1  it could not be: there is no /proc here
  2  the command line is wrong
"""


@click.command(help=_HELP)
@click.argument(
    "kind",
    type=click.Choice(["process", "user", "pid"], case_sensitive=False),
    default="process",
)
@click.option("-a", "--all", "everything", is_flag=True, help="Show each process.")
@click.option(
    "--owned/--no-owned",
    default=None,
    help="Of user: with the namespaces of other types, as if not given, or without.",
)
@click.option(
    "--json", "as_json", is_flag=True, help='Print a list of "nodes", as JSON.'
)
def command(
    *, kind: Hierarchy, everything: bool, owned: bool | None, as_json: bool
) -> None:
    """Show a hierarchy."""
    if owned is not None and kind != "user":
        raise click.UsageError("--owned and --no-owned are for the tree user")
    if everything and kind == "user":
        raise click.UsageError("--all is for the trees process and pid")
    found = scanned()
    if as_json:
        output.print_json(_plain(found, kind))
    else:
        roots = _roots(found, kind, everything=everything, owned=owned is not False)
        width = output.terminal_size()[0] if output.on_terminal() else None
        output.print_lines(drawing.drawn(roots, width))
    tell_unreadable(found.unreadable)


def _roots(
    found: Inventory, kind: Hierarchy, *, everything: bool, owned: bool
) -> list[drawing.Branch]:
    if kind == "user":
        return branches.of_users(found, owned=owned)
    if kind == "pid":
        return branches.of_pids(found, everything=everything)
    differing = branches.differences(found, _own_pid())
    return branches.of_processes(found, differing, everything=everything)


def _own_pid() -> int:
    """Return what this process is called in ``/proc``, which may be an outer one."""
    with suppress(OSError, ValueError):
        return int(os.readlink("/proc/self"))
    return os.getpid()


def _plain(found: Inventory, kind: Hierarchy) -> dict[str, object]:
    """Return the tree as a list: what is nested deeply, few programs can read."""
    return {
        "tree": kind,
        "nodes": _processes(found) if kind == "process" else _namespaces(found, kind),
        "unreadable": [place._asdict() for place in found.unreadable],
    }


def _namespaces(
    found: Inventory, kind: Literal["user", "pid"]
) -> list[dict[str, object]]:
    walked = drawing.walked(found.tree(kind))
    return [{**as_object(record), "level": level} for record, level in walked]


def _processes(found: Inventory) -> list[dict[str, object]]:
    differing = branches.differences(found, _own_pid())
    return [
        {
            **process_object(process),
            "level": level,
            "differs": sorted(differing.get(process.pid, {})),
        }
        for process, level in drawing.walked(found.tree("process"))
    ]
