"""``pynamespaces pin``: keep a namespace alive by a file."""

from __future__ import annotations

from typing import Final

import click

from .opening import opened
from .targets import TARGET, TYPES, Target, Types

_HELP: Final = """
Keep a namespace alive by a file: the namespace is mounted on it.

PATH must not exist, and its directory must. The namespace then needs no process;
PATH is a TARGET of the other commands, and `unpin` removes it. The mount is made in the
mount namespace of this command. A mount namespace can be pinned only from an older one,
and on a private mount.

\b
Privileges:
  CAP_SYS_ADMIN over the mount namespace of the caller: root, also root of a
  user namespace with a mount namespace of its own; and to enter TARGET's.

\b
Examples:
  pynamespaces pin 1234 net /run/blue
  pynamespaces pin container:3f4a8c21d7e6 uts /run/its-uts
  pynamespaces exec /run/blue -- ip address

\b
Exit status:
  0  it is pinned
  1  it could not be: no file is left
  2  the command line is wrong
"""


@click.command(help=_HELP)
@click.argument("target", type=TARGET)
@click.argument("type_", type=TYPES, metavar="TYPE")
@click.argument("path", type=click.Path())
def command(*, target: Target, type_: Types, path: str) -> None:
    """Pin a namespace."""
    if len(type_) != 1:
        raise click.UsageError("a file can keep one namespace: name one type")
    (wanted,) = type_
    with opened(target, type_) as found:
        found[wanted].pin(path)
