"""The columns of ``list``: what they are called, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import click
from click.shell_completion import CompletionItem

from .._types import NamespaceId, override
from ..inventory import Inventory, NamespaceRecord, ProcessRecord
from .output import Column
from .people import command_line, container_name, user_name, why_alive

if TYPE_CHECKING:
    _ColumnsBase = click.ParamType["Names", "str | Names"]
    _Completions: TypeAlias = list[CompletionItem[str]]
else:
    # Generic since click 8.4.
    _ColumnsBase = click.ParamType

Names: TypeAlias = tuple[str, ...]


class Row(NamedTuple):
    """A namespace, where it was found, and the process that leads it."""

    record: NamespaceRecord
    inventory: Inventory
    leader: ProcessRecord | None


_Value: TypeAlias = str | int | None


class _Kind(NamedTuple):
    """One column that may be chosen."""

    help: str
    value: Callable[[Row], _Value]
    style: str = ""
    numeric: bool = False
    may_be_cut: bool = False


def rows_of(inventory: Inventory) -> list[Row]:
    """Return a row for each namespace."""
    return [
        Row(
            record,
            inventory,
            None if record.leader is None else inventory.process(record.leader),
        )
        for record in inventory
    ]


def cells(names: Names, rows: Iterable[Row]) -> list[list[str]]:
    """Return the text in each column of each row; empty where there is nothing."""
    chosen = [_KINDS[name].value for name in names]
    return [[_text(value(row)) for value in chosen] for row in rows]


def heads(names: Names) -> list[Column]:
    """Return the heads of columns."""
    kinds = [(name.upper(), _KINDS[name]) for name in names]
    return [
        Column(title, kind.style, kind.numeric, kind.may_be_cut)
        for title, kind in kinds
    ]


def _text(value: _Value) -> str:
    return "" if value is None else str(value)


def _inode(id: NamespaceId | None) -> int | None:
    return None if id is None else id.ino


def _led(value: Callable[[ProcessRecord], _Value]) -> Callable[[Row], _Value]:
    """Ask the leader, if there is one."""
    return lambda row: None if row.leader is None else value(row.leader)


def _command(row: Row) -> _Value:
    if row.leader is not None:
        return command_line(row.leader)
    alive = row.record.processes
    return None if alive else why_alive(row.record, row.inventory)


def _container(row: Row) -> _Value:
    found = None if row.leader is None else row.leader.container
    return None if found is None else container_name(found)


def _name(row: Row) -> _Value:
    return row.record.name or _container(row)


def _maker(row: Row) -> _Value:
    uid = row.record.owner_uid
    return None if uid is None else user_name(uid)


def _pins(row: Row) -> _Value:
    return ",".join(pin.path for pin in row.record.pins)


def _path(row: Row) -> _Value:
    """Return a path that opens it."""
    record = row.record
    if record.leader is not None:
        return f"/proc/{record.leader}/ns/{record.type}"
    for tid in record.threads:
        return f"/proc/{tid}/ns/{record.type}"
    for holder in record.descriptors:
        return f"/proc/{holder.pid}/fd/{holder.fd}"
    return record.pins[0].path if record.pins else None


def _number(help: str, value: Callable[[Row], _Value]) -> _Kind:
    return _Kind(help, value, numeric=True)


def _long(help: str, value: Callable[[Row], _Value], style: str = "") -> _Kind:
    return _Kind(help, value, style, may_be_cut=True)


_KINDS: Final = {
    "ns": _Kind("inode number", lambda row: row.record.id.ino, style="cyan"),
    "type": _Kind("type", lambda row: row.record.type, style="green"),
    "procs": _number("processes in it", lambda row: len(row.record.processes)),
    "pid": _number("its leader: the oldest of them", lambda row: row.record.leader),
    "user": _Kind("the leader's user", _led(lambda leader: user_name(leader.uid))),
    "name": _long("of ip netns, or the container", _name, "magenta"),
    "command": _long("the leader's, or what else keeps it alive", _command),
    "owner": _Kind("the user namespace that owns it", lambda r: _inode(r.record.owner)),
    "parent": _Kind("what it was made in", lambda row: _inode(row.record.parent)),
    "maker": _Kind("who made it, or the one that owns it", _maker),
    "path": _long("a path that opens it", _path),
    "pins": _long("where it is mounted", _pins),
    "ppid": _number("the leader's parent", _led(lambda leader: leader.ppid)),
    "uid": _number("the leader's user, as a number", _led(lambda leader: leader.uid)),
    "threads": _number("threads without process", lambda r: len(r.record.threads)),
    "fds": _number("descriptors of it", lambda row: len(row.record.descriptors)),
    "sockets": _number("its sockets outside", lambda row: len(row.record.sockets)),
    "container": _long("the leader's container", _container),
    "unique": _number("an id never given twice", lambda row: row.record.id.unique),
}

DEFAULT: Final[Names] = ("ns", "type", "procs", "pid", "user", "name", "command")

HELP: Final = "\n".join(f"  {name:<10} {kind.help}" for name, kind in _KINDS.items())
"""What is in each column, for the help."""


class _ColumnsParam(_ColumnsBase):
    """Columns, separated by commas."""

    name = "columns"

    @override
    def convert(
        self,
        value: str | Names,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Names:
        if not isinstance(value, str):
            return value
        names = tuple(word.strip().lower() for word in value.split(","))
        for name in names:
            if name not in _KINDS:
                known = ", ".join(_KINDS)
                self.fail(f"{name!r} is no column: they are {known}", param, ctx)
        return names

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> _Completions:
        del ctx, param
        before, comma, word = incomplete.rpartition(",")
        return [
            CompletionItem(before + comma + name, help=kind.help)
            for name, kind in _KINDS.items()
            if name.startswith(word.lower()) and name not in before.split(",")
        ]


COLUMNS: Final = _ColumnsParam()
"""The type of a list of columns."""
