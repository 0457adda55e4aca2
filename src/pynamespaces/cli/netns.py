"""``pynamespaces netns``: network namespaces with names, as ``ip netns`` has them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final, TypeAlias

import click
from click.shell_completion import CompletionItem

from .. import NetNamespace
from .._core import registry
from .._types import override
from ..errors import SystemCallError
from . import output
from .output import Column
from .targets import is_plain

if TYPE_CHECKING:
    _NameBase = click.ParamType[str, str]
    _Completions: TypeAlias = list[CompletionItem[str]]
else:
    # Generic since click 8.4.
    _NameBase = click.ParamType

_HELP: Final = """
List, create and delete network namespaces with names.

The names are those of `ip netns`: files in /run/netns, of the mount namespace that the
caller is in. Other commands take netns:NAME for one.

\b
Examples:
  pynamespaces netns create blue
  pynamespaces exec netns:blue -- ip address
  pynamespaces netns delete blue
"""

_LIST: Final = """
List the names, and which namespace each stands for.

STATE is "ok", or why it cannot be told: the name may be stale, its namespace not
having survived.

\b
Privileges:
  None for the names; without root the kernel may not say what they stand for.

\b
Examples:
  pynamespaces netns list
  pynamespaces netns list --json

\b
Exit status:
  0  they were listed, also if there are none
  1  they could not be read
"""

_CREATE: Final = """
Create a network namespace with a name.

It has a loopback interface, which is down unless --loopback is given, and nothing
else.

\b
Privileges:
  Root, also root of a user namespace that has its own mounts and can write
  to /run/netns.

\b
Examples:
  pynamespaces netns create blue
  pynamespaces netns create blue --loopback

\b
Exit status:
  0  it was created
  1  it could not be: no name is left
  2  the command line is wrong
"""

_DELETE: Final = """
Remove a name, also one that is stale.

The namespace lives on while a process, a socket or a descriptor holds it.

\b
Privileges:
  Those that creating it took.

\b
Examples:
  pynamespaces netns delete blue

\b
Exit status:
  0  the name was removed
  1  it could not be
  2  the command line is wrong
"""


class _NameParam(_NameBase):
    """A name of a network namespace."""

    name = "name"

    @override
    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        try:
            registry.path_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> _Completions:
        del ctx, param
        names = filter(is_plain, registry.names())
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


_NAME: Final = _NameParam()


@click.group(help=_HELP, no_args_is_help=False)
def command() -> None:
    """Hold what is done with names."""


@command.command("list", help=_LIST, short_help="List the names.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_names(*, as_json: bool) -> None:
    """List the names."""
    found = [(name, *_state(name)) for name in NetNamespace.names()]
    if as_json:
        rows = [{"name": name, "ns": ino, "error": why} for name, ino, why in found]
        output.print_json({"names": rows})
        return
    heads = [
        Column("NAME", style="magenta"),
        Column("NS", style="cyan"),
        Column("STATE", may_be_cut=True),
    ]
    table = [[name, str(ino or ""), why or "ok"] for name, ino, why in found]
    if table:
        output.print_table(heads, table)


def _state(name: str) -> tuple[int | None, str | None]:
    """Return the inode of what a name stands for, or why it cannot be told."""
    try:
        with closing(NetNamespace.from_name(name)) as namespace:
            return namespace.id.ino, None
    except SystemCallError as error:
        return None, error.reason or error.strerror


@command.command("create", help=_CREATE, short_help="Create one with a name.")
@click.argument("name", type=_NAME)
@click.option("--loopback", is_flag=True, help="Bring lo up.")
def create(*, name: str, loopback: bool) -> None:
    """Create one."""
    NetNamespace.create(name, loopback=loopback).close()


@command.command("delete", help=_DELETE, short_help="Remove a name.")
@click.argument("name", type=_NAME)
def delete(*, name: str) -> None:
    """Remove a name."""
    NetNamespace.delete(name)
