"""Water-filling against its KKT conditions, and power of blocks in the engine."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.optimize import minimize

import channel_models as cm
from tests.radio.test_allocation import demands
from tests.radio.test_ofdma import BLOCK, BLOCKS, NOISE, finish, make_band
from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.allocation import MaxCI, ProportionalFair, WaterFilling
from wfl_sim.radio.allocation.allocator import Demands
from wfl_sim.radio.allocation.water_filling import filled


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
class Loud:
    """Twice the power that there is."""

    def shares(self, demands: Demands):
        return self.shares_and_levels(demands)[0]

    def shares_and_levels(self, demands: Demands):
        shares = demands.flat(np.full(len(demands.bits_left), 1 / len(demands.bits_left)))
        return shares, np.full(shares.shape, 2 * len(shares) / shares.shape[1])


def test_more_power_than_there_is_is_refused():
    with pytest.raises(LocatedError, match=r"sets 2 times the power .* at most 1"):
        finish(make_band([1e-12], allocator=Loud()), [([0], 1e6)])


def test_levels_of_blocks_hold_in_units_and_within_limits():
    wide = replace(make_band([1e-13, 3e-13], allocator=WaterFilling()), subband=4)
    for sent in finish(wide, [([0], 1e6), ([1], 1e6)]):
        assert sent.radiated <= 0.2 * sent.airtime * (1 + 1e-6)
        assert sent.radiated > 0
