"""Blockage by model A of TR 38.901 section 7.6.4.1: knife edges, stationary law, correlation."""

import numpy as np
import pytest
from scipy.special import hyp2f1
from scipy.stats import kstest

import channel_models as cm
from tests.fixtures.runs import BASE, scenario
from wfl_sim.config.errors import ScenarioError
from wfl_sim.simulation.simulation import Simulation
from wfl_sim.testing.laws import fading as laws_of_fading

WAVELENGTH = 299792458.0 / 28e9
OFFSETS = np.zeros(1)


def blocked(surroundings="outdoor", fading=None, **options):
    return cm.Blocked(
        fading=fading or cm.Static(), wavelength=WAVELENGTH, surroundings=surroundings, **options
    )


def realised(law, links, doppler=0.0):
    streams = [np.random.default_rng([5, link]) for link in range(links)]
    return law.realise(streams, np.full(links, doppler))


@pytest.mark.parametrize(
    ("azimuth", "elevation", "loss"),
    [
        # F of 5 and 2.5 degrees is 0.4402 and 0.3841 at 10 m: -20 log10(1 - 0.8804 x 0.7683)
        (0.0, 0.0, 9.79),
        # at a side one F is 0 and the other that of 10 degrees, 0.4699
        (5.0, 0.0, 3.88),
        (-5.0, 0.0, 3.88),
        # a corner: 0.4699 x 0.4401
        (5.0, 2.5, 2.01),
        # beside it the near side counts negative: (0.4801 - 0.4401) x 0.7683
        (9.99, 0.0, 0.27),
        (10.1, 0.0, 0.0),
        (0.0, 5.1, 0.0),
    ],
)
def test_a_blocker_outdoors_by_hand(azimuth, elevation, loss):
    found = cm.blockage_loss_db(azimuth, elevation, 10.0, 5.0, distance=10.0, wavelength=WAVELENGTH)
    assert found == pytest.approx(loss, abs=0.02)


def expected_losses(surroundings, blockers, count=15_000):
    """Sums of losses of blockers drawn one by one."""
    rng = np.random.default_rng(3)
    spans = {"outdoor": ((5, 15), (5, 5)), "indoor": ((15, 45), (5, 15))}[surroundings]
    distance = {"outdoor": 10.0, "indoor": 2.0}[surroundings]
    width, height = (rng.uniform(*span, (count, blockers)) for span in spans)
    azimuth = rng.uniform(-180, 180, (count, blockers))
    return cm.blockage_loss_db(
        azimuth, 0.0, width, height, distance=distance, wavelength=WAVELENGTH
    ).sum(axis=1)


@pytest.mark.parametrize(
    ("surroundings", "behind"),
    [
        # a blocker of width x hides the path in 2 x of 360 degrees; x is 10 and 30 on average
        ("outdoor", 1 - (1 - 20 / 360) ** 4),
        ("indoor", 1 - (1 - 60 / 360) ** 4),
    ],
)
def test_the_loss_has_its_stationary_law(surroundings, behind):
    law = blocked(surroundings)
    power = realised(law, 300).power(np.arange(10.0) * 1e4, OFFSETS).ravel()
    loss, expected = -10 * np.log10(power), expected_losses(surroundings, 4)
    assert (loss > 0).mean() == pytest.approx(behind, abs=0.03)
    assert loss.mean() == pytest.approx(expected.mean(), rel=0.12)
    for bound in (3.0, 8.0):
        assert (loss > bound).mean() == pytest.approx((expected > bound).mean(), abs=0.025)
    power = 10 ** (-expected / 10)
    assert law.law.mean == pytest.approx(power.mean(), abs=8e-3)
    assert law.law.cdf(0.5) == pytest.approx((power < 0.5).mean(), abs=8e-3)


def test_power_behind_blockers_is_fading_times_what_passes():
    law = blocked("indoor", cm.Rayleigh())
    power = realised(law, 300, 50.0).power(np.arange(5.0) * 1e4, OFFSETS).ravel()
    assert kstest(power, law.law.cdf).pvalue > 0.01
    assert law.law.mean == pytest.approx(blocked("indoor").law.mean, abs=0.01)


