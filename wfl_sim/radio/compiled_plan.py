"""Proportional fair on Shannon's rates over the steps of a plan, compiled by numba.

The operations and their order are those of `ProportionalFair.holders`, `BlockRates.of_holders` and
`BandPlan.record`; results have the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from channel_models.kernels import capacity, compiled

FloatArray = NDArray[np.float64]


@compiled
def proportional_fair(
    turns: int,
    floors: tuple[float, float],
    size: int,
    usable: float,
    shannon: tuple[float, float, float, float],
    limits: tuple[FloatArray, FloatArray],
    efficiency: NDArray[np.floating],
    present: NDArray[np.float32],
    strength: FloatArray,
    weight: FloatArray,
    most: FloatArray,
    lengths: FloatArray,
    keep: FloatArray,
    state: FloatArray,
    results: FloatArray,
    begin: int,
) -> int:
    """Plan step after step until a transfer ends or several transfers have a best block.

    Args:
        turns: of the allocation of one step.
        floors: the least average rate in bit/s, and the least share of it that is forgotten.
        size: blocks of a unit.
        usable: Hz of a block that carry data.
        shannon: margin, attenuation, cap and floor, see `ShannonForm`.
        limits: (n,) W of each device, and W on a block at most.
        efficiency: (steps, units, n) as the allocator knows it.
        present: (steps, blocks, n) fading.
        strength: (n,) SINR for each W.
        weight: (n,) priorities.
        most: (n,) units that each may hold; more of them, and the step is left to the caller.
        lengths: (steps,) s.
        keep: (steps,) weight of the average of the past.
        state: (2, n) bits left and average rates; brought forward.
        results: (4, steps, n) rates, averages before, W, linear SINR; written.
        begin: first step to be planned.

    Returns:
        The first step that is not planned.
    """
    steps, units, count = efficiency.shape
    blocks = present.shape[1]
    largest, density = limits
    margin, attenuation, cap, floor = shannon
    left, average = state[0], state[1]
    unit = usable * blocks / units
    current, added, priority = np.empty(count), np.zeros(count), np.empty(count, efficiency.dtype)
    holders, held = np.empty(blocks, np.intp), np.empty(count)
    for step in range(begin, steps):
        forgotten = max(1.0 - keep[step], floors[1]) * unit
        for i in range(count):
            current[i] = max(keep[step] * average[i], floors[0]) / forgotten
            held[i] = 0.0
        for turn in range(min(turns, units)):
            for i in range(count):
                current[i] += added[i]
                added[i] = 0.0
                priority[i] = weight[i] / current[i]
            for u in range(turn, units, turns):
                row = efficiency[step, u]
                best, chosen, tied = row[0] * priority[0], 0, False
                for i in range(1, count):
                    merit = row[i] * priority[i]
                    if merit > best:
                        best, chosen, tied = merit, i, False
                    elif merit == best:
                        tied = True
                if tied:
                    return step
                added[chosen] += row[chosen]
                held[chosen] += 1.0
                if held[chosen] > most[chosen]:
                    return step
                for block in range(u * size, min((u + 1) * size, blocks)):
                    holders[block] = chosen
        rate, before = results[0, step], results[1, step]
        power, sinr = results[2, step], results[3, step]
        for i in range(count):
            added[i] = held[i] = rate[i] = power[i] = sinr[i] = 0.0
        for block in range(blocks):
            held[holders[block]] += 1.0
        for block in range(blocks):
            i = holders[block]
            watts = min(largest[i] / held[i], density[i])
            ratio = present[step, block, i] * (watts * strength[i])
            bits = min(attenuation * capacity(ratio * margin), cap)
            rate[i] += 0.0 if ratio < floor else bits
            power[i] += watts
            sinr[i] += ratio
        least = np.inf
        for i in range(count):
            sinr[i] /= max(held[i], 1.0)
            rate[i] *= usable
            before[i] = average[i]
            left[i] -= rate[i] * lengths[step]
            average[i] = rate[i] + keep[step] * (average[i] - rate[i])
            least = min(least, left[i])
        if least <= 0.0:
            return step + 1
    return int(steps)
