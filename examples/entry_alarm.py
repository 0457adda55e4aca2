"""
Who entered my container? An alarm for when a process from outside gets in.

    python entry_alarm.py container:web
    python entry_alarm.py 1234 --allow 'runc*' --run 'logger -t alarm'

Each entry is a line: who it was, into what, and by whom it was started, as far as those
were still there to be asked. With --run it is also the last argument of a command.
Ctrl-C ends it. It needs CAP_PERFMON, which root has.

Names that --allow leaves out keep the noise down, and are no guard: a process is called
what it likes.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

from pynamespaces import ChangeEvent, LostEvent, NamespaceError, NamespaceSet, trace


def opened(target: str) -> NamespaceSet:
    """Open the namespaces of a container, or of a process."""
    kind, _, name = target.partition(":")
    if kind == "container":
        return NamespaceSet.from_container(name)
    if not target.isdecimal():
        raise ValueError(f"{target} is neither container:NAME nor the id of a process")
    return NamespaceSet.from_pid(int(target))


def ancestors(pid: int | None) -> Iterator[str]:
    """Name a process, its parent and so on, up to the first or one that has gone."""
    while pid:
        try:
            text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return
        name, _, fields = text.partition("(")[2].rpartition(")")
        # Who chooses its name could write a line of its own, if it were not quoted.
        yield f"{name!r} ({pid})"
        pid = int(fields.split()[1])


def entries(container: NamespaceSet, allowed: list[str]) -> Iterator[str]:
    """Tell who gets into a container, as it happens."""
    # As long as they are held, their numbers cannot become those of others.
    watched = {(type, member.id.ino) for type, member in container.items()}
    # Without calls it costs the machine nothing, and can be left on.
    with trace(calls=False) as events:
        print(f"watching {', '.join(container)}", file=sys.stderr, flush=True)
        for event in events:
            if isinstance(event, LostEvent):
                yield "some records were lost: somebody may have got in unseen"
            if not isinstance(event, ChangeEvent):
                continue
            into = [
                change.type
                for change in event.changes
                if change.after and (change.type, change.after.ino) in watched
            ]
            if into and not any(fnmatchcase(event.comm, name) for name in allowed):
                who = f"{event.comm!r} ({event.pid})"
                # Of a pid namespace, children are the first to be in it.
                child = "" if event.child is None else f" by its child {event.child}"
                chain = " < ".join([who, *ancestors(event.ppid)])
                yield f"{', '.join(into)} entered{child}: {chain}"


def main() -> None:
    """Watch until it is interrupted."""
    parser = argparse.ArgumentParser(description="Tell who gets into a container.")
    parser.add_argument("target", help="container:NAME, or a pid")
    parser.add_argument("--allow", metavar="NAME", action="append", default=[])
    parser.add_argument("--run", metavar="COMMAND", type=shlex.split)
    asked = parser.parse_args()
    with (
        closing(opened(asked.target)) as target,
        closing(NamespaceSet.current()) as own,
    ):
        container = target.differing(own)
        if not container:
            raise ValueError(f"{asked.target} has no namespace that is not yours")
        for entry in entries(container, asked.allow):
            print(entry, flush=True)
            if asked.run:
                subprocess.run([*asked.run, entry], check=False)


if __name__ == "__main__":
    try:
        main()
    except (NamespaceError, ValueError) as error:
        sys.exit(f"entry_alarm: nobody is watched: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
