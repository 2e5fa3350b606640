"""Proportional fair on Shannon's rates over the steps of a plan, compiled by numba.

The operations and their order are those of `ProportionalFair`, `allocate_within_limits`,
`BlockRates` and `BandPlan.record`; results have the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from channel_models.kernels import capacity, compiled, largest

FloatArray = NDArray[np.float64]


@compiled
def proportional_fair(
    turns: int,
    floors: tuple[float, float],
    size: int,
    usable: float,
    shannon: tuple[float, float, float, float],
    limits: tuple[FloatArray, FloatArray],
    least_blocks: float,
    efficiency: NDArray[np.floating],
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
        limits: (n,) W of each device, and W on a block at most.
        least_blocks: over which a device spreads its power at least.
        efficiency: (steps, units, n) as the allocator knows it.
        present: (steps, blocks, n) fading.
        strength: (n,) SINR for each W.
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
    left, average = state[0], state[1]
    unit = usable * present.shape[1] / units
    bounded = most.min() < np.inf
    share, current = np.zeros((units, count)), np.empty(count)
    holders, held = np.empty(units, dtype=np.intp), np.empty(count)
    for step in range(steps):
        forgotten = max(1.0 - keep[step], floors[1]) * unit
        for i in range(count):
            current[i] = max(keep[step] * average[i], floors[0]) / forgotten
        offered = efficiency[step]
        shared = _whole_units(turns, offered, weight, current, holders)
        if bounded and not shared:
            held[:] = 0.0
            for u in range(units):
                held[holders[u]] += 1.0
            shared = bool((held > most).any())
        if shared:
            for i in range(count):
                current[i] = max(keep[step] * average[i], floors[0]) / forgotten
            if bounded:
                _within_limits(turns, offered, weight, current, most, share)
            else:
                _shared_units(offered, weight, current, share)
        _serve(
            shared,
            holders,
            share,
            size,
            present[step],
            strength,
            limits,
            least_blocks,
            shannon,
            results[:, step],
        )
        rate, before = results[0, step], results[1, step]
        least = np.inf
        for i in range(count):
            rate[i] *= usable
            before[i] = average[i]
            left[i] -= rate[i] * lengths[step]
            average[i] = rate[i] + keep[step] * (average[i] - rate[i])
            least = min(least, left[i])
        if least <= 0.0:
            return step + 1
    return int(steps)


@compiled
def _whole_units(
    turns: int,
    efficiency: NDArray[np.floating],
    weight: FloatArray,
    average: FloatArray,
    holders: NDArray[np.intp],
) -> bool:
    """Write which transfer holds each of (units,), unless there are ties; return whether."""
    units, count = efficiency.shape
    added, priority = np.zeros(count), np.empty(count, efficiency.dtype)
    merit = np.empty(count, efficiency.dtype)
    for turn in range(min(turns, units)):
        for i in range(count):
            average[i] += added[i]
            added[i] = 0.0
            priority[i] = weight[i] / average[i]
        for u in range(turn, units, turns):
            row = efficiency[u]
            for i in range(count):
                merit[i] = row[i] * priority[i]
            chosen, alike = largest(merit)
            if alike > 1:
                return True
            added[chosen] += row[chosen]
            holders[u] = chosen
    return False


@compiled
def _shared_units(
    efficiency: NDArray[np.floating], weight: FloatArray, average: FloatArray, share: FloatArray
) -> None:
    """Write the shares (units, n) of transfers that tie for some of the units."""
    units, count = efficiency.shape
    merit, priority = np.empty(count, efficiency.dtype), np.empty(count, efficiency.dtype)
    for u in range(units):
        row, alike = efficiency[u], 0
        for i in range(count):
            priority[i] = weight[i] / average[i]
            merit[i] = row[i] * priority[i]
        best = merit.max()
        for i in range(count):
            alike += merit[i] == best
        for i in range(count):
            share[u, i] = 1.0 / alike if merit[i] == best else 0.0
            average[i] += share[u, i] * row[i]


@compiled
def _within_limits(
    turns: int,
    efficiency: NDArray[np.floating],
    weight: FloatArray,
    average: FloatArray,
    most: FloatArray,
    share: FloatArray,
) -> None:
    """Write the shares (units, n) of transfers that may hold at most so many units, (n,)."""
    units, count = efficiency.shape
    free, others = np.ones(units), np.arange(count)
    share[:] = 0.0
    while len(others) and free.max() > 1e-12:
        places = np.flatnonzero(free > 1e-12)
        offered, mine = efficiency[places][:, others], weight[others]
        given, holders = np.zeros(offered.shape), np.empty(len(places), dtype=np.intp)
        if _whole_units(turns, offered, mine, average[others], holders):
            _shared_units(offered, mine, average[others], given)
        else:
            for p in range(len(places)):
                given[p, holders[p]] = 1.0
        stays = np.zeros(len(others), dtype=np.bool_)
        for i in range(len(others)):
            given[:, i] *= free[places]
            stays[i] = given[:, i].sum() <= most[others[i]] * (1 + 1e-9)
        for i in range(len(others)):
            if not stays[i]:
                before = 0.0
                for p in np.argsort(-offered[:, i], kind="mergesort"):
                    before += given[p, i]
                    kept = most[others[i]] - (before - given[p, i])
                    kept = min(max(kept, 0.0), given[p, i])
                    share[places[p], others[i]] = kept
                    free[places[p]] -= kept
            elif stays.all():
                for p in range(len(places)):
                    share[places[p], others[i]] = given[p, i]
        others = others[stays] if not stays.all() else others[:0]


@compiled
def _serve(
    shared: bool,
    holders: NDArray[np.intp],
    share: FloatArray,
    size: int,
    fading: NDArray[np.float32],
    strength: FloatArray,
    limits: tuple[FloatArray, FloatArray],
    least_blocks: float,
    shannon: tuple[float, float, float, float],
    results: FloatArray,
) -> None:
    """Write rates in units of the bandwidth, W and linear SINR.

    Each unit belongs to one of `holders` (units,), or to all by `share` (units, n) if `shared`.
    """
    blocks, count = fading.shape
    largest_power, density = limits
    rate, power, sinr = results[0], results[2], results[3]
    held, scale = np.zeros(count), np.empty(count)
    for block in range(blocks):
        if shared:
            for i in range(count):
                held[i] += share[block // size, i]
        else:
            held[holders[block // size]] += 1.0
    for i in range(count):
        watts = min(largest_power[i] / max(held[i], least_blocks), density[i]) if held[i] else 0.0
        scale[i], power[i] = watts * strength[i], watts * held[i]
        rate[i] = sinr[i] = 0.0
    for block in range(blocks):
        if shared:
            for i in range(count):
                part = share[block // size, i]
                if part > 0.0:
                    ratio = fading[block, i] * scale[i]
                    rate[i] += part * _efficiency(ratio, shannon)
                    sinr[i] += part * ratio
        else:
            i = holders[block // size]
            ratio = fading[block, i] * scale[i]
            rate[i] += _efficiency(ratio, shannon)
            sinr[i] += ratio
    for i in range(count):
        if held[i]:
            sinr[i] /= held[i]


@compiled
def _efficiency(sinr: float, shannon: tuple[float, float, float, float]) -> float:
    """Return bit/s/Hz, see `ShannonForm`."""
    margin, attenuation, cap, floor = shannon
    return 0.0 if sinr < floor else min(attenuation * capacity(sinr * margin), cap)
