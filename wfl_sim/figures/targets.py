"""Which value of a metric counts as good enough, and where runs reach it."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from wfl_sim.figures.seeds import by_label
from wfl_sim.records import Scope
from wfl_sim.results import Run

FALLING: Final = frozenset({"loss", "perplexity", "nll", "error"})
"""Metrics that get better downwards."""

SHARE = 0.95


def is_falling(metric: str) -> bool:
    """Return whether a metric gets better downwards."""
    return metric in FALLING


def default_target(runs: Sequence[Run], metric: str, scope: Scope) -> float | None:
    """Return a value that the best label reaches and the others may not.

    It is 95 % of the best label's mean final value (mean over its seeds), rounded down to two
    digits: 0.8743 gives 0.83. As the mean is above it, at least one seed reaches it. A metric that
    gets better downwards takes 105 %, rounded up. None if no label has a finite final value.
    """
    falling = is_falling(metric)
    finals = [
        float(np.mean([run.series(metric, scope).value[-1] for run in members]))
        for members in by_label(runs).values()
    ]
    finite = [final for final in finals if math.isfinite(final)]
    if not finite:
        return None
    best = min(finite) if falling else max(finite)
    slack = (1 - SHARE) * abs(best)
    return _two_digits(best + slack if falling else best - slack, up=falling)


def _two_digits(value: float, *, up: bool) -> float:
    if value == 0:
        return 0.0
    decimals = 1 - math.floor(math.log10(abs(value)))
    rounding = math.ceil if up else math.floor
    return round(rounding(round(value * 10.0**decimals, 9)) * 10.0**-decimals, max(decimals, 0))
