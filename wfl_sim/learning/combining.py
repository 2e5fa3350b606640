"""Combining: from the uploads of a moment to the next shared state."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from wfl_sim.methods.abilities import averages
from wfl_sim.methods.aggregation import State, Upload
from wfl_sim.methods.server import ServerRule
from wfl_sim.methods.states import minus
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
        noise: standard deviation of the error on the average, as a share of the root mean square
            of the average update.
        rng: of `noise`.
    """
    present = rule.without_memory(shared)
    if rule.weights == "equal":
        uploads = [replace(upload, weight=1.0) for upload in uploads]
    if averages(method):
        uploads = [rule.staleness.present(present, upload) for upload in uploads]
    made = dict(method.aggregate(present, uploads))
    if noise and rng is not None:
        made = dict(_disturbed(present, made, noise, rng))
    made |= {name: present[name] for name in known if name not in made}
    if edge:
        return {**made, **rule.memory_of(shared)}
    return rule.step(shared, made)


def _disturbed(shared: State, mean: State, noise: float, rng: np.random.Generator) -> State:
    """Return the average as it is received over the air."""
    update = minus(mean, {name: shared[name] for name in mean})
    size = sum(array.size for array in update.values())
    power = sum(float(np.sum(np.square(array, dtype=np.float64))) for array in update.values())
    deviation = noise * np.sqrt(power / size)
    return {
        name: array + rng.normal(0.0, deviation, array.shape).astype(np.float32)
        for name, array in mean.items()
    }
