"""``pynamespaces run``: a program in fresh namespaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from .. import IdMap, NamespaceType
from .programs import (
    STATUSES,
    TERMINAL,
    ProgramCommand,
    Surroundings,
    finish,
    surroundings_options,
)
from .targets import Types, types_option

_HELP: Final = f"""
Start a program in fresh namespaces.

Without CMD, it is your shell ($SHELL, or /bin/sh where that is not there).

Of a fresh net namespace, lo is up. In a fresh pid namespace CMD has an init above it,
which reaps, and ends with CMD as does all that CMD has started; where mnt is fresh
too, /proc is that of the namespace. Of a fresh mnt namespace, no mounts reach others.

CMD has the descriptors that this command was given; with --pty only 0, 1 and 2, unless
--keep-fds says otherwise.

\b
Users of a fresh user namespace, by --map:
  root     you are root in there, and there is nobody else (the default)
  current  you keep your uid and gid
  subids   you are root, and 1 and up are your subordinate ids (subuid(5))

\b
Privileges:
  None where user is among the types; else CAP_SYS_ADMIN.
{TERMINAL}{STATUSES}
\b
Examples:
  pynamespaces run --new user,pid,mnt -- bash
  pynamespaces run --new net --map root -- ip address
  pynamespaces run --new user,net,uts --hostname lab
  pynamespaces run --map subids --new mnt,pid --user 1000 --group 1000 -- id
"""

_MAPS: Final[dict[str, Callable[[], IdMap]]] = {
    "root": IdMap.root,
    "current": IdMap.current,
    "subids": IdMap.subids,
}


@click.command(cls=ProgramCommand, help=_HELP)
@types_option(
    *("-n", "--new", "types"), help="Fresh ones: a,b,c, or the option repeated."
)
@click.option(
    *("-m", "--map", "map_name"),
    type=click.Choice([*_MAPS]),
    help="Who is who in a fresh user namespace, which it makes if --new does not.",
)
@click.option(
    "--hostname",
    metavar="NAME",
    help="Of a fresh uts namespace, which it makes if --new does not.",
)
@click.option(
    "--init/--no-init",
    default=None,
    help="Of a fresh pid namespace: have an init above CMD, which else is pid 1.",
)
@click.option(
    "--mount-proc/--no-mount-proc",
    default=True,
    help="Where pid and mnt are fresh: mount the /proc of that pid namespace.",
)
@click.option(
    "--loopback/--no-loopback",
    default=True,
    help="Of a fresh net namespace: bring lo up.",
)
@surroundings_options
def command(
    *,
    types: Types,
    map_name: str | None,
    hostname: str | None,
    init: bool | None,
    mount_proc: bool,
    loopback: bool,
    user: str | None,
    group: str | None,
    cwd: str | None,
    pty: bool,
    keep_fds: bool,
    words: tuple[str, ...],
) -> int:
    """Start it and wait for it."""
    wanted = {*types}
    if map_name is not None:
        wanted.add(NamespaceType.USER)
    if hostname is not None:
        wanted.add(NamespaceType.UTS)
    if not wanted:
        raise click.UsageError("which are to be fresh? Say --new net,mnt,...")
    map = None if map_name is None else _MAPS[map_name]()
    return finish(
        words,
        Surroundings(user, group, cwd, pty, keep_fds),
        None,
        new=sorted(wanted),
        uid_map=map,
        gid_map=map,
        hostname=hostname,
        init=init,
        mount_proc=mount_proc,
        loopback=loopback,
    )
