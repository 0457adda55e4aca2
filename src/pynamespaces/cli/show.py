"""``pynamespaces show``: all about one process, namespace or container."""

from __future__ import annotations

from typing import Final

import click

from .. import NamespaceId
from ..inventory import Inventory, NamespaceRecord, ProcessRecord
from ..inventory._json import as_object, process_object
from . import details, output
from .opening import opened
from .scanning import scanned, tell_unreadable
from .targets import TARGET, Target, Types, pid_of, types_option

_HELP: Final = """
Show all about one process, namespace or container.

Of a process or a container: who it is, what it is called in each pid namespace, and
its namespaces; OURS says whether the caller is in the same. Of one namespace (TARGET
is a file or a netns:NAME, or --type leaves one): its owner and parent, its members,
and all else that keeps it alive: threads, descriptors, sockets, files that it is
mounted on.

\b
Privileges:
  To look into a process, its user's or root's (ptrace(2), PTRACE_MODE_READ).
  What the caller may not see of the machine is left out, and counted on
  standard error.

\b
Examples:
  pynamespaces show 1234
  pynamespaces show 1234 --type net
  pynamespaces show /run/netns/blue
  pynamespaces show netns:blue --json
  pynamespaces show container:3f4a8c21d7e6

\b
Exit status:
  0  it was shown
  1  there is no such target, or it may not be looked into
  2  the command line is wrong
"""


@click.command(help=_HELP)
@click.argument("target", type=TARGET)
@types_option("-t", "--type", "types", help="Only these types: a,b,c; repeatable.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print all that is known, as JSON."
)
def command(*, target: Target, types: Types, as_json: bool) -> None:
    """Show a target."""
    # Not held while scanning, or this process would be found to hold it.
    with opened(target, types) as namespaces:
        ids = [namespace.id for namespace in namespaces.values()]
    found = scanned()
    process = _process_of(target, ids, found)
    records = [_record(found, id) for id in ids]
    if as_json:
        output.print_json(_plain(target, process, records, found))
    elif len(records) == 1:
        output.print_lines(details.of_namespace(records[0], found))
        details.print_members(records[0], found)
    else:
        if process is not None:
            output.print_lines([*details.of_process(process, found), []])
        details.print_namespaces(records, found)
    tell_unreadable(found.unreadable)


def _record(found: Inventory, id: NamespaceId) -> NamespaceRecord:
    """Return what was found of a namespace; it might have been held by nobody."""
    return found.namespace(id) or NamespaceRecord(id, id.type)


def _process_of(
    target: Target, ids: list[NamespaceId], found: Inventory
) -> ProcessRecord | None:
    """Return the process that a target is or, of a container, the oldest of it."""
    pid = pid_of(target)
    if pid is not None or target.kind != "container":
        return None if pid is None else found.process(pid)
    there = [process for process in found.processes() if process.container is not None]
    known = [_record(found, id).id for id in ids]
    inside = [p for p in there if all(p.namespaces.get(id.type) == id for id in known)]
    return min(inside, key=lambda process: process.started, default=None)


def _plain(
    target: Target,
    process: ProcessRecord | None,
    records: list[NamespaceRecord],
    found: Inventory,
) -> dict[str, object]:
    return {
        "target": str(target),
        "process": None if process is None else process_object(process),
        "namespaces": [as_object(record) for record in records],
        "unreadable": [place._asdict() for place in found.unreadable],
    }
