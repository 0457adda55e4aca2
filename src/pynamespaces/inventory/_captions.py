"""What a picture says of namespaces: labels of Graphviz, which are like HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from .._types import NamespaceType
from ._visible import visible
from .records import NamespaceRecord

if TYPE_CHECKING:
    from ._inventory import Inventory

_COLOURS: Final = {
    NamespaceType.CGROUP: "#e8e3d5",
    NamespaceType.IPC: "#f6dfc8",
    NamespaceType.MNT: "#f8efb8",
    NamespaceType.NET: "#cfe8cf",
    NamespaceType.PID: "#f3cfd3",
    NamespaceType.TIME: "#d8eef0",
    NamespaceType.USER: "#d5def2",
    NamespaceType.UTS: "#e6d8ee",
}

_LONGEST: Final = 48
"""How much of a name is shown."""

_NAMED: Final = 3
"""How many of several are named."""

_BREAK: Final = '<BR ALIGN="LEFT"/>'


def summary_html(inventory: Inventory) -> str:
    """Return what stands below the picture."""
    processes = _counted(len(inventory.processes()), "process", "processes")
    said = f"{_counted(len(inventory), 'namespace', 'namespaces')}, {processes}"
    places = len(inventory.unreadable)
    if places:
        what = _counted(places, "place", "places")
        said += f"; {what} could not be read, so there may be more"
    return said


def frame_html(inventory: Inventory, user: NamespaceRecord, *, seen: bool) -> str:
    """Return the heading of a user namespace."""
    said = list(_facts(user)) if seen else ["not scanned"]
    if user.owner_uid is not None:
        said.append(f"made by user {user.owner_uid}")
    title = [f"<B>{user.id}</B>"]
    if user.leader is not None:
        title.append(_html(_process(inventory, user.leader)))
    return f"{', '.join(title)}{_BREAK}{_BREAK.join(map(_html, said))}{_BREAK}"


def box_html(
    inventory: Inventory,
    records: Sequence[NamespaceRecord],
    has_arrow: Callable[[NamespaceRecord], bool],
) -> str:
    """Return the table of the namespaces of one leader."""
    rows = "".join(_row(record, has_arrow) for record in records)
    return (
        '<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="3" '
        f'COLOR="#808080"><TR><TD COLSPAN="2" ALIGN="LEFT" BALIGN="LEFT" '
        f'BGCOLOR="white">{_title(inventory, records[0].leader)}</TD></TR>'
        f"{rows}</TABLE>"
    )


def _title(inventory: Inventory, leader: int | None) -> str:
    if leader is None:
        return "<I>nobody</I>"
    title = f"<B>{_html(_process(inventory, leader))}</B>"
    process = inventory.process(leader)
    if process is None or process.container is None:
        return title
    container = process.container
    name = container.name or container.id[:12]
    return f"{title}<BR/>{_html(f'{_short(container.engine)} {_short(name)}')}"


def _row(record: NamespaceRecord, has_arrow: Callable[[NamespaceRecord], bool]) -> str:
    said = [*_facts(record)]
    if record.parent is not None and not has_arrow(record):
        said.append(f"made in {record.parent}")
    facts = _BREAK.join(map(_html, said))
    return (
        f'<TR><TD PORT="p{record.id.ino}" ALIGN="LEFT" '
        f'BGCOLOR="{_COLOURS[record.type]}">{record.id}</TD>'
        f'<TD PORT="q{record.id.ino}" ALIGN="LEFT" BALIGN="LEFT" BGCOLOR="white">'
        f"{facts}</TD></TR>"
    )


def _facts(record: NamespaceRecord) -> Iterator[str]:
    """Yield who is in a namespace, and what else keeps it, each on a line."""
    if record.processes:
        yield _counted(len(record.processes), "process", "processes")
    if record.name is not None:
        yield f"ip netns: {_short(record.name)}"
    if record.pins:
        rest = len(record.pins) - 1
        more = f" and {_counted(rest, 'place', 'places')} more" if rest else ""
        yield f"mounted on {_short(record.pins[0].path)}{more}"
    for said, ids in (
        ("threads", record.threads),
        ("for children of", record.for_children),
        ("open in", [holder.pid for holder in record.descriptors]),
        ("sockets in", [holder.pid for holder in record.sockets]),
    ):
        if ids:
            yield f"{said} {_some(ids)}"


def _process(inventory: Inventory, pid: int) -> str:
    process = inventory.process(pid)
    return f"{_short(process.name)} ({pid})" if process else f"process {pid}"


def _some(ids: Iterable[int]) -> str:
    each = list(dict.fromkeys(ids))
    rest = len(each) - _NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return ", ".join(map(str, each[:_NAMED])) + more


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _short(text: str) -> str:
    """Return a name that can be looked at, without its middle if it is long."""
    text = visible(text)
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half:]}"


def _html(text: str) -> str:
    # A backslash with a letter would be the name of the node, or other such.
    return escape(visible(text), quote=False).replace("\\", "\\\\")
