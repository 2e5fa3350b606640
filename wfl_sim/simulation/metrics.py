"""Metric rows from the due evaluations of a run."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from wfl_sim.network.context import DueEvaluation
from wfl_sim.records import Metric, Scope
from wfl_sim.results.statistics import is_falling

Values = Callable[[str], Mapping[str, float]]
"""Returns the numbers of an evaluation by its key."""


def metrics(
    evaluations: Sequence[DueEvaluation], devices: Sequence[str], values: Values
) -> list[Metric]:
    """Return the rows of all evaluations, in the order of time."""
    return [row for each in evaluations for row in _rows(each, devices, values)]


def _rows(evaluation: DueEvaluation, devices: Sequence[str], values: Values) -> Iterator[Metric]:
    def row(metric: str, scope: Scope, value: float, device: str = "") -> Metric:
        return Metric(
            time=evaluation.time,
            round=evaluation.round,
            metric=metric,
            scope=scope,
            device=device,
            value=value,
            bits_up=evaluation.bits_up,
            bits_down=evaluation.bits_down,
            joules=evaluation.joules,
        )

    if evaluation.overall is not None:
        for metric, value in sorted(values(evaluation.overall).items()):
            yield row(metric, "global", value)
    own = [values(key) for key in evaluation.personal]
    for metric in sorted(own[0]) if own else ():
        each = np.array([numbers[metric] for numbers in own])
        yield row(metric, "personal_mean", float(each.mean()))
        yield row(metric, "personal_worst10", worst_tenth(metric, each))
        for device, value in zip(devices, each, strict=True):
            yield row(metric, "device", float(value), device)


def worst_tenth(metric: str, values: np.ndarray) -> float:
    """Return the mean over the worst tenth of the devices, at least one of them.

    The worst are the largest where smaller values are better, else the smallest.
    """
    count = max(1, round(len(values) / 10))
    ordered = np.sort(values)
    worst = ordered[-count:] if is_falling(metric) else ordered[:count]
    return float(worst.mean())
