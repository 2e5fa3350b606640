"""Laws that every allocator keeps, and what each is for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wfl_sim.protocols import ALLOCATORS, Demands
from wfl_sim.radio.allocation import EqualShare, ProportionalFair


def demands(efficiency, average=None, weight=None):
    efficiency = np.asarray(efficiency, float)
    count = len(efficiency)
    return Demands(
        bits_left=np.full(count, 1e6),
        efficiency=efficiency,
        average_rate=np.ones(count) if average is None else np.asarray(average, float),
        weight=np.ones(count) if weight is None else np.asarray(weight, float),
        block_bandwidth=360e3,
        memory=0.95,
    )


efficiencies = hnp.arrays(
    float, st.tuples(st.integers(1, 6), st.integers(1, 8)), elements=st.floats(0, 10)
)


@pytest.mark.parametrize("kind", sorted(ALLOCATORS.kinds()))
@given(efficiency=efficiencies)
def test_shares_fill_every_block_once(kind, efficiency):
    shares = ALLOCATORS.find(kind)().shares(demands(efficiency))
    assert shares.shape == efficiency.shape
    assert (shares >= 0).all()
    assert shares.sum(axis=0) == pytest.approx(np.ones(efficiency.shape[1]))


@pytest.mark.parametrize("kind", sorted(ALLOCATORS.kinds()))
@given(efficiency=efficiencies, seed=st.integers(0, 99))
def test_permuting_transfers_permutes_shares(kind, efficiency, seed):
    order = np.random.default_rng(seed).permutation(len(efficiency))
    allocator = ALLOCATORS.find(kind)()
    straight = allocator.shares(demands(efficiency))
    assert allocator.shares(demands(efficiency[order])) == pytest.approx(straight[order])


def test_equal_share_ignores_the_channel():
    assert (EqualShare().shares(demands([[1, 9], [5, 0]])) == 0.5).all()


def test_one_turn_of_proportional_fair_maximises_the_sum_of_log_rates_to_first_order():
    """Per block the choice maximises sum over users of rate / average: checked by brute force."""
    rng = np.random.default_rng(1)
    efficiency, average = rng.exponential(size=(3, 4)), rng.uniform(1, 3, 3)
    shares = ProportionalFair(turns=1).shares(demands(efficiency, average))
    best = max(
        sum(efficiency[user, block] / average[user] for block, user in enumerate(choice))
        for choice in np.ndindex(3, 3, 3, 3)
    )
    assert (shares * efficiency / average[:, None]).sum() == pytest.approx(best)


def test_turns_of_proportional_fair_come_nearer_to_the_best_sum_of_log_averages():
    """Against brute force over all assignments of 6 blocks to 4 users."""
    rng = np.random.default_rng(2)
    lost = {1: [], 4: []}
    for _ in range(20):
        asked = demands(rng.exponential(size=(4, 6)), rng.uniform(0.2e6, 0.5e6, 4))
        asked = replace(asked, memory=0.6)

        def utility(shares, asked=asked):
            rate = (shares * asked.efficiency).sum(axis=1) * asked.block_bandwidth
            after = asked.memory * asked.average_rate + (1 - asked.memory) * rate
            return np.log(after).sum()

        best = max(utility(np.eye(4)[list(choice)].T) for choice in np.ndindex(*[4] * 6))
        for turns in lost:
            lost[turns].append(best - utility(ProportionalFair(turns=turns).shares(asked)))
    assert np.mean(lost[4]) < 0.5 * np.mean(lost[1])


def test_proportional_fair_favours_those_served_little_and_those_of_weight():
    even = [[2.0, 2.0], [2.0, 2.0]]
    assert (ProportionalFair(turns=1).shares(demands(even, [1.0, 4.0]))[0] == 1).all()
    assert (ProportionalFair(turns=1).shares(demands(even, weight=[1.0, 3.0]))[1] == 1).all()
    assert (ProportionalFair().shares(demands(even)) == 0.5).all()
