"""What a channel is where its keys are not written: it follows the scenario of its path loss."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import BASE, scenario
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.channel.propagation import ChannelConfig
from wfl_sim.radio.channel.scenario_fading import ScenarioFading
from wfl_sim.radio.deployment.large_scale import LargeScale
from wfl_sim.scenario.loading import load, remarks
from wfl_sim.scenario.resolve import to_dict

CARRIER = 3.5e9


def urban(scale):
    return lambda d: np.where(d > 18, 18 / d + np.exp(-d / scale) * (1 - 18 / d), 1.0)


def office(d):
    near = np.where(d > 1.2, np.exp(-(d - 1.2) / 4.7), 1.0)
    return np.where(d < 6.5, near, 0.32 * np.exp(-(d - 6.5) / 32.6))


def rural(d):
    return np.exp(-(d - 10) / 1000)


TABLE = [
    (cm.UMa, urban(63), (4.0, 6.0), 9.0, (93.3, 364.1), (20, 300)),
    (cm.UMi, urban(36), (4.0, 7.82), 9.0, (50.5, 103.1), (20, 200)),
    (cm.RMa, rural, (4.0, 8.0), 7.0, (32.36, 37.15), (50, 4000)),
    (cm.InH, office, (3.0, 8.03), 7.0, (19.93, 38.94), (2, 60)),
]
"""TR 38.901: line of sight at m (Table 7.4.2-1), dB of shadowing (7.4.1-1; RMa before its break
point), K in dB and ns of delay spread, 10 to the mean of its logarithm, at 3.5 GHz (7.5-6 and its
notes: 6 GHz in UMa and InH), with and without line of sight. Last, m between which to look."""


@pytest.mark.parametrize(("model", "chance", "sigmas", "k", "spreads", "places"), TABLE)
def test_a_path_loss_alone_is_its_scenario(model, chance, sigmas, k, spreads, places):
    cell = CellConfig(channel=ChannelConfig(pathloss=model()), carrier=CARRIER)
    count, rng = 1000, np.random.default_rng(2)
    away, turn = rng.uniform(*places, count), 2 * np.pi * rng.random(count)
    large = LargeScale(
        [cell],
        seed=4,
        heights=np.full(count, 1.5),
        moves=np.zeros(count, dtype=bool),
        offsets=lambda positions: positions[:, None, :],
    )
    spots = away[:, None] * np.column_stack((np.cos(turn), np.sin(turn)))
    gain, sight = 10 * np.log10(large.gains(np.arange(count), spots)[0]), large.sight[0]
    expected = chance(away)
    assert sight.mean() == pytest.approx(
        expected.mean(), abs=4 * np.sqrt((expected * (1 - expected)).sum()) / count
    )
    at = {"base_height": cell.base_height, "terminal_height": 1.5}
    shadow = -gain - cell.channel.pathloss.loss_db(away, CARRIER, los=sight, **at)
    before = away < 2 * np.pi * 35 * 1.5 * CARRIER / 3e8 if model is cm.RMa else np.full(count, 1)
    for state, sigma in zip((sight & (before > 0), ~sight), sigmas, strict=True):
        assert np.sqrt(np.mean(shadow[state] ** 2)) == pytest.approx(sigma, rel=0.2)
    without, with_sight = cell.fadings
    assert (without.profile, with_sight.profile) == ("tdl-c", "tdl-d")
    found = np.array([with_sight.delay_spread, without.delay_spread]) * 1e9
    assert found == pytest.approx(spreads, rel=1e-3)
    assert with_sight.law.k == pytest.approx(10 ** (k / 10))


NLOS = "{kind: uma, condition: nlos}"
MIXED, BY_STATE, BY_SIGHT = "mixed", cm.ScenarioShadowing(), ScenarioFading()
ONE_KEY = {
    "": (MIXED, BY_STATE, BY_SIGHT),
    "pathloss: umi": (MIXED, BY_STATE, BY_SIGHT),
    f"pathloss: {NLOS}": ("nlos", BY_STATE, BY_SIGHT),
    "pathloss: {kind: uma, condition: los}": ("los", BY_STATE, BY_SIGHT),
    "shadowing: {sigma: 6 dB}": (MIXED, cm.LogNormal(sigma=6.0), BY_SIGHT),
    "shadowing: map": (MIXED, cm.ShadowMap(), BY_SIGHT),
    "fading: rayleigh": (MIXED, BY_STATE, cm.Rayleigh()),
    "fading: static": (MIXED, BY_STATE, cm.Static()),
    f"pathloss: {NLOS}, shadowing: {{sigma: 6 dB}}, fading: rayleigh": (
        "nlos",
        cm.LogNormal(sigma=6.0),
        cm.Rayleigh(),
    ),
    "pathloss: macro": (None, cm.LogNormal(sigma=8.0), cm.Rayleigh()),
    "pathloss: {kind: macro, sigma: 10 dB}": (None, cm.LogNormal(sigma=10.0), cm.Rayleigh()),
    "pathloss: log-distance": (None, cm.LogNormal(sigma=8.0), cm.Rayleigh()),
    "pathloss: power-law": (None, cm.LogNormal(sigma=0.0), cm.Rayleigh()),
    "pathloss: free-space": (None, cm.LogNormal(sigma=0.0), cm.Rayleigh()),
    "pathloss: macro, shadowing: {sigma: 3 dB}": (None, cm.LogNormal(sigma=3.0), cm.Rayleigh()),
}


@pytest.mark.parametrize("written", ONE_KEY)
def test_each_key_that_is_written_leaves_the_others_to_the_path_loss(tmp_path, written):
    made = scenario(tmp_path, f"cells=[{{channel: {{{written}}}}}]")
    channel = made.cells[0].channel
    found = getattr(channel.pathloss, "condition", None), channel.shadowing, channel.fading
    assert found == ONE_KEY[written]
    assert scenario(
        tmp_path, f"cells.0.channel={to_dict(made)['cells'][0]['channel']}"
    ) == scenario(tmp_path, f"cells.0.channel={{{written}}}")


def test_a_resolved_scenario_says_what_was_not_written(tmp_path):
    (channel,) = (each["channel"] for each in to_dict(scenario(tmp_path, "cells=[{}]"))["cells"])
    assert (channel["pathloss"]["kind"], channel["pathloss"]["condition"]) == ("uma", "mixed")
    assert channel["shadowing"]["kind"] == "scenario"
    assert (channel["fading"]["kind"], channel["fading"]["profile"]) == ("scenario", "tdl-c")


def test_walls_are_rural_with_a_rural_path_loss():
    assert ChannelConfig(pathloss=cm.RMa()).entry.rural
    assert not ChannelConfig().entry.rural
    assert not ChannelConfig(pathloss=cm.RMa(), entry=cm.BuildingEntry()).entry.rural


def test_a_path_loss_of_ones_own_has_6_db():
    class Mine:
        def los_probability(self, distance, *, terminal_height=1.5):
            return 1.0

        def loss_db(self, distance, frequency, *, base_height, terminal_height, los=None):
            return 100.0

    channel = ChannelConfig(pathloss=Mine())
    assert (channel.shadowing, channel.fading) == (cm.LogNormal(sigma=6.0), cm.Rayleigh())


@pytest.mark.parametrize(("shadowing", "idle"), [("", False), ("shadowing: {sigma: 6 dB}", True)])
def test_a_sigma_beside_a_shadowing_has_no_effect(tmp_path, shadowing, idle):
    old = BASE[BASE.index("    channel:") : BASE.index("devices:")]
    mine = f"    channel: {{pathloss: {{kind: macro, sigma: 7 dB}}, {shadowing}}}\n"
    (tmp_path / "s.yaml").write_text(BASE.replace(old, mine))
    lines = [line for line in remarks(load(tmp_path / "s.yaml")) if "sigma" in line]
    assert len(lines) == idle
    assert all("has no effect beside a `shadowing`" in line for line in lines)
