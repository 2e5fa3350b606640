"""Path loss, line of sight and shadowing of terminals high above the ground (TR 36.777 Annex B)."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import scenario
from wfl_sim.config.errors import ScenarioError
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.placement import place

AERIAL = [(cm.UMaAV, cm.UMa), (cm.UMiAV, cm.UMi), (cm.RMaAV, cm.RMa)]
GHZ = 2e9
SCENARIO = Path(__file__).parents[2] / "scenarios/uav.yaml"


@pytest.mark.parametrize(
    ("model", "los", "height", "distance", "loss"),
    [
        # at 2 GHz and a 3-D distance: the tests of a public module for ns-3 state the first four
        (cm.RMaAV, True, 50, 1000, 100.99),
        (cm.UMaAV, True, 100, 500, 93.40),
        (cm.UMiAV, True, 50, 200, 86.17),
        (cm.UMaAV, False, 50, 200, 99.45),
        # the others by hand from Table B-2, as NVIDIA's Aerial and three more have it
        (cm.UMaAV, False, 100, 1000, 116.96),  # -17.5 + 32 x 3 + 38.46
        (cm.UMiAV, False, 100, 1000, 122.42),  # 32.4 + 28 x 3 + 6.02
        (cm.UMiAV, True, 50, 10, 58.46),  # free space: 30.9 + 21.40 x 1 + 6.02 = 58.32 is less
        (cm.RMaAV, False, 20, 1000, 110.78),  # -12 + 28.105 x 3 + 38.46
        (cm.RMaAV, False, 300, 1000, 98.46),  # not below that with sight, 20 x 3 + 38.46
    ],
)
def test_losses_of_the_table(model, los, height, distance, loss):
    """The base station is as high as the terminal, so that distances are 3-D ones."""
    base = min(height, 150.0)  # no higher in RMa
    horizontal = np.sqrt(distance**2 - (height - base) ** 2)
    found = model().loss_db(horizontal, GHZ, base_height=base, terminal_height=height, los=los)
    assert found == pytest.approx(loss, abs=0.01)


@pytest.mark.parametrize(
    ("model", "height", "distance", "chance"),
    [
        (cm.UMaAV, 50, 200, 0.9672),  # the ns-3 module: d_1 = 81.5 m, p_1 = 3506 m
        (cm.UMiAV, 300, 1000, 0.4206),  # the ns-3 module: d_1 = 295.5 m, p_1 = 578.6 m
        (cm.UMaAV, 100, 1000, 0.8533),  # d_1 = 220 m, p_1 = 4800 m: 0.22 + 0.78 exp(-1000/4800)
        (cm.UMaAV, 100, 220, 1.0),
        (cm.UMaAV, 101, 4000, 1.0),
        (cm.RMaAV, 40, 561, 1.0),  # d_1 = 562 m
        (cm.RMaAV, 20, 1000, 0.7896),  # d_1 = 155.4 m, p_1 = 3489.8 m
        (cm.RMaAV, 41, 9000, 1.0),
    ],
)
def test_probabilities_of_the_table(model, height, distance, chance):
    found = model().los_probability(distance, terminal_height=height)
    assert found == pytest.approx(chance, abs=1e-4)


@pytest.mark.parametrize(
    ("model", "height", "sigmas"),
    [
        (cm.UMaAV, 50, (3.336, 6)),
        (cm.UMaAV, 300, (0.641, 6)),
        (cm.UMiAV, 50, (3.033, 8)),
        (cm.UMiAV, 100, (2, 8)),
        (cm.RMaAV, 50, (3.337, 6)),
    ],
)
def test_shadowing_of_the_table(model, height, sigmas):
    """4.64 exp(-0.0066 h), max(5 exp(-0.01 h), 2) and 4.2 exp(-0.0046 h) dB (Table B-3)."""
    state = np.array([True, False])
    found = model().shadowing_sigma_db(500.0, GHZ, terminal_height=height, los=state)
    np.testing.assert_allclose(found, sigmas, atol=5e-4)


@pytest.mark.parametrize(("model", "ground"), AERIAL)
def test_on_the_ground_all_is_as_in_tr_38901(model, ground):
    distance = np.array([[20.0], [300.0], [2500.0]])
    height = np.array([1.5, model.ground_height])
    high, low = model(), ground(condition="mixed")
    for los in (True, False):
        options = {"terminal_height": height, "los": los}
        for ask in ("loss_db", "shadowing_sigma_db"):
            found, same = (getattr(each, ask)(distance, GHZ, **options) for each in (high, low))
            assert (found == np.broadcast_to(same, (3, 2))).all()
        assert high.delay_spread(los, GHZ) == low.delay_spread(los, GHZ)
        assert high.shadowing_decorrelation(los) == low.shadowing_decorrelation(los)
    np.testing.assert_array_equal(
        high.los_probability(distance, terminal_height=height),
        low.los_probability(distance, terminal_height=height),
    )
    for field in ("default_base_height", "k_factor_db", "los_decorrelation", "highest_frequency"):
        assert getattr(high, field) == getattr(low, field)


@pytest.mark.parametrize(("model", "ground"), AERIAL)
def test_a_higher_terminal_sees_more_and_loses_less_without_sight(model, ground):
    height = np.array([23.0, 40.0, 70.0, 100.0])
    distance = np.geomspace(50.0, 4000.0, 30)[:, None]
    chance = model().los_probability(distance, terminal_height=height)
    assert (np.diff(chance, axis=1) >= 0).all()
    assert (np.diff(chance, axis=0) <= 0).all()
    los, nlos = (
        model().loss_db(distance, GHZ, terminal_height=height, los=los) for los in (True, False)
    )
    assert (nlos >= los).all()
    assert (np.diff(los, axis=0) > 0).all()
    assert (np.diff(nlos[distance[:, 0] > 500], axis=1) < 0).all()
    assert (los >= cm.free_space_loss_db(distance, GHZ) - 1.5).all()


def test_heights_and_distances_beyond_the_tables():
    with pytest.raises(ValueError, match=r"terminal_height must be at most 100 m, got 150 m"):
        cm.UMaAV().loss_db(500.0, GHZ, terminal_height=150.0, los=False)
    with pytest.raises(ValueError, match=r"terminal_height must be at most 300 m, got 301 m"):
        cm.RMaAV().loss_db(500.0, GHZ, terminal_height=301.0, los=True)
    with pytest.warns(cm.OutOfRangeWarning, match="beyond the 4000 m of UMaAV"):
        cm.UMaAV().loss_db(4500.0, GHZ, terminal_height=50.0, los=True)


AIR = """
name: air
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: fedit, local: {steps: 4}}
rounds: {kind: synchronous, count: 1}
cells:
  - {bandwidth: 10 MHz, channel: {pathloss: uma-av, shadowing: scenario, fading: static}}
