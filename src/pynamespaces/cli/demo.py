"""``pynamespaces demo``: the main job, on a target that it starts itself."""

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import click

from .. import Namespace, NamespaceSet, errors, unshare, unshared
from .._core import interpreters, maps
from . import demo_target, output
from .demo_target import TYPES

_HELP: Final = """
Enter the namespaces of a process and come back, and show it.

It starts a process in fresh namespaces, looks where it is itself, enters them, looks
again, and comes back. The last line says how long one way there and back takes.

\b
Privileges:
  Those to make namespaces: root's, or a user namespace, which it makes for
  itself where that is allowed.

\b
Examples:
  pynamespaces demo

\b
Exit status:
  0  it came back to where it was
  1  it could not be shown
"""

_TARGET: Final = (
    # It would look for modules in the working directory, which may be anybody's.
    "import sys; sys.path[:] = sys.argv[1:]; "
    f"from {demo_target.__name__} import main; main()"
)
_SAMPLES: Final = 50
_ROUNDS: Final = 100


class View(NamedTuple):
    """What the calling thread sees of the namespaces where it is."""

    identities: dict[str, str]
    hostname: str
    interfaces: str


def _look() -> View:
    here = NamespaceSet.current(*TYPES)
    identities = {str(type): str(ns.id) for type, ns in here.items()}
    here.close()
    names = ",".join(sorted(name for _, name in socket.if_nameindex()))
    return View(identities, socket.gethostname(), names)


def _gain_power() -> str:
    """Make sure that namespaces can be entered and left; say how that was had."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        with unshared(*TYPES):
            return "as root"
    except errors.IrreversibleError:
        # Root of a user namespace, but not of those where it is.
        unshare(*TYPES)
        return "as root of a user namespace"
    except errors.NamespacePermissionError:
        unshare("user", *TYPES)
        maps.become_root(uid, gid)
        return "as an ordinary user, in a user namespace of its own"


@contextmanager
def _target() -> Iterator[int]:
    """Run the target, and give its pid."""
    words = interpreters.command(_TARGET, *sys.path)
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise click.ClickException("the target did not start")
        yield process.pid


def _round_trip(namespace: Namespace) -> float:
    """Return the median time of entering and leaving, in microseconds."""
    samples = []
    for _ in range(_SAMPLES):
        start = time.perf_counter()
        for _ in range(_ROUNDS):
            with namespace:
                pass
        samples.append((time.perf_counter() - start) / _ROUNDS * 1e6)
    return statistics.median(samples)


def _print_views(views: Sequence[View]) -> None:
    """Print what was seen before, inside and after."""
    titles = ("WHAT", "BEFORE", "INSIDE", "AFTER")
    rows = [[str(type), *(view.identities[type] for view in views)] for type in TYPES]
    rows.append(["hostname", *(view.hostname for view in views)])
    rows.append(["interfaces", *(view.interfaces for view in views)])
    output.print_table([output.Column(title) for title in titles], rows)


def _say(*lines: str) -> None:
    output.print_lines([[(line, "")] for line in lines])


@click.command(help=_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print what was seen as JSON.")
def command(*, as_json: bool) -> None:
    """Enter the namespaces of a process and come back, and show it."""
    try:
        how = _gain_power()
    except (errors.SystemCallError, OSError) as error:
        message = f"no namespaces can be made here: {error}"
        raise click.ClickException(message) from error

    with _target() as pid:
        others = NamespaceSet.from_pid(pid, *TYPES)
        if not as_json:
            _say(f"pid {pid} is in namespaces of its own; entering them {how}:", "")
        before = _look()
        with others:
            inside = _look()
        after = _look()
        microseconds = _round_trip(others["net"])
        wanted = {str(type): str(ns.id) for type, ns in others.items()}
        others.close()

    if as_json:
        seen = {"before": before, "inside": inside, "after": after}
        plain = {when: view._asdict() for when, view in seen.items()}
        output.print_json({**plain, "round_trip_us": microseconds})
    else:
        _print_views([before, inside, after])
        _say("", f"A round trip (`with net_ns: pass`): {microseconds:.1f} us")
    if inside.identities != wanted or after != before:
        raise click.ClickException("the thread was not where it should have been")
