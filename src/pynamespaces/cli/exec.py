"""``pynamespaces exec``: a program in the namespaces of a target."""

from __future__ import annotations

from typing import Final

import click

from .. import MountNamespace, NamespaceSet, NamespaceType
from .failures import Failure
from .opening import opened
from .programs import (
    STATUSES,
    TERMINAL,
    ProgramCommand,
    Surroundings,
    finish,
    surroundings_options,
)
from .targets import TARGET, Target, Types, types_option

_HELP: Final = f"""
Start a program in the namespaces of a target.

It is in those namespaces of TARGET that differ from the caller's, or in those of the
types given; if none differs, it is not started. Without CMD, it is your shell ($SHELL,
or /bin/sh where that is not there).

In another mount namespace CMD starts in its root directory, and it is looked for
inside, in the PATH of this command; the environment stays as it is. In another user
namespace that maps 0, CMD is root there. In either, and with --pty, it has only the
descriptors 0, 1 and 2, unless --keep-fds says otherwise: an open directory of the host
would be a way out of a container.

\b
Privileges:
  CAP_SYS_ADMIN in the user namespace that owns each of them. Who has made
  that user namespace has it there, by entering it too.
{TERMINAL}{STATUSES}
\b
Examples:
  pynamespaces exec 1234
  pynamespaces exec 1234 --type net -- ip address
  pynamespaces exec netns:blue -- ping -c 1 192.0.2.1
  pynamespaces exec container:web --user nobody --cwd /tmp -- sh -c 'id; pwd'
  pynamespaces exec /run/netns/blue -- ss -tln
"""

_NOTHING: Final = "there is nothing to enter: start the program without this command"


@click.command(cls=ProgramCommand, help=_HELP)
@click.argument("target", type=TARGET)
@types_option(
    *("-t", "--type", "types"), help="Only these types: a,b,c, or the option repeated."
)
@surroundings_options
def command(
    *,
    target: Target,
    types: Types,
    user: str | None,
    group: str | None,
    cwd: str | None,
    pty: bool,
    keep_fds: bool,
    words: tuple[str, ...],
) -> int:
    """Start it and wait for it."""
    with opened(target, types) as namespaces:
        if all(member._is_where_children_are() for member in namespaces.values()):
            named = f" ({', '.join(types)})" if types else ""
            raise Failure(f"{target}{named} is where you are", _NOTHING)
        surroundings = Surroundings(user, group, cwd, pty, keep_fds)
        return finish(
            words,
            surroundings,
            _other_mnt(namespaces),
            join=namespaces,
            close_fds=_is_foreign(namespaces),
        )


def _other_mnt(namespaces: NamespaceSet) -> MountNamespace | None:
    found = namespaces.get("mnt")
    if isinstance(found, MountNamespace) and not found.is_current():
        return found
    return None


def _is_foreign(namespaces: NamespaceSet) -> bool:
    """Return whether who is in there may be somebody else, or see other files."""
    return any(
        not namespace.is_current()
        for type, namespace in namespaces.items()
        if type in (NamespaceType.MNT, NamespaceType.USER)
    )
