"""Watching a storm of calls, against the same storm unwatched."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pynamespaces import LostEvent, NamespacePermissionError, SetnsEvent, trace

from .measure import Row, Times, in_turn, output_of
from .place import Place

_CALLS: Final = 100_000
_BOUND: Final = 4.0
_UTS: Final = "/proc/self/ns/uts"


def rows(place: Place) -> Iterator[Row]:
    """Measure both, each storm on whichever CPU it gets."""
    storm = [place.compiled("storm.c"), _UTS, str(_CALLS)]
    what = f"{_CALLS:,} setns(2) to where the caller is, watched with `trace()`"
    against = "the same, unwatched"
    try:
        with trace():
            pass
    except NamespacePermissionError:
        yield Row(what, f"{against}: this may not watch", None, _BOUND)
        return
    # Where it prints, since what is watched has this process's own output.
    answer = place.directory / "storm"
    watched = _watched(storm, answer)
    samples = [watched, lambda: float(output_of(*storm))]
    yield Row(what, against, Times(*in_turn(samples, place.rounds)), _BOUND)


def _watched(storm: list[str], answer: Path) -> Callable[[], float]:
    shell = ["sh", "-c", 'exec "$@" >"$0"', str(answer), *storm]

    def sample() -> float:
        told = lost = 0
        with trace(command=shell) as traced:
            for event in traced:
                if isinstance(event, SetnsEvent):
                    told += 1
                elif isinstance(event, LostEvent):
                    lost += event.count
        # What others do meanwhile may be lost, too.
        if traced.returncode != 0 or told > _CALLS or told + lost < _CALLS:
            raise RuntimeError(f"{told} told and {lost} lost are not {_CALLS}")
        return float(answer.read_text())

    return sample
