"""What the lines of the three trees say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from .. import NamespaceId, NamespaceType
from ..inventory import Inventory, NamespaceRecord, Node, ProcessRecord
from .drawing import Branch, grown
from .output import Line
from .people import (
    command_line,
    container_name,
    counted,
    processes_text,
    user_name,
    why_alive,
)

_ID: Final = "cyan"
_WHO: Final = "green"
_NAME: Final = "magenta"
_DIFFERS: Final = "bold yellow"
_ASIDE: Final = "dim"

Differences = Mapping[NamespaceType, NamespaceId]


def of_users(inventory: Inventory, *, owned: bool) -> list[Branch]:
    """Return the user namespaces, each with those of other types that it owns."""
    belongings: dict[NamespaceId, list[Branch]] = defaultdict(list)
    alone: list[Branch] = []
    known = {record.id for record in inventory.namespaces(NamespaceType.USER)}
    for record in inventory if owned else ():
        if record.type is NamespaceType.USER:
            continue
        branch = Branch(_namespace(record, inventory), [])
        if record.owner is not None and record.owner in known:
            belongings[record.owner].append(branch)
        else:
            alone.append(branch)

    def sprout(record: NamespaceRecord) -> Branch:
        return Branch(_namespace(record, inventory), belongings.pop(record.id, []))

    roots = grown(inventory.tree("user"), sprout)
    if alone:
        roots.append(Branch([("owned by what is not visible here", _ASIDE)], alone))
    return roots


def of_pids(inventory: Inventory, *, everything: bool) -> list[Branch]:
    """Return the pid namespaces, with the processes that have other pids inside."""

    def sprout(record: NamespaceRecord) -> Branch:
        branch = Branch(_pid_namespace(record, inventory), [])
        for pid in record.processes:
            process = inventory.process(pid)
            if process and (everything or len(process.pids) > 1):
                branch.below.append(Branch(_process_inside(process), []))
        return branch

    return grown(inventory.tree("pid"), sprout)


def of_processes(
    inventory: Inventory, differences: Mapping[int, Differences], *, everything: bool
) -> list[Branch]:
    """Return the processes where namespaces begin, with those that lead to them."""
    processes = {process.pid: process for process in inventory.processes()}
    shown = set(processes) if everything else _with_ancestors(differences, processes)
    roots: list[Branch] = []
    hidden: dict[int, list[ProcessRecord]] = defaultdict(list)
    hosts: list[Branch] = []
    waiting: list[tuple[Node[ProcessRecord], Branch | None]]
    waiting = [(node, None) for node in reversed(inventory.tree("process"))]
    while waiting:
        node, above = waiting.pop()
        process = node.item
        if process.pid in shown:
            differing = differences.get(process.pid, {})
            ids = [f"  {id}" for id in differing.values()]
            types = ["  " + ",".join(differing)] if differing else []
            branch = Branch(_process(process, ids), [], _process(process, types))
            (roots if above is None else above.below).append(branch)
            hosts.append(branch)
            above = branch
        else:
            hidden[id(above)].append(process)
        waiting += [(child, above) for child in reversed(node.children)]
    for branch in hosts:
        if id(branch) in hidden:
            branch.below.append(_left_out(hidden[id(branch)]))
    return roots + ([_left_out(hidden[id(None)])] if id(None) in hidden else [])


def differences(inventory: Inventory, own: int) -> dict[int, Differences]:
    """
    Return where the namespaces of processes are not those of their parents.

    What has no parent that could be read is compared with the caller.

    Args:
        inventory: Where they were found.

        own: The caller's own process.
    """
    caller = inventory.process(own)
    reference = {} if caller is None else caller.namespaces
    found: dict[int, Differences] = {}
    waiting = [(node, reference) for node in inventory.tree("process")]
    while waiting:
        node, above = waiting.pop()
        its = node.item.namespaces
        # Of a type that could not be read above, nothing can be said.
        differing = {
            type: id for type, id in its.items() if type in above and above[type] != id
        }
        if differing:
            found[node.item.pid] = differing
        waiting += [(child, its or above) for child in node.children]
    return found


def _with_ancestors(
    pids: Mapping[int, Differences], processes: Mapping[int, ProcessRecord]
) -> set[int]:
    found: set[int] = set()
    for pid in pids:
        at = processes.get(pid)
        while at is not None and at.pid not in found:
            found.add(at.pid)
            at = processes.get(at.ppid)
    return found


def _left_out(processes: Sequence[ProcessRecord]) -> Branch:
    same = sum(bool(process.namespaces) for process in processes)
    unread = len(processes) - same
    parts = []
    if same:
        more = counted(same, "process", "processes")
        parts.append(f"{more} in the same namespaces")
    if unread:
        more = counted(unread, "process", "processes")
        parts.append(f"{more} that could not be read")
    return Branch([(f"({', '.join(parts)})", _ASIDE)], [])


def _namespace(record: NamespaceRecord, inventory: Inventory) -> Line:
    """Say which it is, who made it, and who is in it."""
    line = [(str(record.id), _ID)]
    if record.name:
        line.append((f"  {record.name}", _NAME))
    if record.type is NamespaceType.USER and record.owner_uid is not None:
        line.append((f"  of {user_name(record.owner_uid)}", _WHO))
    return [*line, *_members(record, inventory)]


def _members(record: NamespaceRecord, inventory: Inventory) -> Line:
    if record.leader is None:
        return [] if record.processes else [(f"  {why_alive(record, inventory)}", "")]
    leader = inventory.process(record.leader)
    name = "" if leader is None else f" {leader.name}"
    return [(f"  {processes_text(record)}, leader {record.leader}{name}", "")]


def _pid_namespace(record: NamespaceRecord, inventory: Inventory) -> Line:
    line = [(str(record.id), _ID)]
    init = _init_of(record, inventory)
    if init is None:
        return [*line, *_members(record, inventory)]
    text = f"  {processes_text(record)}, init {init.pid} {init.name}"
    return [*line, (text, ""), *_in_container(init)]


def _init_of(record: NamespaceRecord, inventory: Inventory) -> ProcessRecord | None:
    """Return the process that is number 1 there."""
    for pid in record.processes:
        process = inventory.process(pid)
        if process is not None and process.pids[-1:] == (1,):
            return process
    return None


def _process_inside(process: ProcessRecord) -> Line:
    """Say what a process is called outside and inside, from the outermost on."""
    numbers = " = ".join(map(str, process.pids or (process.pid,)))
    return [(numbers, _WHO), (f"  {command_line(process)}", "")]


def _process(process: ProcessRecord, differing: list[str]) -> Line:
    parts: list[tuple[str, str]] = [(str(process.pid), _WHO), (f" {process.name}", "")]
    parts += [(text, _DIFFERS) for text in differing]
    if not process.namespaces:
        parts.append(("  (could not be read)", _ASIDE))
    # The container begins where namespaces do.
    return [*parts, *(_in_container(process) if differing else [])]


def _in_container(process: ProcessRecord) -> list[tuple[str, str]]:
    container = process.container
    return [] if container is None else [(f"  {container_name(container)}", _NAME)]
