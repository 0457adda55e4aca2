"""Options that are a number of seconds."""

from __future__ import annotations

import math

import click


def seconds(
    context: click.Context, parameter: click.Parameter, given: float | None
) -> float | None:
    """Refuse what is no number, which is in every range."""
    if given is not None and math.isnan(given):
        raise click.BadParameter("nan is no number of seconds", context, parameter)
    return given
