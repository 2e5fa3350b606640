"""Combining: from the uploads of a moment to the next shared state."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wfl_sim.methods.abilities import averages
from wfl_sim.methods.aggregation import State, Upload
from wfl_sim.methods.server import ServerRule
from wfl_sim.protocols import Method


def combine(
    method: Method,
    rule: ServerRule,
    shared: State,
    uploads: Sequence[Upload],
    *,
    known: Iterable[str] = (),
    edge: bool = False,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> State:
    """Return the next shared state, the server optimiser's memory included.

    Old uploads are brought to the present state, the method aggregates, the air adds its error,
    and the server optimiser steps.

    Args:
        method: aggregates.
        rule: of the server.
        shared: the present state.
        uploads: in ascending order of device.
        known: names that an aggregate leaves as they are, unless it says otherwise.
        edge: average for a cell: no optimiser, no memory.
        noise: standard deviation of the error on the average, as a share of the largest root mean
            square among the updates.
        rng: of `noise`.
    """
    present = rule.without_memory(shared)
    if rule.weights == "equal":
        uploads = [replace(upload, weight=1.0) for upload in uploads]
    if averages(method):
        uploads = [rule.staleness.present(present, upload) for upload in uploads]
    made = dict(method.aggregate(present, uploads))
    if noise and rng is not None:
        made = _disturbed(made, noise * _largest(present, uploads), rng)
    made |= {name: present[name] for name in known if name not in made}
    if edge:
        return {**made, **rule.memory_of(shared)}
    return rule.step(shared, made)


def _largest(shared: State, uploads: Sequence[Upload]) -> float:
    """Return the largest root mean square among the changes that devices have made."""
    squares = [
        np.concatenate([np.square(a - shared.get(n, 0.0), dtype=np.float64).ravel() for n, a in s])
        for s in (upload.state.items() for upload in uploads)
    ]
    return float(np.sqrt(max(each.mean() for each in squares)))


def _disturbed(mean: State, deviation: float, rng: np.random.Generator) -> dict[str, Any]:
    """Return the average as it is received over the air."""
    return {
        name: array + rng.normal(0.0, deviation, array.shape).astype(np.float32)
        for name, array in mean.items()
    }
