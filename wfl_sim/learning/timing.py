"""Host seconds of a local step. Nowhere else is host time a result."""

import time
from dataclasses import replace

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.tokenized import Batchable
from wfl_sim.methods.phases import Phase

_WARM_UP = 2
_AT_ONCE = 4


def step_seconds(adapted: AdaptedModel, phase: Phase, examples: Batchable, least: float) -> float:
    """Return the median over repetitions of the seconds of one local step of the whole network.

    Args:
        adapted: the network with its parts.
        phase: its steps are timed.
        examples: what it trains on.
        least: seconds that the steps are repeated for.
    """
    several = replace(phase, local=replace(phase.local, steps=_AT_ONCE, epochs=0))
    warm_up = replace(phase, local=replace(phase.local, steps=_WARM_UP, epochs=0))
    adapted.train_phase(0, warm_up, examples, 0, whole=True)
    times: list[float] = []
    while not times or sum(times) < least:
        start = time.perf_counter()
        adapted.train_phase(0, several, examples, 0, whole=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] / _AT_ONCE
