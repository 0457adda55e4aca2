"""
The command line; it knows all other parts, and none knows it.

Each command is a module of its name, which is imported when that command is run.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from .. import __version__
from .._types import override
from . import failures

_HELP: Final = """
Find, show, keep, enter and create Linux namespaces.

A TARGET is a pid, the path of a namespace file (/proc/1234/ns/net, /run/netns/blue),
netns:NAME for a name of `ip netns`, or container:ID for the id or name of a container.
A TYPE is one of cgroup, ipc, mnt, net, pid, time, user, uts; several are written a,b,c.

What prints can print JSON (--json). Colours, and lines that are cut to fit, are for
terminals only; NO_COLOR turns colours off. Control characters in names are printed as
escapes, such as \\x1b.

\b
Privileges:
  Each command does what the caller may, and says what that leaves out.
  Root sees all. `pynamespaces doctor` says what this caller can do here.

\b
Examples:
  pynamespaces list --type net,user
  pynamespaces tree process
  pynamespaces show 1234

\b
Exit status:
  0    it was done
  1    it could not be done: one line on standard error says why
  2    the command line is wrong
  130  it was interrupted by Ctrl-C
  141  standard output was closed, as by `| head`
  exec, run and trace have that of the program: 128 + n if signal n killed it

\b
Completion of commands, options, types, columns, pids and names:
  bash, in ~/.bashrc:
    eval "$(_PYNAMESPACES_COMPLETE=bash_source pynamespaces)"
  zsh, in ~/.zshrc:
    eval "$(_PYNAMESPACES_COMPLETE=zsh_source pynamespaces)"
  fish, in ~/.config/fish/completions/pynamespaces.fish:
    _PYNAMESPACES_COMPLETE=fish_source pynamespaces | source
"""

_COMMANDS: Final = {
    "list": "List the namespaces of this machine.",
    "tree": "Show hierarchies: of users, of pids, of processes.",
    "show": "Show all about one process, namespace or container.",
    "exec": "Start a program in the namespaces of a target.",
    "run": "Start a program in fresh namespaces.",
    "pin": "Keep a namespace alive by a file.",
    "unpin": "Remove the file that keeps a namespace.",
    "netns": "List, create and delete network namespaces with names.",
    "trace": "Watch who makes and enters namespaces, as it happens.",
    "doctor": "Say what this caller can do here, and why not more.",
    "demo": "Enter the namespaces of a process and come back.",
}
"""The commands, in the order of the help; each is ``command`` in its module."""


class _Group(click.Group):
    """Commands that are not imported before they are used."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        # Not list(...): that is a module here, once the command has been imported.
        return [*_COMMANDS]

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        found: object = import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found

    @override
    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*_COMMANDS.items()])


@click.group(
    cls=_Group,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    no_args_is_help=False,
)
@click.version_option(__version__)
@click.pass_context
def group(context: click.Context) -> None:
    """Show the help, if there is no command."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


def command(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line; a failure is one line, with a hint if there is one.

    Args:
        arguments: What follows the program's name; that of this process if not given.
    """
    return failures.told(
        lambda: group.main(arguments, "pynamespaces", standalone_mode=False)
    )
