"""
Do all at once for as long as is asked for, and see that nothing grows.

``python tests/soak.py --seconds 60``. It exits with 1 if anything is not flat.
"""

import argparse
import ctypes
import gc
import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from soaking import LEAKS, Activity, activities, leaking

_SAMPLES: Final = 12
_SETTLE: Final = 2.0
"""For how many seconds what has been left running may go on."""

_COUNTS: Final = ("descriptors", "threads", "children", "namespaces", "mounts")
"""Of which there must not be one more."""

_ALLOWED: Final = {"memory": 2048, "objects": 500} | dict.fromkeys(_COUNTS, 0)
"""By how much each may grow: memory in KiB, since the C library keeps some."""

Sample = dict[str, int]


# --- what there is ------------------------------------------------------------------


def measure() -> Sample:
    """Count what this process has."""
    gc.collect()
    with suppress(AttributeError):  # Other C libraries have none.
        ctypes.CDLL(None).malloc_trim(0)
    tasks = sorted(Path("/proc/self/task").iterdir())
    return {
        "descriptors": _descriptors({task.name for task in tasks}),
        "threads": len(tasks),
        "children": sum(len((task / "children").read_text().split()) for task in tasks),
        "namespaces": len(_namespaces(tasks)),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "memory": _anonymous(),
        "objects": len(gc.get_objects()),
    }


def _descriptors(tasks: set[str]) -> int:
    """
    Return how many there are, but for the pidfds that threads keep of themselves.

    Of those there is one for each thread, from when it first needs one, which for some
    is late.
    """
    own = {f"Pid:\t{task}" for task in tasks}
    count = 0
    for info in Path("/proc/self/fdinfo").iterdir():
        with suppress(OSError):
            count += not own.intersection(info.read_text().splitlines())
    return count


def _namespaces(tasks: Iterable[Path]) -> set[str]:
    """Return what this process is in, or has open."""
    found = set()
    for folder in (*(task / "ns" for task in tasks), Path("/proc/self/fd")):
        for link in folder.iterdir():
            with suppress(OSError):
                name = os.readlink(link)
                if ":[" in name and not name.startswith(("pipe:", "socket:")):
                    found.add(name)
    return found


def _anonymous() -> int:
    """Return how many KiB of memory are this process's own."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous"))


# --- who does it --------------------------------------------------------------------


class Crew:
    """Threads that do their activities, and rest when they are to be looked at."""

    def __init__(self, doing: Sequence[Activity]) -> None:
        self.done = Counter[str]()
        self.failures: list[str] = []
        self._changed = threading.Condition()
        self._is_over = self._is_resting = False
        self._resting = 0
        live = self._live
        self._threads = [threading.Thread(target=live, args=[one]) for one in doing]
        for thread in self._threads:
            thread.start()

    def _live(self, one: Activity) -> None:
        while not self._rest():
            try:
                one.act()
            except Exception as error:
                self.failures.append(f"{one.name}: {error!r}")
            self.done[one.name] += 1

    def _rest(self) -> bool:
        """Rest as long as all are to; return whether all is over."""
        with self._changed:
            self._resting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_over or not self._is_resting)
            self._resting -= 1
            return self._is_over

    def look(self, least: Sample | None = None) -> Sample:
        """Count what there is while all rest; a while later if it is more than that."""
        with self._changed:
            self._is_resting = True
            self._changed.wait_for(lambda: self._resting == len(self._threads))
        found, deadline = measure(), time.monotonic() + _SETTLE
        while least and grown(least, found) and time.monotonic() < deadline:
            time.sleep(0.01)
            found = measure()
        with self._changed:
            self._is_resting = False
            self._changed.notify_all()
        return found

    def end(self) -> None:
        """Have all end."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()


def soak(seconds: float, doing: Sequence[Activity]) -> tuple[Crew, list[Sample]]:
    """Do it for so long; return what there was, from a third of the time on."""
    crew = Crew(doing)
    samples: list[Sample] = []
    try:
        begun = time.monotonic()
        # What is made once and kept is there when each has been done.
        while time.monotonic() < begun + seconds / 3 or len(crew.done) < len(doing):
            time.sleep(seconds / 100)
        begun, rest = time.monotonic(), seconds * 2 / 3
        for number in range(_SAMPLES):
            time.sleep(max(0.0, begun + rest * number / _SAMPLES - time.monotonic()))
            samples.append(crew.look())
        time.sleep(max(0.0, begun + rest - time.monotonic()))
        samples.append(crew.look(base(samples)))
    finally:
        crew.end()
    return crew, samples


# --- what came of it ----------------------------------------------------------------


def base(samples: Sequence[Sample]) -> Sample:
    """Return what there was in the beginning, but for what was just about to end."""
    first = samples[: _SAMPLES // 4]
    return {name: min(sample[name] for sample in first) for name in first[0]}


def grown(before: Sample, after: Sample) -> list[str]:
    """Return what there is too much of."""
    allowed = {name: before[name] + more for name, more in _ALLOWED.items()}
    return [name for name, most in allowed.items() if after[name] > most]


def slope(values: Sequence[int]) -> float:
    """Return by how much it grows from one sample to the next."""
    return statistics.linear_regression(range(len(values)), values).slope


def report(crew: Crew, samples: Sequence[Sample], seconds: float) -> list[str]:
    """Print all figures; return what is not flat."""
    each = seconds * 2 / 3 / _SAMPLES
    bad = grown(base(samples), samples[-1])
    heads = ("", "at 1/3", "at 2/3", "end", "most", "a minute")
    print("{:>12} {:>9} {:>9} {:>9} {:>9} {:>9}".format(*heads))
    for name in _ALLOWED:
        values = [sample[name] for sample in samples]
        shown = (values[0], values[len(values) // 2], values[-1], max(values))
        figures = " ".join(f"{value:>9}" for value in shown)
        rate = slope(values) * 60 / each
        verdict = "NOT FLAT" if name in bad else "flat"
        print(f"{name:>12} {figures} {rate:>+9.1f} {verdict}")
    print("done:", ", ".join(f"{name} {n}" for name, n in crew.done.most_common()))
    for failure in crew.failures[:10]:
        print("failed:", failure)
    return [*bad, *(["failures"] if crew.failures else [])]


def main() -> int:
    """Soak, and say what is not flat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--short", action="store_true", help="leave out what is slow")
    parser.add_argument(
        "--leak", choices=LEAKS, nargs="+", help="see these alone be found"
    )
    options = parser.parse_args()
    doing = activities(is_short=options.short)
    if options.leak:
        doing = [leaking(figure) for figure in options.leak]
    crew, samples = soak(options.seconds, doing)
    bad = report(crew, samples, options.seconds)
    if bad:
        print("not flat:", ", ".join(bad), file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # What was leaked on purpose is not waited for.
    os._exit(status)
