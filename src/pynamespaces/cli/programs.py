"""What commands that start programs share: their lines, their users, their ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import click

from .. import MountNamespace
from .._types import override
from ..errors import SpawnError
from ..process import Popen
from . import foreground, relay, users
from .failures import Failure, message_of

if TYPE_CHECKING:
    from click.decorators import FC
    from typing_extensions import Unpack

    from ..process._options import Options
else:
    FC = TypeVar("FC")

_MARK: Final = "--"
_SH: Final = "/bin/sh"

STATUSES: Final = """
\b
Exit status:
  That of CMD; 128 + n if signal n killed it; or
  1    CMD was not started: one line on standard error says why
  2    the command line is wrong
  126  CMD is there, but cannot be executed
  127  there is no CMD
"""

TERMINAL: Final = """
\b
Terminal:
  CMD has yours, in the session and the process group of this command, so
  that Ctrl-C, Ctrl-Z, fg, bg and a new size reach it. Signals that are sent
  to this command are sent on to it; when this command is killed, so is CMD.
  A program on your terminal can put input there, for your shell to read
  (ioctl TIOCSTI). Where it is not to be trusted, give it a terminal of its
  own with --pty, or set dev.tty.legacy_tiocsti to 0 (sysctl, Linux 6.2).
"""


class _NotFound(Failure):
    exit_code = 127


class _NotExecutable(Failure):
    exit_code = 126


class ProgramCommand(click.Command):
    """A command whose line goes on after ``--`` with that of a program."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read our options, and leave those of the program alone."""
        is_marked = _MARK in args
        mark = args.index(_MARK) if is_marked else len(args)
        words = args[mark + 1 :]
        try:
            rest = super().parse_args(ctx, args[:mark])
        except click.BadParameter:
            raise
        except click.UsageError as error:
            # Among our words, those of the program could be taken for our options.
            if is_marked:
                raise
            message = f"{error.format_message()} (write -- before the program)"
            raise click.UsageError(message, error.ctx) from None
        ctx.params["words"] = tuple(words)
        return rest

    @override
    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Add the program to the usage."""
        return [*super().collect_usage_pieces(ctx), "[-- CMD [ARG]...]"]


class Surroundings(NamedTuple):
    """As whom, where and on which terminal a program runs; as it was asked for."""

    user: str | None
    group: str | None
    cwd: str | None
    pty: bool
    keep_fds: bool


def surroundings_options(command: FC) -> FC:
    """Add the options that become `Surroundings`; the command gets each by its name."""
    for option in (
        click.option(
            "--keep-fds",
            is_flag=True,
            help="Leave CMD the descriptors above 2 that this command was given.",
        ),
        click.option("--pty", is_flag=True, help="Give CMD a terminal of its own."),
        click.option(
            *("-C", "--cwd"), metavar="DIR", help="Start CMD in this directory, inside."
        ),
        click.option("-g", "--group", metavar="GROUP", help="A name inside, or a gid."),
        click.option(
            *("-u", "--user"),
            metavar="USER",
            help="Run CMD as this user: a name inside, or a uid; without --group, "
            "with the user's own group, and always without any other groups.",
        ),
    ):
        command = option(command)
    return command


def finish(
    words: Sequence[str],
    surroundings: Surroundings,
    mnt: MountNamespace | None,
    **options: Unpack[Options],
) -> int:
    """
    Start a program, or a shell, and wait for it; return the exit status of all.

    Args:
        words: The program and its arguments; none for the user's shell.

        surroundings: As whom, where and on which terminal it runs.

        mnt: Whose files tell users and groups, if not the caller's.

        options: In which namespaces, and whether descriptors are closed: as of
            `Popen`.

    Raises:
        Failure: It has not begun.
    """
    # What the caller has opened for it, as "<(...)" does, stays open where it is
    # trusted. Elsewhere a directory of the host would be a way out to that.
    is_trusted = not (surroundings.pty or options.get("close_fds", False))
    options["close_fds"] = not (is_trusted or surroundings.keep_fds)
    options["die_with_parent"] = True
    options["cwd"] = surroundings.cwd
    if surroundings.user is not None or surroundings.group is not None:
        found = users.find(surroundings.user, surroundings.group, mnt)
        options["user"], options["group"] = found
        if os.getgroups():
            options["extra_groups"] = []

    def work(stop: Callable[[], None]) -> int:
        try:
            return foreground.finish(lambda: _started(words, options), stop)
        except SpawnError as error:
            raise not_started(error) from None
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    return relay.finish(work) if surroundings.pty else work(foreground.stop)


def _started(words: Sequence[str], options: Options) -> Popen[bytes]:
    if words:
        return Popen(words, **options)
    try:
        return Popen([os.environ.get("SHELL") or _SH], **options)
    except SpawnError as error:
        if error.step != "execve" or error.errno != errno.ENOENT:
            raise
        return Popen([_SH], **options)


def not_started(error: OSError) -> Failure:
    """Return the failure, with the exit status that shells have for it."""
    message, hint = message_of(error), None
    if isinstance(error, SpawnError):
        hint = error.hint
        if error.syscall != "execve":
            return Failure(message, hint)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        is_path = "/" in str(error.filename)
        where = "it is looked for inside, in the PATH of this command"
        return _NotFound(message, None if is_path else where)
    return _NotExecutable(message, hint)
