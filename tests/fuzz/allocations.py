"""Demands that no closed form was written for: zeros, tiny rests, huge sums, one block."""

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.fuzz.limits import within
from wfl_sim.radio.allocation.allocator import (
    ALLOCATORS,
    BlockAllocator,
    Demands,
    PowerAllocator,
)

KINDS: dict[str, dict[str, Any]] = {
    **{kind: {} for kind in ALLOCATORS.kinds()},
    "earliest-deadline": {"within": 1e10},
    "fixed": {"channels": 3},
    "hungarian": {"fair": True},
    "minimum-energy": {"within": 60.0},
    "proportional-fair": {"turns": 1000},
    "weighted": {"by_bits": True},
}
"""Allocators with the options that are the harder ones."""

_BITS = (0.0, 5e-324, 1e-300, 1e-12, 1.0, 1e6, 1e9, 1e18)
_EFFICIENCY = (0.0, 1e-30, 2e-9, 1e-3, 1.0, 4.5, 14.0, 60.0)
_AVERAGE = (0.0, 5e-324, 1e-20, 1.0, 1e9)
_WEIGHT = (1e-9, 1.0, 1.0, 1e9)
_AGE = (0.0, 1e-6, 10.0, 1e10)
_DEADLINE = (-1e9, 0.0, 5e-324, 1e-9, 1.0, 1e10, float("inf"))
_MEMORY = (0.0, 5e-324, 0.5, 1 - 1e-16, 1.0)


@st.composite
def extremes(draw: st.DrawFn) -> Demands:
    """Draw up to 12 transfers on up to 5 blocks, alike or each another."""
    count, blocks = draw(st.integers(1, 12)), draw(st.integers(1, 5))

    def each(values: tuple[float, ...]) -> Any:
        picked = st.lists(st.sampled_from(values), min_size=count, max_size=count)
        alike = st.sampled_from(values).map(lambda value: [value] * count)
        return np.array(draw(st.one_of(alike, picked)))

    return Demands(
        bits_left=each(_BITS),
        efficiency=np.array([each(_EFFICIENCY) for _ in range(blocks)]).T,
        average_rate=each(_AVERAGE),
        weight=each(_WEIGHT),
        block_bandwidth=360e3,
        memory=draw(st.sampled_from(_MEMORY)),
        age=each(_AGE),
        deadline=each(_DEADLINE),
        step=draw(st.integers(0, 2**40)),
        spreads=draw(st.booleans()),
        least_bandwidth=draw(st.sampled_from((0.0, 90e3, 360e3))),
    )


def plain(bits: list[float], efficiency: list[list[float]], average: float = 1.0) -> Demands:
    """Return the demands of fresh transfers of one weight and without deadlines."""
    count = len(bits)
    return Demands(
        bits_left=np.array(bits),
        efficiency=np.array(efficiency),
        average_rate=np.full(count, average),
        weight=np.ones(count),
        block_bandwidth=360e3,
        memory=0.95,
        age=np.zeros(count),
        deadline=np.full(count, np.inf),
        step=0,
        spreads=True,
    )


def check_allocation(kind: str, asked: Demands) -> None:
    """Check that the answer of an allocator is finite, at once, and fills the band alone."""
    allocator = ALLOCATORS.find(kind)(**KINDS[kind])
    level = np.ones(1)
    with within(2):
        shares = allocator.shares(asked)
        if isinstance(allocator, PowerAllocator):
            shares, level = allocator.shares_and_levels(asked)
        holders = allocator.holders(asked) if isinstance(allocator, BlockAllocator) else None
    assert shares.shape == asked.efficiency.shape
    assert np.isfinite(shares).all()
    assert (shares >= 0).all()
    full = min(len(shares), 3) / 3 if kind == "fixed" else 1.0
    assert shares.sum(axis=0) == pytest.approx(np.full(shares.shape[1], full))
    assert (level >= 0).all()
    if level.ndim == 2:  # power on each block, of what a transfer or the cell has for all
        spent = (shares * level).sum(axis=1 if asked.spreads else None)
        assert (np.asarray(spent) <= 1 + 1e-9).all()
    else:
        assert (level <= 1).all()
    if holders is not None:
        assert (asked.whole(holders) == shares).all()