def test_blockers_move_with_their_correlation():
    """r = exp(-v t / d) at 1 + 1 m/s: phases of Gaussians have pi/4 r 2F1(1/2, 1/2; 2; r^2)."""
    streams = [np.random.default_rng([5, link]) for link in range(1000)]
    centres = blocked(speed=1.0)._centres(streams, np.full(1000, 1.0 / WAVELENGTH))
    moments = np.array([0.0, 2.0, 5.0])
    taps = centres.taps(moments)[..., 0]
    turn = taps[:, 1:] * taps[:, :1].conj()
    found = (turn / np.abs(turn)).mean(axis=0).real
    r = np.exp(-2.0 * moments[1:] / 10.0)
    np.testing.assert_allclose(found, np.pi / 4 * r * hyp2f1(0.5, 0.5, 2, r**2), atol=0.06)


@pytest.mark.parametrize(
    ("held", "elevation", "share"),
    [
        # 120 of 360 degrees, from 60 to 140 degrees of zenith; 160, from 72.5 to 147.5
        ("portrait", 0.0, 1 / 3),
        ("portrait", 31.0, 0.0),
        ("landscape", 0.0, 4 / 9),
        ("landscape", 17.0, 4 / 9),
        ("landscape", 18.0, 0.0),
    ],
)
def test_the_own_body_takes_30_db(held, elevation, share):
    law = blocked(self_blocking=held, blockers=1, elevation=np.radians(elevation))
    loss = -10 * np.log10(realised(law, 2000).power(np.array([0.0, 1e6]), OFFSETS)[..., 0])
    behind = loss >= 30.0 - 1e-9
    assert (behind[:, 0] == behind[:, 1]).all()
    assert behind.mean() == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 2000))
    plain = blocked(blockers=1, elevation=np.radians(elevation)).law.mean
    assert law.law.mean == pytest.approx(plain * (1 - share + share * 1e-3), abs=0.01)


def test_it_is_a_fading_and_keeps_its_past():
    law = blocked("indoor", cm.Rayleigh(profile="tdl-c", delay_spread=1e-7))
    assert [*laws_of_fading(law)] == []
    process = realised(law, 3, 40.0)
    offsets = np.array([-1e6, 2e6])
    grid = process.power_grid(7, 5, 0.01, offsets)
    kept = process._fading._rotations
    assert kept.within.size
    process.forget()
    assert not kept.within.size
    np.testing.assert_array_equal(process.power_grid(7, 5, 0.01, offsets), grid)
    late = process.delayed(0.25).power_grid(7, 5, 0.01, offsets)
    moments = (np.arange(7, 12) + 0.5) * 0.01 - 0.25
    np.testing.assert_allclose(late, process.power(moments, offsets), rtol=1e-3, atol=1e-5)
    assert (blocked(elevation=np.radians(5.1)).law.samples == 1.0).all()


TEXT = BASE.replace("bandwidth: 10 MHz", "carrier: 28 GHz, bandwidth: 100 MHz").replace(
    "  - carrier: 28 GHz, bandwidth: 100 MHz",
    "  - carrier: 28 GHz\n    bandwidth: 100 MHz\n    subcarrier_spacing: 120 kHz",
)
CHANNEL = "cells.0.channel={pathloss: {kind: inh, condition: los}, fading: %s}"
NEAR = (
    "devices.*.area={radius: 40 m, min_distance: 5 m}",
    "rounds.count=1",
    "devices.*.height=1 m",
)


def test_a_cell_at_28_ghz_loses_time_to_blockers(tmp_path):
    ends = {
        kind: Simulation(
            scenario(
                tmp_path, CHANNEL % kind, *NEAR, "cells.0.uplink.power_control=null", text=TEXT
            ),
            network_only=True,
        ).run()
        for kind in ("{kind: blocked, fading: static}", "static")
    }
    sinr = {
        kind: np.mean([s.mean_sinr_db for s in outcome.spans if s.activity == "upload"])
        for kind, outcome in ends.items()
    }
    assert sinr["{kind: blocked, fading: static}"] < sinr["static"] - 0.5


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ("{pathloss: macro, fading: blocked}", r"fading: needs a path loss of TR 38\.901"),
        (
            "{pathloss: uma, fading: {kind: blocked, fading: block}}",
            r"fading\.fading: must be static, or follow the Doppler shift alone",
        ),
        ("{pathloss: uma, fading: {kind: blocked, blockers: 0}}", r"blockers: must be at least 1"),
    ],
)
def test_what_it_refuses(tmp_path, channel, message):
    with pytest.raises(ScenarioError, match=message):
        scenario(tmp_path, f"cells.0.channel={channel}")
