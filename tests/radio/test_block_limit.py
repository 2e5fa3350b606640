"""At most as many blocks as a device's power carries."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import channel_models as cm
from tests.fixtures.runs import outcome
from tests.radio.test_allocation import demands, make
from tests.radio.test_ofdma import BLOCK, NOISE, finish, make_band
from tests.simulation.test_simulation import check_laws
from wfl_sim.radio.bands.block_groups import BlockLimit, allocate_within_limits
from wfl_sim.radio.channel.rate_curve import best_snr, least_snr, mean_efficiency
from wfl_sim.radio.power.transmit_power import DevicePower


def test_the_limit_is_the_power_over_what_a_block_needs():
    rule = BlockLimit(snr=2.0, largest=np.array([0.2, 0.2, 0.1]))
    strength = np.array([100.0, 5.0, 39.0]) * 1.0
    assert rule.max_blocks(np.arange(3), strength).tolist() == [10.0, 1.0, 1.0]


@pytest.mark.parametrize("allocator", ["equal", "proportional-fair", "max-ci", "round-robin"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_nobody_holds_more_and_nothing_is_left_that_others_may_have(allocator, seed):
    rng = np.random.default_rng(seed)
    count, blocks = int(rng.integers(1, 6)), int(rng.integers(1, 9))
    case = demands(rng.exponential(3.0, (count, blocks)), average=rng.exponential(1.0, count))
    most, rule = rng.integers(1, 5, count).astype(float), make(allocator)
    shares, _ = allocate_within_limits(
        lambda each: (rule.shares(each), np.ones(len(each.weight))), case, most
    )
    assert (shares >= 0).all()
    assert (shares.sum(axis=0) <= 1 + 1e-9).all()
    held = shares.sum(axis=1)
    assert (held <= most + 1e-9).all()
    assert held.sum() == pytest.approx(min(blocks, most.sum()))


def test_a_device_at_the_edge_keeps_its_power_together():
    """Alone on six blocks with power for two at 3 dB: Shannon's rate of two blocks."""
    gain = 2.2 * 2.0 * NOISE * BLOCK / 0.2
    band = make_band([gain])
    power = DevicePower(np.array([0.2]), np.array([np.inf]))
    band = replace(band, power=power, limit=BlockLimit(2.0, power.largest))
    (sent,) = finish(band, [([0], 1e6)])
    rate = 2 * BLOCK * np.log2(1 + 0.2 * gain / (2 * NOISE * BLOCK))
    assert sent.end == pytest.approx(1e6 / rate, rel=1e-9)
    assert sent.mean_sinr_db == pytest.approx(10 * np.log10(2.2))


def test_what_the_edge_leaves_goes_to_the_centre():
    gains = [1e-10, 2.0 * NOISE * BLOCK / 0.2]
    band = replace(make_band(gains), limit=BlockLimit(2.0, np.full(2, 0.2)))
    centre, edge = finish(band, [([0], 5e7), ([1], 1e5)])
    assert edge.end == pytest.approx(1e5 / (BLOCK * np.log2(1 + 2.0)), rel=1e-9)
    spread = 0.2 * 1e-10 / (NOISE * BLOCK)

    def rate(blocks):
        return blocks * BLOCK * np.log2(1 + spread / blocks)

    expected = edge.end + (5e7 - rate(5) * edge.end) / rate(6)
    assert centre.end == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("subband", [1, 4, 0])
def test_a_limit_in_a_scenario(tmp_path, subband):
    settings = ("cells.0.uplink.block_snr=20 dB", f"cells.0.uplink.subband={subband}")
    free = outcome(tmp_path, settings[1])
    bound = outcome(tmp_path, *settings)
    check_laws(bound)
    heard = [
        [span.mean_sinr_db for span in result.spans if span.activity == "upload"]
        for result in (free, bound)
    ]
    assert np.mean(heard[1]) > np.mean(heard[0])


EDGE = """
name: edge
model: {kind: synthetic, payload: 500 kbit, flops_per_step: 10 MFLOP}
method: fedit
rounds: {kind: synchronous, count: 1}
cells: [{channel: {pathloss: {kind: uma, condition: nlos}, shadowing: {sigma: 0 dB}}}]
devices: [{count: 1, hardware: raspberry-pi-5, area: {kind: positions, at: [[700, 0]]}}]
"""


@pytest.mark.parametrize("rate", ["mcs", "attenuated-shannon"])
@pytest.mark.parametrize("fading", ["static", "{kind: rayleigh, profile: flat}"])
def test_without_a_limit_the_blocks_are_those_of_the_best_goodput(tmp_path, rate, fading):
    """UMa without line of sight, 23 dBm on 51 blocks: -17 dB on each, below every floor."""

    def seconds(*more):
        settings = (f"cells.0.uplink.rate={rate}", f"cells.0.channel.fading={fading}", *more)
        spans = outcome(tmp_path, *settings, text=EDGE).spans
        return next(s.end - s.start for s in spans if s.activity == "upload")

    tried = [seconds(f"cells.0.uplink.block_snr={snr} dB") for snr in (-9, -6, -3, 3)]
    assert seconds() < 1.06 * min(tried)
    assert max(tried) > 1.1 * min(tried)


def test_shannons_formula_knows_no_limit():
    """More blocks at less power each always carry more, so the whole band is held."""
    static, flat = cm.Static(), cm.Rayleigh()
    for rate in (cm.Shannon(), cm.ShannonGap()):
        assert best_snr(rate, static) == best_snr(rate, flat) == 0
        assert least_snr(rate, static) == 0
    assert best_snr(cm.AttenuatedShannon(), static) == pytest.approx(0.1)
    assert best_snr(cm.AttenuatedShannon(), flat) > 0.2
    assert mean_efficiency(cm.Shannon(), flat, np.array([10.0])) == pytest.approx(
        cm.ExponentialPower().ergodic_rate([10.0]), rel=1e-5
    )
