"""Blockage by model B of TR 38.901 section 7.6.4.2: screens by their knife edges."""

import numpy as np
import pytest
from scipy.stats import kstest

import channel_models as cm
from tests.fixtures.runs import outcome, scenario
from wfl_sim.config.errors import ScenarioError
from wfl_sim.testing.laws import fading as laws_of_fading

WAVELENGTH = 299792458.0 / 28e9
OFFSETS = np.zeros(1)


def screens(fading=None, **options):
    return cm.Screens(fading=fading or cm.Static(), wavelength=WAVELENGTH, **options)


def realised(law, links, doppler=0.0):
    streams = [np.random.default_rng([6, link]) for link in range(links)]
    return law.realise(streams, np.full(links, doppler))


@pytest.mark.parametrize(
    ("distance", "offset", "options", "loss"),
    [
        # A person at 5 m, wavelength 10.7069 mm. Sides, 0.15 m away: detour 2.2495 mm,
        # F = arctan(1.5708 sqrt(pi 0.21010)) / pi = 0.28834. Head 0.2 m above the path: 3.9984 mm,
        # F = 0.33100. Feet 1.5 m below: 0.22015 m, F = 0.47484. 0.57668 x 0.80584 is lost.
        (5.0, 0.0, {}, 5.429),
        # On a side one F is 0, that of the other, 0.3 m away, 0.38106 (8.9919 mm).
        (5.0, 0.15, {}, 3.186),
        (5.0, -0.15, {}, 3.186),
        # Beside it the near side counts negative: 0.65 m (42.073 mm) and 0.35 m (12.235 mm).
        (5.0, 0.5, {}, 0.329),
        # Above it the head counts negative, 0.23654 m below a path that rises by 5 degrees: 5.5938
        # mm, F = -0.35318. Feet: 1.93007 m and 0.36991 m, F = 0.48057.
        (5.0, 0.0, {"elevation": np.radians(5.0)}, 0.663),
        # A wall without end from the path upwards hides half of the field.
        (5.0, 0.0, {"width": 1e6, "height": 1e6, "terminal_height": 0.0}, 6.02),
    ],
)
def test_a_screen_by_hand(distance, offset, options, loss):
    shape = {"width": 0.3, "height": 1.7, "terminal_height": 1.5} | options
    found = cm.screen_loss_db(distance, offset, wavelength=WAVELENGTH, **shape)
    assert found == pytest.approx(loss, abs=1e-3)


def test_a_narrow_screen_in_rays_that_part_from_both_terminals_is_the_same():
    """With a base station 1 km away D1 + D2 - r is D1 - r' to 1 %."""

    def share(edge):
        root = np.pi / 2 * np.sqrt(np.pi / WAVELENGTH * edge)
        return np.arctan(root) / np.pi

    def around(across):
        return np.hypot(5.0, across) + np.hypot(995.0, across) - 1000.0

    sides = 2 * share(around(0.15))
    ends = share(around(0.2)) + share(around(1.5))
    expected = -20 * np.log10(1 - sides * ends)
    found = cm.screen_loss_db(
        5.0, 0.0, width=0.3, height=1.7, terminal_height=1.5, wavelength=WAVELENGTH
    )
    assert found == pytest.approx(expected, abs=0.02)


def test_the_loss_has_its_stationary_law():
    """At any time it is that of blockers at uniform places in front of the terminal."""
    rng = np.random.default_rng(3)
    law = screens()
    distance, offset = rng.uniform(0.5, 10, (20_000, 4)), rng.uniform(-5, 5, (20_000, 4))
    expected = law.loss_db(distance, offset).sum(axis=1)
    loss = -10 * np.log10(realised(law, 500).power(np.arange(10.0) * 1e4, OFFSETS).ravel())
    assert loss.mean() == pytest.approx(expected.mean(), rel=0.1)
    for bound in (1.0, 3.0, 8.0):
        assert (loss > bound).mean() == pytest.approx((expected > bound).mean(), abs=0.02)
    power = 10 ** (-expected / 10)
    assert law.law.mean == pytest.approx(power.mean(), abs=8e-3)
    assert law.law.cdf(0.5) == pytest.approx((power < 0.5).mean(), abs=8e-3)


def test_a_blocker_crosses_once_a_lap():
    """Whoever stands within 10 m takes 3 dB of the path when in it: half the speed over the strip.

    The terminal's own speed adds to that of everybody.
    """
    moments = np.arange(0.0, 60.0, 0.02)
    for doppler, pace in ((0.0, 0.5), (1.0 / WAVELENGTH, 1.5)):
        process = realised(screens(blockers=1, speed=1.0), 500, doppler)
        behind = process.passing(moments) < 10**-0.3
        crossings = (~behind[:, :-1] & behind[:, 1:]).sum()
        expected = 500 * 60.0 * pace / 10.0
        assert crossings == pytest.approx(expected, rel=0.08)


def test_power_behind_screens_is_fading_times_what_passes():
    law = screens(cm.Rayleigh())
    power = realised(law, 300, 50.0).power(np.arange(5.0) * 1e4, OFFSETS).ravel()
    assert kstest(power, law.law.cdf).pvalue > 0.01


def test_it_is_a_fading_and_keeps_its_past():
    law = screens(cm.Rayleigh(profile="tdl-c", delay_spread=1e-7))
    assert [*laws_of_fading(law)] == []
    process, offsets = realised(law, 3, 40.0), np.array([-1e6, 2e6])
    moments = (np.arange(7, 12) + 0.5) * 0.01
    late = process.delayed(0.25).power_grid(7, 5, 0.01, offsets)
    np.testing.assert_allclose(late, process.power(moments - 0.25, offsets), rtol=1e-3, atol=1e-5)
    some = process.passing(moments, np.array([2]))
    np.testing.assert_array_equal(some, process.passing(moments)[2:])


def test_a_cell_loses_sinr_to_vehicles(tmp_path):
    def sinr(fading):
        spans = outcome(
            tmp_path,
            f"cells.0.channel={{pathloss: {{kind: umi, condition: los}}, fading: {fading}}}",
            "cells.0.uplink.power_control=null",
            "rounds.count=1",
        ).spans
        return np.mean([each.mean_sinr_db for each in spans if each.activity == "upload"])

    cars = "width: 4.8 m, height: 1.4 m, speed: 36 km/h, terminal_height: 1 m"
    behind = f"{{kind: screens, fading: static, blockers: 4, {cars}}}"
    assert sinr(behind) < sinr("static") - 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("reach: 0.4 m", r"fading\.reach: must be above 0\.5 m, got 0\.4 m"),
        ("width: 4.8 m, strip: 4 m", r"fading\.strip: must be wider than a blocker, 4\.8 m"),
        ("fading: block", r"fading\.fading: must be static, or follow the Doppler shift alone"),
    ],
)
def test_what_it_refuses(tmp_path, options, message):
    with pytest.raises(ScenarioError, match=message):
        scenario(
            tmp_path, f"cells.0.channel={{pathloss: uma, fading: {{kind: screens, {options}}}}}"
        )
