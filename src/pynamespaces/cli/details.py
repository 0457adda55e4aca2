"""What is known of one process or one namespace, line by line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Final

from .. import Namespace, NamespaceId, NamespaceType
from ..inventory import Holder, Inventory, NamespaceRecord, ProcessRecord
from . import output
from .output import Column, Line
from .people import (
    command_line,
    container_name,
    user_name,
)

_INDENT: Final = 12


def of_process(process: ProcessRecord, inventory: Inventory) -> Iterator[Line]:
    """Say who a process is."""
    yield [("process ", "bold"), (str(process.pid), "bold green")]
    yield _fact("command", command_line(process))
    if not _is_named_by_command(process):
        yield _fact("name", process.name)
    yield _fact("user", _user(process.uid))
    if process.ppid:
        yield _fact("parent", _called(process.ppid, inventory))
    if process.threads > 1:
        yield _fact("threads", str(process.threads))
    if len(process.pids) > 1:
        yield _fact("pids", " = ".join(map(str, process.pids)) + ", from here inward")
    if process.container is not None:
        yield _fact("container", container_name(process.container))
        yield _fact("id", process.container.id)


def of_namespace(record: NamespaceRecord, inventory: Inventory) -> Iterator[Line]:
    """Say what a namespace is, and what keeps it alive besides its processes."""
    yield [(str(record.id), "bold cyan")]
    if record.name is not None:
        yield _fact("name", record.name)
    if record.id.unique is not None:
        yield _fact("unique id", str(record.id.unique))
    yield _fact("owner", _owner(record))
    if record.parent is not None and record.parent != record.owner:
        yield _fact("parent", str(record.parent))
    if record.leader is not None:
        yield _fact("leader", _called(record.leader, inventory))
    below = [each for each in inventory if record.id in (each.parent, each.owner)]
    if below:
        yield _fact("has", _summary(below))
    yield _fact("processes", str(len(record.processes)))
    if record.threads:
        yield _fact("threads", ", ".join(map(str, record.threads)))
    if record.for_children:
        yield _fact("for children", ", ".join(map(str, record.for_children)))
    yield from _held("descriptor", record.descriptors, inventory)
    yield from _held("socket", record.sockets, inventory)
    for pin in record.pins:
        own = inventory.namespace(pin.mnt) is None or _is_own(pin.mnt)
        yield _fact("pin", pin.path if own else f"{pin.path}, in {pin.mnt}")


def print_members(record: NamespaceRecord, inventory: Inventory) -> None:
    """Print the processes that are in a namespace."""
    found = [inventory.process(pid) for pid in record.processes]
    members = [process for process in found if process is not None]
    if not members:
        return
    is_pid = record.type is NamespaceType.PID
    heads = [
        Column("PID", numeric=True),
        *([Column("INSIDE", numeric=True)] if is_pid else []),
        Column("USER", style="green"),
        Column("COMMAND", may_be_cut=True),
    ]
    rows = [
        [
            str(process.pid),
            *([str(process.pids[-1]) if process.pids else ""] if is_pid else []),
            user_name(process.uid),
            command_line(process),
        ]
        for process in members
    ]
    output.print_lines([[]])
    output.print_table(heads, rows)


def print_namespaces(records: Iterable[NamespaceRecord], inventory: Inventory) -> None:
    """Print some namespaces, and who else is in them."""
    heads = [
        Column("TYPE", style="green"),
        Column("NS", style="cyan"),
        Column("OURS"),
        Column("PROCS", numeric=True),
        Column("OWNER", style="cyan"),
        Column("LEADER", may_be_cut=True),
    ]
    rows = [
        [
            record.type,
            str(record.id.ino),
            "yes" if _is_own(record.id) else "no",
            str(len(record.processes)),
            "" if record.owner is None else str(record.owner.ino),
            "" if record.leader is None else _called(record.leader, inventory),
        ]
        for record in records
    ]
    output.print_table(heads, rows)


def _is_named_by_command(process: ProcessRecord) -> bool:
    """Return whether the command line says the name, as far as the kernel keeps it."""
    if not any(process.arguments):
        return True
    return os.path.basename(process.arguments[0]).startswith(process.name)


def _fact(name: str, text: str) -> Line:
    return [("  ", ""), (name.ljust(_INDENT), "dim"), (" ", ""), (text, "")]


def _is_own(id: NamespaceId) -> bool:
    with closing(Namespace.current(id.type)) as here:
        # Both live, so that the inode number tells them apart.
        return (here.id.dev, here.id.ino) == (id.dev, id.ino)


def _owner(record: NamespaceRecord) -> str:
    whose = "" if record.owner_uid is None else f", of {_user(record.owner_uid)}"
    if record.owner is None:
        return "outside of what is visible here" + whose
    return str(record.owner) + whose


def _user(uid: int) -> str:
    name = user_name(uid)
    return name if name == str(uid) else f"{name} ({uid})"


def _called(pid: int, inventory: Inventory) -> str:
    process = inventory.process(pid)
    return str(pid) if process is None else f"{pid} {command_line(process)}"


def _summary(records: list[NamespaceRecord]) -> str:
    """Count namespaces by type."""
    counts: dict[NamespaceType, int] = {}
    for record in records:
        counts[record.type] = counts.get(record.type, 0) + 1
    return ", ".join(f"{number} {type}" for type, number in counts.items())


def _held(what: str, holders: Iterable[Holder], inventory: Inventory) -> Iterator[Line]:
    for holder in holders:
        yield _fact(what, f"{holder.fd} of {_called(holder.pid, inventory)}")