devices:
  - {count: 40, hardware: jetson-orin-nano, area: {radius: 300 m}}
  - {count: 400, hardware: jetson-orin-nano, area: {radius: 300 m}, height: 100 m}
"""


def test_each_device_has_the_formula_of_its_height(tmp_path):
    """On the ground as in `uma`; at 100 m nearly always in sight, at the 3-D distance."""
    low_text = AIR.replace("uma-av", "{kind: uma, condition: mixed}").replace("100 m", "1.5 m")
    high, low = (place(scenario(tmp_path, text=each)) for each in (AIR, low_text))
    np.testing.assert_array_equal(high.gains[0, :40], low.gains[0, :40])
    distance = np.hypot(*high.positions[40:].T)
    loss = cm.UMaAV().loss_db(distance, 3.5e9, terminal_height=100.0, los=True)
    shadow = -10 * np.log10(high.gains[0, 40:]) - loss
    seen = cm.UMaAV().los_probability(distance, terminal_height=100.0)
    assert seen.min() > 0.9
    assert np.std(shadow[distance < 220]) == pytest.approx(4.64 * np.exp(-0.66), rel=0.15)


def test_devices_in_the_air_see_many_cells_and_are_heard_by_them():
    """The shipped scenario over three drops: sites in sight, downlink SIR, interference sent."""
    found = []
    for name in ("all on the ground", "half at 100 m"):
        (run,) = load(SCENARIO, only=(name,))
        sites, sir, sent = [], [], []
        for seed in (1, 2, 3):
            placed = place(replace(run.scenario, seed=seed))
            gain = placed.gains[:, 14:]
            own = gain.max(axis=0)
            sites += placed.large_scale.sight[:, 14:].sum(axis=0).tolist()
            sir += (10 * np.log10(own / (gain.sum(axis=0) - own))).tolist()
            # open-loop power is as the path loss to the power 0.8
            sent += ((gain.sum(axis=0) - own) / own**0.8).tolist()
        found.append((np.mean(sites), np.median(sir), 10 * np.log10(np.mean(sent))))
    low, high = found
    assert low[0] < 1.0
    assert high[0] > 5.5
    assert high[1] < low[1] - 5.0
    assert high[2] > low[2] + 3.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ("cells.0.channel.pathloss=uma", "devices.1.height=50 m"),
            r"devices\.1\.height: must be at most 22\.5 m, got 50 m; uma-av, umi-av and rma-av go",
        ),
        (
            ("cells.0.channel.pathloss={kind: uma-av, condition: nlos}", "devices.1.height=150 m"),
            r"devices\.1\.height: must be at most 100 m, got 150 m$",
        ),
        (
            ("cells.0.channel.pathloss=rma-av", "devices.1.height=400 m"),
            r"devices\.1\.height: must be at most 300 m, got 400 m$",
        ),
    ],
)
def test_a_height_that_a_model_lacks_is_one_line(tmp_path, settings, message):
    with pytest.raises(ScenarioError, match=message):
        scenario(tmp_path, *settings)
