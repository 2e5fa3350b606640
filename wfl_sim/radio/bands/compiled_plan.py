"""Proportional fair over the steps of a plan of one cell or of coupled ones, compiled by numba.

The operations and their order are those of `ProportionalFair`, `allocate_within_limits`,
`BlockRates`, `CoupledCells` and `BandPlan.record`; results have the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from channel_models.kernels import compiled
from channel_models.link_adaptation.kernels import Schemes
from channel_models.validation import FloatArray
from wfl_sim.radio.bands.compiled_allocation import allocate
from wfl_sim.radio.bands.compiled_rates import hear, mcs_rates, power, shannon_rates
from wfl_sim.radio.bands.interference import Heard


@compiled
def proportional_fair(
    turns: int,
    floors: tuple[float, float],
    size: int,
    usable: float,
    shannon: tuple[float, float, float, float],
    schemes: Schemes,
    least_blocks: float,
    limits: tuple[FloatArray, FloatArray],
    ends: NDArray[np.intp],
    heard: Heard,
    efficiency: NDArray[np.floating],
    known: NDArray[np.float32],
    present: NDArray[np.float32],
    strength: FloatArray,
    weight: FloatArray,
    most: FloatArray,
    lengths: FloatArray,
    keep: FloatArray,
    state: FloatArray,
    results: FloatArray,
) -> int:
    """Plan step after step until a transfer ends.

    Args:
        turns: of the allocation of one step.
        floors: the least average rate in bit/s, and the least share of it that is forgotten.
        size: blocks of a unit.
        usable: Hz of a block that carry data.
        shannon: margin, attenuation, cap and floor, see `ShannonForm`.
        schemes: tables of an MCS rate, which then counts; see `McsForm`.
        least_blocks: over which a device spreads its power at least.
        limits: (n,) W of each device, and W on a block at most.
        ends: (cells + 1,) where the transfers of each cell begin and end among all n.
        heard: what is heard of other cells.
        efficiency: (steps, units, n) as the allocator knows it.
        known: (steps, blocks, n) fading as it is known.
        present: (steps, blocks, n) fading.
        strength: (n,) SINR for each W, as the allocator knows it.
        weight: (n,) priorities.
        most: (n,) units that each may hold.
        lengths: (steps,) s.
        keep: (steps,) weight of the average of the past.
        state: (2, n) bits left and average rates; brought forward.
        results: (4, steps, n) rates, averages before, W, linear SINR; written.

    Returns:
        Number of steps planned.
    """
    steps, units, count = efficiency.shape
    cells, blocks = len(ends) - 1, present.shape[1]
    left, average = state[0], state[1]
    share, sent = np.zeros((units, count)), np.zeros((count, blocks))
    holders, shared = np.empty((cells, units), dtype=np.intp), np.zeros(cells, dtype=np.bool_)
    total, watts, current = np.empty(count), np.empty(count), np.empty(count)
    for step in range(steps):
        forgotten = max(1.0 - keep[step], floors[1]) * (usable * blocks / units)
        for i in range(count):
            current[i] = max(keep[step] * average[i], floors[0]) / forgotten
        for c in range(cells):
            here = slice(ends[c], ends[c + 1])
            mine = np.zeros((units, ends[c + 1] - ends[c]))
            shared[c] = allocate(
                turns,
                np.ascontiguousarray(efficiency[step][:, here]),
                weight[here],
                current[here],
                most[here],
                holders[c],
                mine,
            )
            if shared[c]:
                share[:, here] = mine
            held = shared[c], holders[c], share, size, ends[c]
            power(held, limits, least_blocks, total[here], watts[here], sent[here], cells > 1)
        for c in range(cells):
            here = slice(ends[c], ends[c + 1])
            held = shared[c], holders[c], share, size, ends[c]
            supposed = watts[here] * strength[here]
            if cells > 1:
                scale = hear(heard, c, step, sent, watts, here)
            else:
                scale = supposed.reshape(1, -1)
            rate, sinr = results[0, step, here], results[3, step, here]
            if len(schemes[0]):
                mcs_rates(held, known[step], present[step], supposed, scale, schemes, rate, sinr)
            else:
                shannon_rates(held, present[step], scale, shannon, rate, sinr)
        least = np.inf
        for i in range(count):
            rate = results[0, step, i] * usable
            results[0, step, i], results[1, step, i] = rate, average[i]
            results[2, step, i] = watts[i] * total[i]
            if total[i]:
                results[3, step, i] /= total[i]
            left[i] -= rate * lengths[step]
            average[i] = rate + keep[step] * (average[i] - rate)
            least = min(least, left[i])
        if least <= 0.0:
            return step + 1
    return int(steps)
