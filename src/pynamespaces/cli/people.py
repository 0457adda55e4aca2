"""What people call users, processes, containers and namespaces."""

from __future__ import annotations

import pwd
from functools import cache
from typing import Final

from ..inventory import Container, Inventory, NamespaceRecord, ProcessRecord

_SHORT: Final = 12
"""How many digits of a container's id people write."""


@cache
def user_name(uid: int) -> str:
    """Return the name of a user, or the number of one that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def command_line(process: ProcessRecord) -> str:
    """Return a command line, or the name of a process that shows none."""
    if not any(process.arguments):
        return f"[{process.name}]"
    return " ".join(process.arguments)


def container_name(container: Container) -> str:
    """Return what a container is called, after its engine."""
    id = container.id
    is_hash = len(id) > _SHORT and not set(id) - set("0123456789abcdef")
    called = container.name or (id[:_SHORT] if is_hash else id)
    return f"{container.engine}:{called}"


def counted(number: int, one: str, more: str) -> str:
    """Return a number of things."""
    return f"{number} {one if number == 1 else more}"


def processes_text(record: NamespaceRecord) -> str:
    """Return how many processes are in a namespace."""
    return counted(len(record.processes), "process", "processes")


def why_alive(record: NamespaceRecord, inventory: Inventory) -> str:
    """Return what keeps a namespace that no process is in."""
    if record.pins:
        return f"(pinned: {record.pins[0].path})"
    for what, holders in (("fd", record.descriptors), ("socket", record.sockets)):
        for holder in holders:
            return f"({what} {holder.fd} of {_who(holder.pid, inventory)})"
    for tid in record.threads:
        return f"(thread {tid})"
    for pid in record.for_children:
        return f"(children of {_who(pid, inventory)} are born here)"
    return "(others belong to it)"


def _who(pid: int, inventory: Inventory) -> str:
    process = inventory.process(pid)
    return str(pid) if process is None else f"{pid} {process.name}"
