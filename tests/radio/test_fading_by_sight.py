"""Fading by the state of line of sight: K factors and delay spreads of TR 38.901."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import BASE, scenario
from tests.simulation.test_simulation import check_laws
from wfl_sim.config.errors import ScenarioError
from wfl_sim.radio.bands.band import build_band
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.channel.fading_kinds import FadingBySight
from wfl_sim.radio.channel.propagation import ChannelConfig
from wfl_sim.radio.channel.scenario_fading import ScenarioFading
from wfl_sim.radio.power.transmit_power import CellPower
from wfl_sim.simulation.simulation import Simulation

UMA = BASE.replace("macro", "{kind: uma, condition: mixed}")
FADING = "cells.0.channel.fading"


@pytest.mark.parametrize(
    ("model", "k", "los", "nlos"),
    [
        (cm.UMa, 9, 93.3, 364.1),
        (cm.UMi, 9, 45.4, 92.7),
        (cm.RMa, 7, 32.4, 37.2),
        (cm.InH, 7, 19.9, 38.9),
    ],
)
def test_k_and_delay_spreads_are_those_of_the_table(model, k, los, nlos):
    """Table 7.5-6 at 6 GHz, in ns; Table 7.7.3-2 has 93, 363, 37 and 39 of these."""
    pathloss = model()
    without, with_sight = ScenarioFading().by_sight(pathloss, 6e9)
    assert without.delay_spread * 1e9 == pytest.approx(nlos, rel=3e-3)
    assert with_sight.delay_spread * 1e9 == pytest.approx(los, rel=3e-3)
    assert (without.law.mean, with_sight.law.k) == pytest.approx((1.0, 10 ** (k / 10)))
    assert pathloss.delay_spread(False, 1e8) == pathloss.delay_spread(
        False, max(model.least_delay_frequency, 1e8)
    )


@pytest.mark.parametrize("k_factor", [-3.0, 7.0, 13.0])
def test_another_k_keeps_power_and_delay_spread(k_factor):
    """TR 38.901 section 7.7.6."""
    profile = cm.Rayleigh(profile="tdl-d", k_factor=k_factor).delay_profile
    scattered = profile.tap_powers.sum() - profile.specular
    assert profile.tap_powers.sum() == pytest.approx(1.0)
    assert 10 * np.log10(profile.specular / scattered) == pytest.approx(k_factor)
    assert profile.rms_delay_spread() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="needs a profile with line of sight"):
        cm.Rayleigh(profile="tdl-c", k_factor=k_factor)


def test_each_link_fades_by_its_own_state():
    """The scintillation of the power is (1 + 2 K) / (1 + K)^2 with line of sight, and 1 without."""
    cell = CellConfig(
        bandwidth=5e6, channel=ChannelConfig(pathloss=cm.UMi(), fading=ScenarioFading())
    )
    sight = np.arange(150) % 3 == 0
    band = build_band(
        "downlink",
        cell,
        "cell-0",
        seed=4,
        gains=np.ones(150),
        speeds=np.full(150, 1.0),
        power=CellPower(1.0, cell.blocks),
        sight=sight,
    )
    power = band.channel.gain(np.arange(150), 0, 256)[::16, 0]
    k = 10**0.9
    assert power[:, sight].var() == pytest.approx((1 + 2 * k) / (1 + k) ** 2, rel=0.25)
    assert power[:, ~sight].var() == pytest.approx(1.0, rel=0.25)
    # A subset is drawn alike, to the bit, whoever is asked for beside it.
    few = np.array([5, 3, 100])
    assert (band.channel.gain(few, 0, 1)[0, 0] == power[0, few]).all()


def test_a_scenario_follows_the_state_of_its_links(tmp_path):
    still = "{los: static, nlos: {kind: rayleigh, profile: tdl-c}}"
    simulation = Simulation(scenario(tmp_path, f"{FADING}={still}", text=UMA))
    sight = simulation.placement.sight[0]
    assert set(sight.tolist()) == {True, False}
    result = simulation.run()
    check_laws(result)
    indoor = ("devices.0.indoor=1", "devices.1.indoor=1")
    inside = Simulation(scenario(tmp_path, f"{FADING}={still}", *indoor, text=UMA))
    assert not inside.placement.sight.any()
    assert Simulation(scenario(tmp_path, f"{FADING}=scenario", text=UMA)).run().spans


def test_a_second_run_begins_with_the_sight_of_the_first(tmp_path):
    """Devices that move change their sight on the way."""
    cars = "devices.*.mobility={kind: random-waypoint, slowest: 10 m/s, fastest: 30 m/s}"
    settings = cars, "rounds.count=9", f"{FADING}=scenario"
    simulation = Simulation(scenario(tmp_path, *settings, text=UMA))
    before = simulation.placement.sight.copy()
    first, second = simulation.run().spans, simulation.run().spans
    assert (simulation.placement.large_scale.sight != before).any()
    assert first == second


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (f"{FADING}={{los: block, nlos: rayleigh}}", "los: must be static, or follow the Doppler"),
        (f"{FADING}={{los: rician}}", "nlos: is required and missing"),
        (f"{FADING}={{kind: scenario, profile: tdl-e}}", "profile: must have no line of sight"),
        ("cells.0.channel={pathloss: macro, fading: scenario}", "fading: needs a path loss of TR"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, setting, message):
    with pytest.raises(ScenarioError, match=message):
        scenario(tmp_path, setting, text=UMA)


def test_who_asks_for_a_law_without_a_path_loss_is_told():
    with pytest.raises(ValueError, match="follows from its path loss"):
        ScenarioFading().realise([], [])
    assert FadingBySight(los=cm.Static(), nlos=cm.Rayleigh()).realise(
        [np.random.default_rng(0)], [1.0]
    )
