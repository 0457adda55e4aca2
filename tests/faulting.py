"""
Each system call of an operation fails once: ``python tests/faulting.py "with net"``.

The list of what can fail is made by doing the operation and counting.
"""

import argparse
import errno
import importlib
import json
import pkgutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from errnos import EXPLAINED
from injecting import Fault, Run, Switch, faults_of, run_failing
from operations import OPERATIONS, Attempt, Outcome
from support import TIER

import pynamespaces
from pynamespaces import Namespace

# Which enter themselves in the table of operations.
_PARTS = ("entering", "making", "looking", "starting", "tracing", "lowlevel")
_IMPORTED_BY_OTHERS = (
    *("encodings.ascii", "encodings.idna", "getpass", "multiprocessing", "asyncio"),
)
_NOT_IMPORTED = (
    "pynamespaces.cli",
    "pynamespaces.pytest_plugin",
    "pynamespaces.process._options",  # It is for type checkers.
)


MOST: Final = 3
"""Of how many calls of a kind each is made to fail: the first, and some others."""


SLOW: Final = {"support": 6}
"""Of a few, one in so many."""


class Tried(NamedTuple):
    """One case: what failed, and what came of it."""

    fault: Fault
    outcome: Outcome


def known() -> list[str]:
    """Return the names of all operations."""
    for part in _PARTS:
        importlib.import_module(f"operations_{part}")
    return list(OPERATIONS)


def _import_all() -> None:
    """Import what is imported later, so that no import is made to fail."""
    for found in pkgutil.walk_packages(pynamespaces.__path__, "pynamespaces."):
        if not found.name.startswith(_NOT_IMPORTED):
            importlib.import_module(found.name)
    for name in _IMPORTED_BY_OTHERS:
        importlib.import_module(name)
    for name in pynamespaces.__all__:
        getattr(pynamespaces, name)


def _once(
    body: Callable[[Attempt], None], fault: Fault | None, place: Path
) -> Callable[[Switch], Outcome]:
    def run(switch: Switch) -> Outcome:
        # The library keeps a pidfd of each thread, from its first use on.
        Namespace.current("net").close()
        attempt = Attempt(switch, place, fault)
        before = attempt.state()
        body(attempt)
        attempt.close()
        if attempt.is_elsewhere:
            before = attempt.without_place(before)
        attempt.compare(before)
        return attempt.outcome()

    return run


def _run(name: str, fault: Fault | None) -> Run:
    with tempfile.TemporaryDirectory() as place:
        return run_failing(_once(OPERATIONS[name].body, fault, Path(place)), fault)


def _judged(run: Run, fault: Fault | None) -> Outcome:
    """Make an outcome of a process, also of one that gave none."""
    answer, wrong = run.answer, []
    if run.status is None:
        return Outcome("hung", None, "", ("it did not end",))
    if run.status != 0 or answer is None:
        return Outcome("died", None, "", (f"it died: {run.status}",))
    if not isinstance(answer, Outcome):
        return Outcome("broken", None, "", (f"it did not work: {answer!r}",))
    if run.left:
        wrong.append("a process was left")
    if fault is not None and not run.was_hit:
        answer = answer._replace(kind="not reached")
    return answer._replace(wrong=(*answer.wrong, *wrong))


Choice = Callable[[str, list[Fault]], list[Fault]]


def try_faults(name: str, choose: Choice) -> Iterator[Tried]:
    """Do an operation, once for each fault that is chosen; the first one is without."""
    counted = _run(name, None)
    good = _judged(counted, None)
    yield Tried(Fault("", 0, 0), good)
    if good.wrong or good.kind != "worked":
        return
    for fault in choose(name, faults_of(counted.calls, MOST)):
        if (name, fault.call, errno.errorcode[fault.errno]) not in EXPLAINED:
            yield Tried(fault, _judged(_run(name, fault), fault))


def few(name: str, faults: list[Fault]) -> list[Fault]:
    """Choose the first call of each kind, and one errno, another one in each."""
    groups = groupby(faults, key=lambda fault: fault.call)
    firsts = [[f for f in group if f.place == 0] for _, group in groups]
    chosen = [ways[place % len(ways)] for place, ways in enumerate(firsts)]
    return chosen[:: SLOW.get(name, 1)]


def main(words: list[str]) -> None:
    """Try operations, and print a line of JSON for each case."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", help="which; if none, all")
    parser.add_argument("--few", action="store_true", help="one errno of each call")
    parser.add_argument("--only", metavar="CALL:ERRNO", help="this one")
    given = parser.parse_args(words)

    def choose(name: str, faults: list[Fault]) -> list[Fault]:
        if given.few:
            return few(name, faults)
        call, _, number = (given.only or "").partition(":")
        return [
            fault
            for fault in faults
            if not call or (fault.call, errno.errorcode[fault.errno]) == (call, number)
        ]

    names = given.names or known()
    known()
    _import_all()
    # The C library has a handler of its own from the first thread on.
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    for name in names:
        if TIER not in OPERATIONS[name].tiers:
            continue
        for tried in try_faults(name, choose):
            line = [name, *tried.fault, *tried.outcome]
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
