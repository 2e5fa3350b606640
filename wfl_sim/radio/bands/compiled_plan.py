"""Proportional fair over the steps of a plan, compiled by numba.

The operations and their order are those of `ProportionalFair`, `allocate_within_limits`,
`BlockRates` and `BandPlan.record`; results have the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from channel_models.kernels import capacity, compiled, largest
from channel_models.link_adaptation.kernels import Schemes, total_of, transported

FloatArray = NDArray[np.float64]
Held = tuple[bool, int, NDArray[np.intp], FloatArray, int]
"""Whether units are shared; blocks; the holder of each unit; shares (units, n); blocks of a unit.
Without sharing the holders count."""


@compiled
def proportional_fair(
    turns: int,
    floors: tuple[float, float],
    size: int,
    usable: float,
    shannon: tuple[float, float, float, float],
    schemes: Schemes,
    limits: tuple[FloatArray, FloatArray],
    least_blocks: float,
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
        limits: (n,) W of each device, and W on a block at most.
        least_blocks: over which a device spreads its power at least.
        efficiency: (steps, units, n) as the allocator knows it.
        known: (steps, blocks, n) fading as it is known.
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
    holders, number = np.empty(units, dtype=np.intp), np.empty(count)
    for step in range(steps):
        forgotten = max(1.0 - keep[step], floors[1]) * unit
        for i in range(count):
            current[i] = max(keep[step] * average[i], floors[0]) / forgotten
        offered = efficiency[step]
        shared = _whole_units(turns, offered, weight, current, holders)
        if bounded and not shared:
            number[:] = 0.0
            for u in range(units):
                number[holders[u]] += 1.0
            shared = bool((number > most).any())
        if shared:
            for i in range(count):
                current[i] = max(keep[step] * average[i], floors[0]) / forgotten
            if bounded:
                _within_limits(turns, offered, weight, current, most, share)
            else:
                _shared_units(offered, weight, current, share)
        held = shared, present.shape[1], holders, share, size
        here = results[:, step]
        total, scale = _power(held, strength, limits, least_blocks, here)
        if len(schemes[0]):
            _mcs_rates(held, known[step], present[step], scale, schemes, here)
        else:
            _shannon_rates(held, present[step], scale, shannon, here)
        rate, before = here[0], here[1]
        least = np.inf
        for i in range(count):
            if total[i]:
                here[3, i] /= total[i]
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
def _power(
    held: Held,
    strength: FloatArray,
    limits: tuple[FloatArray, FloatArray],
    least_blocks: float,
    results: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Write the W of (n,) transfers; return how many blocks each holds and its mean SINR there."""
    shared, blocks, holders, share, size = held
    largest_power, density = limits
    count = len(strength)
    total, scale = np.zeros(count), np.empty(count)
    for block in range(blocks):
        if shared:
            for i in range(count):
                total[i] += share[block // size, i]
        else:
            total[holders[block // size]] += 1.0
    for i in range(count):
        spread = max(total[i], least_blocks)
        watts = min(largest_power[i] / spread, density[i]) if total[i] else 0.0
        scale[i], results[2, i] = watts * strength[i], watts * total[i]
    return total, scale


@compiled
def _shannon_rates(
    held: Held,
    fading: NDArray[np.float32],
    scale: FloatArray,
    shannon: tuple[float, float, float, float],
    results: FloatArray,
) -> None:
    """Write rates in units of the bandwidth, and sums of the linear SINR over blocks."""
    shared, blocks, holders, share, size = held
    rate, sinr = results[0], results[3]
    rate[:] = 0.0
    sinr[:] = 0.0
    for block in range(blocks):
        if shared:
            for i in range(len(scale)):
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


@compiled
def _mcs_rates(
    held: Held,
    known: NDArray[np.float32],
    present: NDArray[np.float32],
    scale: FloatArray,
    schemes: Schemes,
    results: FloatArray,
) -> None:
    """Write what `_shannon_rates` writes, of one transport block for each transfer."""
    shared, blocks, holders, share, size = held
    count = len(scale)
    entries = np.zeros(count, dtype=np.intp)
    seen, true, weight = np.empty((3, count, blocks))
    results[3] = 0.0
    for block in range(blocks):
        unit = block // size
        first, last = (0, count) if shared else (holders[unit], holders[unit] + 1)
        for i in range(first, last):
            part = share[unit, i] if shared else 1.0
            if part > 0.0:
                place = entries[i]
                seen[i, place] = known[block, i] * scale[i]
                true[i, place] = present[block, i] * scale[i]
                weight[i, place] = part
                results[3, i] += part * true[i, place]
                entries[i] += 1
    for i in range(count):
        mine = entries[i]
        results[0, i] = 0.0
        if mine:
            total = total_of(weight[i, :mine])
            block_rate = transported(
                seen[i, :mine], true[i, :mine], weight[i, :mine], total, schemes
            )
            results[0, i] = block_rate * total


@compiled
def _efficiency(sinr: float, shannon: tuple[float, float, float, float]) -> float:
    """Return bit/s/Hz, see `ShannonForm`."""
    margin, attenuation, cap, floor = shannon
    return 0.0 if sinr < floor else min(attenuation * capacity(sinr * margin), cap)
