"""``pynamespaces unpin``: remove a file that keeps a namespace."""

from __future__ import annotations

from typing import Final

import click

from .. import unpin

_HELP: Final = """
Remove a file that a namespace is mounted on, as `pin` has made it.

The namespace lives on while a process, a descriptor or another pin holds it. A file
with nothing mounted on it is not touched.

\b
Privileges:
  CAP_SYS_ADMIN over the mount namespace of the caller; to remove the file.

\b
Examples:
  pynamespaces unpin /run/blue

\b
Exit status:
  0  it was removed
  1  it could not be: it is as it was
  2  the command line is wrong
"""


@click.command(help=_HELP)
@click.argument("path", type=click.Path())
def command(*, path: str) -> None:
    """Unpin a namespace."""
    unpin(path)
