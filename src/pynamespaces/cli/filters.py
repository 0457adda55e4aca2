"""Which namespaces ``list`` is about."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import click
from click.shell_completion import CompletionItem

from .. import NamespaceType
from .._types import override
from ..inventory import Inventory, NamespaceRecord, ProcessRecord
from .failures import Failure
from .targets import TARGET, Types, parse_pid

if TYPE_CHECKING:
    _IntBase = click.ParamType[int, "str | int"]
    _Completions: TypeAlias = list[CompletionItem[str]]
else:
    # Generic since click 8.4.
    _IntBase = click.ParamType

_ID: Final = re.compile(r"(?:user:\[)?(\d{1,20})\]?", re.ASCII)


class Filter(NamedTuple):
    """What is asked of a namespace; all of it must hold."""

    types: Types = ()
    pids: tuple[int, ...] = ()
    owner: int | None = None

    def types_to_scan(self) -> Types:
        """Return what must be looked for, to tell what the filter lets through."""
        return self.types if self.owner is None else ()

    def applied(self, inventory: Inventory) -> Inventory:
        """
        Return what the filter lets through, and the processes that it is about.

        Raises:
            Failure: There is no such process or owner.
        """
        if self == Filter():
            return inventory
        places = [_process(inventory, pid) for pid in self.pids]
        if self.owner is not None:
            _require_owner(inventory, self.owner)
        kept = [record for record in inventory if self._holds(record, places)]
        involved = {pid for record in kept for pid in _pids(record)}
        return Inventory(
            kept,
            [process for process in inventory.processes() if process.pid in involved],
            inventory.unreadable,
        )

    def _holds(self, record: NamespaceRecord, places: list[ProcessRecord]) -> bool:
        if self.types and record.type not in self.types:
            return False
        if self.owner is not None and _inode_of_owner(record) != self.owner:
            return False
        return not places or any(
            process.namespaces.get(record.type) == record.id for process in places
        )


def _inode_of_owner(record: NamespaceRecord) -> int | None:
    return None if record.owner is None else record.owner.ino


def _pids(record: NamespaceRecord) -> set[int]:
    """Return the processes that have to do with a namespace."""
    holders = [*record.descriptors, *record.sockets]
    return {*record.processes, *(holder.pid for holder in holders)}


def _process(inventory: Inventory, pid: int) -> ProcessRecord:
    found = inventory.process(pid)
    if found is None:
        raise Failure(f"no process {pid} was found")
    if not found.namespaces:
        raise Failure(
            f"the namespaces of process {pid} ({found.name}) could not be read",
            "an ordinary user sees those of its own processes; root sees all",
        )
    return found


def _require_owner(inventory: Inventory, owner: int) -> None:
    users = inventory.namespaces(NamespaceType.USER)
    known = {record.id.ino for record in users}
    if owner not in known and owner not in map(_inode_of_owner, inventory):
        raise Failure(
            f"no user namespace {owner} was found",
            "pynamespaces list --type user",
        )


class _PidParam(_IntBase):
    """The id of a process."""

    name = "pid"

    @override
    def convert(
        self,
        value: str | int,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_pid(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> _Completions:
        found = TARGET.shell_complete(ctx, param, incomplete)
        return [item for item in found if item.value.isdecimal()]


class _OwnerParam(_IntBase):
    """A user namespace, by its inode number."""

    name = "id"

    @override
    def convert(
        self,
        value: str | int,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        if isinstance(value, int):
            return value
        match = _ID.fullmatch(value)
        if match is None:
            self.fail(
                f"{value!r} is no user namespace: write 4026531837 or "
                "user:[4026531837]",
                param,
                ctx,
            )
        return int(match[1])

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> _Completions:
        """Complete those that processes of the caller are in: that takes no time."""
        del ctx, param
        found = set()
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            try:
                match = _ID.fullmatch(os.readlink(f"/proc/{pid}/ns/user"))
            except OSError:
                continue
            if match is not None and match[1].startswith(incomplete):
                found.add(match[1])
        return [CompletionItem(ino) for ino in sorted(found)]


PID: Final = _PidParam()
OWNER: Final = _OwnerParam()
