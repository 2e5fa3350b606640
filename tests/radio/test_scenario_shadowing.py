"""Large-scale propagation of one scenario: heights, sigma and decorrelation by line of sight."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import scenario
from wfl_sim.radio.cell import CellConfig, ChannelConfig
from wfl_sim.radio.large_scale import LargeScale

MODELS = [
    (cm.UMa, 25.0, (4.0, 6.0), (37.0, 50.0), 50.0),
    (cm.UMi, 10.0, (4.0, 7.82), (10.0, 13.0), 50.0),
    (cm.RMa, 35.0, (4.0, 8.0), (37.0, 120.0), 60.0),
    (cm.InH, 3.0, (3.0, 8.03), (10.0, 6.0), 10.0),
]
"""Height (Table 7.2-1 and on), sigma and decorrelation with and without sight, that of sight."""


def shadows(model, condition, places):
    """dB (places,) of shadowing of one moving device at each place, from the gains."""
    cell = CellConfig(
        channel=ChannelConfig(pathloss=model(condition=condition), shadowing=cm.ScenarioShadowing())
    )
    count = len(places)
    scale = LargeScale(
        [cell],
        seed=3,
        heights=np.full(count, 1.5),
        moves=np.ones(count, dtype=bool),
        offsets=lambda positions: positions[:, None, :],
    )
    gain = scale.gains(np.arange(count), places)[0]
    loss = cell.channel.pathloss.loss_db(
        np.hypot(*places.T), cell.carrier, base_height=cell.base_height, terminal_height=1.5
    )
    return -10 * np.log10(gain) - loss


@pytest.mark.parametrize(("model", "height", "sigmas", "apart", "sight"), MODELS)
@pytest.mark.parametrize("state", [0, 1])
def test_sigma_and_decorrelation_are_those_of_the_state(model, height, sigmas, apart, sight, state):
    """Correlation exp(-1) one decorrelation distance apart, over a fleet of places."""
    assert CellConfig(channel=ChannelConfig(pathloss=model())).base_height == height
    assert model.los_decorrelation == sight
    rng = np.random.default_rng(1)
    scale = apart[state]
    size = min(60 * scale, 4500.0) if model is not cm.InH else 140.0
    places = rng.uniform(0.1 * size, 0.7 * size, (1500, 2))
    turned = np.exp(2j * np.pi * rng.random(1500)) * scale
    moved = places + np.column_stack((turned.real, turned.imag))
    condition = ("los", "nlos")[state]
    both = shadows(model, condition, np.vstack((places, moved)))
    here, there = np.split(both, 2)
    assert here.std() == pytest.approx(sigmas[state], rel=0.2)
    assert np.corrcoef(here, there)[0, 1] == pytest.approx(np.exp(-1), abs=0.12)


def test_a_height_that_is_given_holds_and_other_models_have_25_m():
    assert CellConfig(height=12.0).base_height == 12.0
    assert CellConfig(channel=ChannelConfig(pathloss=cm.Macro())).base_height == 25.0


def test_shadowing_of_the_scenario_needs_one(tmp_path):
    with pytest.raises(ValueError, match=r"needs a path loss of TR 38.901 .* got Macro"):
        scenario(tmp_path, "cells.0.channel.shadowing=scenario")


def test_speed_zero_is_said_to_freeze_the_fading(tmp_path):
    from wfl_sim.simulation.remarks import frozen_remarks

    still = scenario(tmp_path, "devices.0.speed=0")
    assert [path for path, _ in frozen_remarks(still)] == [("devices", 0, "speed")]
    for harmless in (
        "devices.0.speed=1",
        "cells.0.channel.fading=static",
        "cells.0.channel.fading=block",
    ):
        settings = ("devices.0.speed=0", harmless)
        assert [*frozen_remarks(scenario(tmp_path, *settings))] == []
