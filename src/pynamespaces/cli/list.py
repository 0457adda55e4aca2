"""``pynamespaces list``: the namespaces of the machine, as a table, JSON or picture."""

from __future__ import annotations

from typing import Final

import click

from . import columns, output, pictures, watching
from .durations import seconds
from .filters import OWNER, PID, Filter
from .scanning import scanned, tell_unreadable
from .targets import Types, types_option

_INTERVAL: Final = 2.0

_HELP: Final = f"""
List the namespaces of this machine.

It finds those of processes, of single threads, of open descriptors and sockets, of
files that they are mounted on, and those that own others. A line names the leader: the
oldest process in the namespace; without one it says in brackets what keeps it alive.
All filters given must hold.

\b
Columns, for --columns; "-" stands where there is nothing:
{columns.HELP}

\b
Privileges:
  None. An ordinary user sees the namespaces of its own processes; how many
  others could not be read is said on standard error, and with --json under
  "unreadable".

\b
Examples:
  pynamespaces list
  pynamespaces list --type net,user --columns ns,type,owner,path
  pynamespaces list --pid 1234
  pynamespaces list --owner 4026531837 --json
  pynamespaces list --watch --interval 5
  pynamespaces list --html namespaces.html
  pynamespaces list --dot - | dot -Tsvg > namespaces.svg

\b
Exit status:
  0  it was listed, or --watch was ended by Ctrl-C
  1  there is no such process or owner, or a file cannot be written
  2  the command line is wrong
"""

_FILE: Final = click.Path(dir_okay=False, allow_dash=True)


@click.command(help=_HELP)
@types_option("-t", "--type", "types", help="Only these types: a,b,c; repeatable.")
@click.option(
    *("-p", "--pid", "pids"),
    type=PID,
    multiple=True,
    help="Only those that this process is in; repeatable.",
)
@click.option(
    "--owner",
    type=OWNER,
    help="Only those that this user namespace owns: 4026531837 or user:[4026531837].",
)
@click.option(
    *("-o", "--columns", "names"),
    type=columns.COLUMNS,
    metavar="A,B,C",
    help=f"These columns; if not given {','.join(columns.DEFAULT)}.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print all that is known, as JSON."
)
@click.option(
    *("-w", "--watch", "watched"),
    is_flag=True,
    help="Show it on the whole terminal, again and again, until Ctrl-C.",
)
@click.option(
    *("-n", "--interval"),
    type=click.FloatRange(0.1, 86400),
    callback=seconds,
    metavar="SECONDS",
    help=f"How often --watch looks; every {_INTERVAL:g} if not given.",
)
@click.option(
    "--html",
    type=_FILE,
    metavar="FILE",
    help='Write a page to click through; "-" is standard output.',
)
@click.option(
    "--dot",
    type=_FILE,
    metavar="FILE",
    help='Write a picture for Graphviz; "-" is standard output.',
)
def command(
    *,
    types: Types,
    pids: tuple[int, ...],
    owner: int | None,
    names: columns.Names | None,
    as_json: bool,
    watched: bool,
    interval: float | None,
    html: str | None,
    dot: str | None,
) -> None:
    """List the namespaces."""
    forms = {"--json": as_json, "--watch": watched, "--html": html, "--dot": dot}
    _require_one([name for name, value in forms.items() if value], names)
    if interval is not None and not watched:
        raise click.UsageError("--interval is for --watch")
    chosen = Filter(types, pids, owner)
    if watched:
        watching.watch(chosen, names or columns.DEFAULT, interval or _INTERVAL)
        return
    found = chosen.applied(scanned(chosen.types_to_scan()))
    if as_json:
        output.write(found.to_json(indent=2) + "\n")
    elif html is not None:
        pictures.save(html, found.to_html())
    elif dot is not None:
        pictures.save(dot, found.to_dot())
    else:
        rows = columns.rows_of(found)
        shown = names or columns.DEFAULT
        output.print_table(columns.heads(shown), columns.cells(shown, rows))
    tell_unreadable(found.unreadable)


def _require_one(forms: list[str], names: columns.Names | None) -> None:
    """Refuse what contradicts itself."""
    if len(forms) > 1:
        raise click.UsageError(f"{' and '.join(forms)} exclude each other")
    if names and forms and forms != ["--watch"]:
        raise click.UsageError(f"{forms[0]} has all that is known: no --columns")
