"""Shares of units under proportional fair, compiled by numba: see `compiled_plan`."""

import numpy as np
from numpy.typing import NDArray

from channel_models.kernels import compiled, largest
from channel_models.validation import FloatArray


@compiled
def allocate(
    turns: int,
    offered: NDArray[np.floating],
    weight: FloatArray,
    average: FloatArray,
    most: FloatArray,
    holders: NDArray[np.intp],
    share: FloatArray,
) -> bool:
    """Write holders (units,), or shares (units, n) where transfers share units; return whether.

    Args:
        turns: of the allocation.
        offered: (units, n) bit/s/Hz.
        weight: (n,) priorities.
        average: (n,) average rates in the unit of what is offered.
        most: (n,) units that each may hold.
        holders: written.
        share: written where units are shared.
    """
    shared, bounded = (
        _whole_units(turns, offered, weight, average.copy(), holders),
        most.min() < np.inf,
    )
    if bounded and not shared:
        number = np.zeros(len(weight))
        for u in range(len(holders)):
            number[holders[u]] += 1.0
        shared = bool((number > most).any())
    if shared and bounded:
        _within_limits(turns, offered, weight, average, most, share)
    elif shared:
        _shared_units(offered, weight, average, share)
    return shared


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
