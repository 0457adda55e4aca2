"""Watching, by perf."""

from operations import Attempt, operation

import pynamespaces


@operation("trace by perf", "root")
def tracing(attempt: Attempt) -> None:
    """Watch a program that makes a namespace."""
    found = []
    with (
        attempt.failing(OSError),
        pynamespaces.trace(command=["unshare", "-u", "true"], backend="perf") as events,
    ):
        found += list(events)
    if attempt.worked:
        assert found
