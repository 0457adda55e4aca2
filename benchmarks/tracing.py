"""Watching a storm of calls, against the same storm unwatched."""

from collections.abc import Iterator, Sequence
from shutil import which
from typing import Final, Literal

from pynamespaces import LostEvent, NamespacePermissionError, SetnsEvent, trace

from .measure import Curve, Role, Row, Sample, Times, in_turn, output_of
from .place import Place

_CALLS: Final = 100_000
_BOUND: Final = 4.0
_UTS: Final = "/proc/self/ns/uts"

# Enough beside the start of a program; and each of them may take long.
_FEW_CALLS: Final = 5_000
_MOST_ROUNDS: Final = 7
_STRACE: Final = ("strace", "-f", "-e", "trace=setns", "-o", "/dev/null")


def rows(place: Place) -> Iterator[Row]:
    """Measure both, each storm on whichever CPU it gets."""
    storm = _storm(place, _CALLS)
    what = f"{_CALLS:,} setns(2) to where the caller is, watched with `trace()`"
    against = "the same, unwatched"
    if not _may_watch():
        yield Row(what, f"{against}: this may not watch", None, _BOUND)
        return
    watched = _watched(storm, place, _CALLS)
    samples = [watched, lambda: float(output_of(*storm))]
    yield Row(what, against, Times(*in_turn(samples, place.rounds)), _BOUND)


def curves(place: Place) -> Iterator[Curve]:
    """Measure what a call takes under each of those that watch."""
    if not _may_watch():
        return
    storm = _storm(place, _FEW_CALLS)
    ways: list[tuple[str, Role, Sample]] = [
        ("`trace()`", "ours", _watched(storm, place, _FEW_CALLS)),
        (
            "`trace(backend='notify')`, needs no privilege",
            "ours",
            _watched(storm, place, _FEW_CALLS, "notify"),
        ),
        ("nobody watches", "floor", lambda: float(output_of(*storm))),
    ]
    if which("strace"):
        strace = (*_STRACE, *storm)
        ways.append(("`strace -f -e setns`", "peer", lambda: float(output_of(*strace))))
    samples = [sample for _, _, sample in ways]
    taken = in_turn(samples, min(place.rounds, _MOST_ROUNDS))
    for (what, role, _), seconds in zip(ways, taken, strict=True):
        yield Curve(what, role, {0: [each / _FEW_CALLS for each in seconds]})


def _may_watch() -> bool:
    try:
        with trace():
            return True
    except NamespacePermissionError:
        return False


def _storm(place: Place, calls: int) -> list[str]:
    return [place.compiled("storm.c"), _UTS, str(calls)]


def _watched(
    storm: Sequence[str],
    place: Place,
    calls: int,
    backend: Literal["auto", "notify"] = "auto",
) -> Sample:
    # Where it prints, since what is watched has this process's own output.
    answer = place.directory / f"storm-{backend}"
    shell = ["sh", "-c", 'exec "$@" >"$0"', str(answer), *storm]

    def sample() -> float:
        told = lost = 0
        with trace(command=shell, backend=backend) as traced:
            for event in traced:
                if isinstance(event, SetnsEvent):
                    told += 1
                elif isinstance(event, LostEvent):
                    lost += event.count
        # What others do meanwhile may be lost, too.
        if traced.returncode != 0 or told > calls or told + lost < calls:
            raise RuntimeError(f"{told} told and {lost} lost are not {calls}")
        return float(answer.read_text())

    return sample
