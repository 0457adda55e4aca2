"""``pynamespaces trace``: who makes and enters namespaces, as it happens."""

from __future__ import annotations

from typing import Final, get_args

import click

from ..tracing import Backend, Syscall
from .durations import seconds
from .entering import places_of
from .filters import PID
from .following import Limits, Wish, follow
from .programs import STATUSES, ProgramCommand
from .reporting import FORMATS, Form, reporting
from .targets import TARGET, Target, Types, types_option

_HELP: Final = f"""
Watch who makes and enters namespaces, as it happens.

Each call of setns, unshare, clone and clone3 that is about namespaces is a line: who
has called, with which arguments, what came of it, and which namespaces are others now.
That is of the whole machine; of one process and all that it starts (--pid); or of a
program that is started for it (CMD) and all that this starts.

On a terminal it is a table. Elsewhere, or with --json, each line is an object of JSON.
How it is watched, and how many calls were lost because nobody read fast enough, is said
on standard error. All filters given must hold.

\b
Backends, for --backend:
  perf      the kernel's own records: what it says, is what happened
  notify    CMD only: each call waits until it was looked at
  perf-own  calls of processes of your own; what has changed is looked up
  auto      the first of these that may do it; which it is, is said

\b
Privileges:
  perf needs CAP_PERFMON, which root has, and so does the whole machine.
  notify needs none. CMD can then gain no privileges: programs such as sudo
  and newuidmap have no effect in it, unless the caller has CAP_SYS_ADMIN.
  perf-own needs kernel.perf_event_paranoid (sysctl) at 2 or below.
{STATUSES.rstrip()}
  0    of the whole machine, or of a process that ended; or --count or
       --duration was reached, and then CMD has been ended
  130  it was interrupted by Ctrl-C

\b
Examples:
  pynamespaces trace
  pynamespaces trace --into container:web
  pynamespaces trace --type net --changes
  pynamespaces trace --pid 1234 --json
  pynamespaces trace -- unshare --user --net true
  pynamespaces trace --output events.json -- make check
  pynamespaces trace --deny net,user -- ./untrusted
"""

_FOREVER: Final = 86400 * 365


@click.command(cls=ProgramCommand, help=_HELP)
@click.option("-p", "--pid", type=PID, help="This process, and all that it starts.")
@types_option("-t", "--type", "types", help="Only these types: a,b,c; repeatable.")
@click.option(
    *("-s", "--syscall", "syscalls"),
    type=click.Choice(get_args(Syscall)),
    multiple=True,
    help="Only this system call; repeatable.",
)
@click.option(
    "--into",
    type=TARGET,
    metavar="TARGET",
    help="Only who gets into its namespaces; those that you are in do not count.",
)
@click.option(
    "--changes", "changed_only", is_flag=True, help="Only what has changed something."
)
@click.option(
    "--failed/--no-failed", default=True, help="Whether to show calls that fail."
)
@click.option(
    "--calls/--no-calls",
    default=True,
    help="Watch changes only: no call costs more than before, unless it is one.",
)
@click.option(
    "--backend",
    type=click.Choice(get_args(Backend)),
    default="auto",
    help="How it is watched.",
)
@types_option(
    "--deny",
    help="Let CMD make and enter none of these types; a guard rail, by notify.",
)
@click.option(
    *("-c", "--count"), type=click.IntRange(1), help="End after so many events."
)
@click.option(
    *("-d", "--duration"),
    type=click.FloatRange(0, _FOREVER, min_open=True),
    callback=seconds,
    metavar="SECONDS",
    help="End after so many seconds.",
)
@click.option(
    *("-f", "--format", "form"),
    type=click.Choice(FORMATS),
    help="A table, lines of JSON, or these as Tracee has them.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    *("-o", "--output", "file"),
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write there; standard output is left to CMD.",
)
def command(
    *,
    pid: int | None,
    types: Types,
    syscalls: tuple[Syscall, ...],
    into: Target | None,
    changed_only: bool,
    failed: bool,
    calls: bool,
    backend: Backend,
    deny: Types,
    count: int | None,
    duration: float | None,
    form: Form | None,
    as_json: bool,
    file: str | None,
    words: tuple[str, ...],
) -> int:
    """Watch until it is over."""
    if as_json and form not in (None, "json"):
        raise click.UsageError("--json and --format exclude each other")
    if pid is not None and words:
        raise click.UsageError("--pid and CMD exclude each other")
    wish = Wish(
        pid=pid,
        command=words or None,
        backend=backend,
        calls=calls,
        types=types or None,
        syscalls=syscalls or None,
        changed_only=changed_only,
        failed=failed,
    )
    if deny:
        _require_denial_is_possible(wish)
    with (
        places_of(into, types) as places,
        reporting("json" if as_json else form, file) as report,
    ):
        return follow(wish, deny, Limits(count, duration, places), report)


def _require_denial_is_possible(wish: Wish) -> None:
    """Refuse what contradicts itself."""
    if wish.command is None:
        raise click.UsageError("--deny is for a CMD, which it starts: write -- CMD")
    if wish.backend not in ("auto", "notify"):
        raise click.UsageError(f"--deny is not for --backend {wish.backend}")
    if not wish.calls:
        raise click.UsageError("--deny is not for --no-calls")
