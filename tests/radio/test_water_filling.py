"""Water-filling against its KKT conditions, and power of blocks in the engine."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import channel_models as cm
from tests.radio.test_allocation import demands
from tests.radio.test_ofdma import BLOCK, BLOCKS, NOISE, finish, make_band
from wfl_sim.config.answers import AnswerError
from wfl_sim.radio.allocation import MaxCI, ProportionalFair, WaterFilling
from wfl_sim.radio.allocation.allocator import Demands
from wfl_sim.radio.allocation.water_filling import filled
from wfl_sim.radio.power.transmit_power import DevicePower, on_blocks


@pytest.mark.parametrize("spreads", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_powers_satisfy_the_kkt_conditions(spreads, seed):
    """Where there is power the marginal rate is one price, and elsewhere it is below the price."""
    rng = np.random.default_rng(seed)
    snr = 10 ** rng.uniform(-1, 2, (3, 12))
    asked = replace(demands(snr), spreads=spreads, observe=lambda: snr)
    shares, level = WaterFilling().shares_and_levels(asked)
    assert (shares == MaxCI().shares(asked)).all()
    marginal = snr / (1 + snr * level)
    rows = (
        [np.ones((3, 12), bool)] if not spreads else [np.arange(3)[:, None] == i for i in range(3)]
    )
    for row in rows:
        mine = (shares > 0) & row
        if not mine.any():
            continue
        assert level[mine].sum() == pytest.approx(1.0)
        wet = mine & (level > 0)
        price = marginal[wet].mean()
        assert marginal[wet] == pytest.approx(np.full(wet.sum(), price), rel=1e-9)
        assert (marginal[mine & (level == 0)] <= price).all()
    assert 0 < ((shares > 0) & (level == 0)).sum() < 12


def test_no_general_optimiser_finds_more():
    gain = np.array([[0.3, 2.0, 9.0, 0.0, 1.1]])
    ours = filled(gain, np.ones((1, 5)))[0]
    found = minimize(
        lambda p: -np.log2(1 + gain[0] * p).sum(),
        np.full(5, 0.2),
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        options={"ftol": 1e-14},
    )
    assert np.log2(1 + gain[0] * ours).sum() >= -found.fun - 1e-9
    assert ours == pytest.approx(found.x, abs=1e-4)


def test_a_lone_upload_over_two_unlike_blocks_has_the_rate_of_the_closed_form():
    """On a channel that does not move, with one strong and one weak half of the band."""

    class Tilted:
        law = cm.ConstantPower()

        def power_grid(self, first, count, step, offsets, links):
            power = np.where(offsets < 0, 1.6, 0.4).astype(np.float32)
            return np.broadcast_to(power, (len(links), count, len(offsets)))

    def rate(allocator, gain):
        band = make_band([gain], allocator=allocator)
        channel = band.channel
        channel._fading = Tilted()
        (sent,) = finish(band, [([0], 1e6)])
        return sent

    gain = 2e-14
    snr = 0.2 * gain / (NOISE * BLOCK) * np.repeat([1.6, 0.4], BLOCKS // 2)
    strong, weak = 1 / snr[0], 1 / snr[-1]
    level = (1 + BLOCKS / 2 * (strong + weak)) / BLOCKS
    assert level < weak  # the weak half stays dry
    expected = BLOCK * BLOCKS / 2 * np.log2(1 + snr[0] / (BLOCKS / 2))
    filled_ = rate(WaterFilling(), gain)
    assert 1e6 / filled_.end == pytest.approx(expected, rel=1e-5)
    assert filled_.radiated == pytest.approx(0.2 * filled_.end, rel=1e-6)
    assert filled_.end < 0.95 * rate(MaxCI(), gain).end
    # With much power all blocks are under water, and it gains little.
    loud = rate(WaterFilling(blocks=ProportionalFair()), 1e-10)
    assert loud.end == pytest.approx(rate(MaxCI(), 1e-10).end, rel=2e-3)


@dataclass(frozen=True)
class Answers:
    """Shares and levels alike for all, or something else."""

    share: Any = 0.5
    level: Any = 1.0

    def shares(self, demands: Demands):
        return np.full(demands.efficiency.shape, self.share)

    def shares_and_levels(self, demands: Demands):
        return self.shares(demands), np.full(demands.efficiency.shape[0], self.level)


@dataclass(frozen=True)
class Doubled:
    """Says that it hands out whole blocks, and gives each to all."""

    def shares(self, demands: Demands):
        return np.ones(demands.efficiency.shape)

    def holders(self, demands: Demands):
        return None


@dataclass(frozen=True)
class OfBlocks(Answers):
    """Levels of each block that come to `level` times the power."""

    def shares_and_levels(self, demands: Demands):
        shares = self.shares(demands)
        return shares, self.level * np.ones_like(shares) / shares.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Mean(Answers):
    """One share for a transfer, in place of one for each block."""

    def shares(self, demands: Demands):
        return super().shares(demands).mean(axis=1)


@pytest.mark.parametrize(
    ("allocator", "rule"),
    [
        (Answers(share=1.0), "a block is given 2 times: shares must add up to at most 1"),
        (Answers(share=-0.1), r"must lie in \[0, 1\], got -0.1 to -0.1"),
        (Answers(share=np.nan), r"must lie in \[0, 1\], got nan to nan"),
        (Mean(), r"must be of shape \(transfers, blocks\) \(2, 6\), got \(2,\)"),
        (Answers(level=2.0), "levels set 2 times the power that there is"),
        (Answers(level=np.nan), "levels set nan times the power"),
        (OfBlocks(level=2.0), "levels set 2 times the power that there is"),
        (WaterFilling(blocks=Doubled()), "a block is given 2 times"),
    ],
)
def test_what_an_allocator_may_not_answer_ends_the_run(allocator, rule):
    """A rate from blocks or watts that there are not would look like a better allocator.

    The kind to blame comes through the process of SimPy in which the allocator is asked.
    """
    with pytest.raises(AnswerError, match=rule) as raised:
        finish(make_band([1e-12, 1e-12], allocator=allocator), [([0], 1e6), ([1], 1e6)])
    assert raised.value.kind is allocator


def test_what_an_allocator_may_answer_is_sent():
    for allocator in (Answers(), Answers(level=0.5), OfBlocks()):
        sent = finish(make_band([1e-12, 1e-12], allocator=allocator), [([0], 1e6), ([1], 1e6)])
        assert all(each.end > 0 for each in sent)


def test_levels_of_blocks_hold_in_units_and_within_limits():
    wide = replace(make_band([1e-13, 3e-13], allocator=WaterFilling()), subband=4)
    for sent in finish(wide, [([0], 1e6), ([1], 1e6)]):
        assert sent.radiated <= 0.2 * sent.airtime * (1 + 1e-6)
        assert sent.radiated > 0


def test_a_device_has_no_more_than_its_power_on_a_block_for_a_part_of_the_time():
    """Turns of proportional fair: a quarter of the time on a block is no power of four devices."""
    share, gain = np.array([[0.25, 0.0], [1.0, 0.5]]), np.array([[9.0, 0.0], [9.0, 9.0]])
    level, links = filled(gain, share), np.arange(2)
    assert level[0, 0] == pytest.approx(4.0)
    held, largest = share.sum(axis=1), np.full(2, 0.2)
    power = on_blocks(DevicePower(largest, np.full(2, np.inf)), links, held, level)
    assert power.max() == pytest.approx(0.2)
    assert power[:, 1] == pytest.approx(0.2 * level[1])
    ideal = DevicePower(largest, np.full(2, np.inf), least_blocks=0.0)
    assert on_blocks(ideal, links, held, level)[0, 0] == pytest.approx(0.8)
