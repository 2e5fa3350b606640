"""Large-scale propagation of one scenario: heights, sigma and decorrelation by line of sight."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import BASE, scenario
from wfl_sim.config.errors import ScenarioError
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.channel.propagation import ChannelConfig
from wfl_sim.radio.deployment.large_scale import LargeScale
from wfl_sim.simulation.placement import place

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
    with pytest.raises(ValueError, match=r"needs a path loss of TR 38.901 .* got macro"):
        scenario(tmp_path, "cells.0.channel.shadowing=scenario")


def test_speed_zero_is_said_to_freeze_the_fading(tmp_path):
    from wfl_sim.simulation.scenario_remarks import frozen_remarks

    still = scenario(tmp_path, "devices.0.speed=0")
    assert [path for path, _ in frozen_remarks(still)] == [("devices", 0, "speed")]
    for harmless in (
        "devices.0.speed=1",
        "cells.0.channel.fading=static",
        "cells.0.channel.fading=block",
    ):
        settings = ("devices.0.speed=0", harmless)
        assert [*frozen_remarks(scenario(tmp_path, *settings))] == []


def test_a_power_without_a_unit_is_in_watts_and_said(tmp_path):
    from wfl_sim.simulation.scenario_remarks import loud_remarks

    ((path, text),) = loud_remarks(scenario(tmp_path, "devices.0.power=23"))
    assert path == ("devices", 0, "power")
    assert text.startswith("23 W are 43.6 dBm")
    for meant in ("23 dBm", "0.2", "class-1.5", "36 dBm", "90 dBm"):
        assert [*loud_remarks(scenario(tmp_path, f"devices.0.power={meant}"))] == []


def test_a_height_that_a_path_loss_was_not_fitted_for_is_said(tmp_path):
    from wfl_sim.simulation.scenario_remarks import height_remarks

    high = scenario(tmp_path, "cells.0.height=40 m", "cells.0.channel.pathloss=umi")
    ((path, text),) = height_remarks(high)
    assert path == ("cells", 0, "height")
    assert text.startswith("umi is of base stations at 10 m")
    for fine in (
        "height: 10 m, channel: {pathloss: umi}",
        "height: 40 m, channel: {pathloss: rma}",
    ):
        assert [*height_remarks(scenario(tmp_path, f"cells.0={{{fine}}}"))] == []


def test_walls_that_rural_cells_do_not_have_are_said(tmp_path):
    from wfl_sim.simulation.scenario_remarks import entry_remarks

    def said(loss, model="low"):
        cell = f"cells.0.channel={{pathloss: {loss}, entry: {{model: {model}}}}}"
        return [path for path, _ in entry_remarks(scenario(tmp_path, cell, "devices.0.indoor=1"))]

    assert said("rma", "high") == [("cells", 0, "channel", "entry", "model")]
    assert said("rma") == said("uma", "high") == []


@pytest.mark.parametrize(
    ("second", "same"),
    [
        ("{}", True),
        ("position: [1, 0]", False),
        ("carrier: 2 GHz", False),
        ("bias: 3 dB", False),
        ("antenna: {kind: sector, boresight: 0 deg}", False),
        ("wired: 1 Gbit/s", False),
    ],
)
def test_a_cell_that_serves_nobody_is_said(tmp_path, second, same):
    """Devices measure the same of both and attach to the first."""
    from wfl_sim.simulation.scenario_remarks import twin_remarks

    second = second if second == "{}" else f"{{{second}}}"
    two = scenario(tmp_path, f"cells=[{{}}, {second}]")
    assert [path for path, _ in twin_remarks(two)] == [("cells", 1, "position")] * same
    if same:
        assert set(place(two).serving) == {0}


@pytest.mark.parametrize(
    ("cell", "share"),
    [
        ("channel: {fading: {kind: rayleigh, profile: tdl-c, delay_spread: 1 us}}", "4.1%"),
        ("channel: {pathloss: {kind: uma, condition: nlos}}, subcarrier_spacing: 60 kHz", "3.3%"),
        ("channel: {pathloss: {kind: uma, condition: los}}, subcarrier_spacing: 60 kHz", None),
        ("channel: {pathloss: uma}", None),
        ("channel: {fading: {kind: rayleigh, delay_spread: 1 ms}}", None),
        ("ideal_blocks: 9, channel: {fading: {kind: rayleigh, profile: tdl-c}}", None),
    ],
)
def test_power_beyond_the_cyclic_prefix_is_said(tmp_path, cell, share):
    """TDL-C: taps from 2.7 delay spreads on have 4.1 %, from 4.2 on 3.3 % (Table 7.7.2-3)."""
    from wfl_sim.simulation.scenario_remarks import echo_remarks

    found = [*echo_remarks(scenario(tmp_path, f"cells.0={{bandwidth: 10 MHz, {cell}}}"))]
    assert len(found) == (share is not None)
    for path, text in found:
        assert path == ("cells", 0, "subcarrier_spacing")
        assert text.startswith(f"{share} of the power comes later")


def test_no_wall_is_between_devices_in_a_building_and_cells_in_it(tmp_path):
    """PL_tw is of UMa, UMi and RMa: an office is indoors as a whole (TR 38.901 section 7.2)."""
    text = BASE.replace("count: 4", "count: 50")
    near = "area={radius: 60 m, min_distance: 3 m}"
    settings = f"devices.0.{near}", f"devices.1.{near}", "cells.0.channel.pathloss=inh"
    alike = [
        place(scenario(tmp_path, *settings, f"devices.0.indoor={share}", text=text)).gains[0, :50]
        for share in (0, 1)
    ]
    assert alike[0] == pytest.approx(alike[1], rel=1e-12)


def test_walls_cost_what_the_table_says(tmp_path):
    """PL_tw + 0.5 x depth, the less of two draws up to 25 m, and 4.4 dB about it."""
    text = BASE.replace("count: 4", "count: 1500")
    outside, inside = (
        place(scenario(tmp_path, f"devices.0.indoor={share}", text=text)).gains[0, :1500]
        for share in (0, 1)
    )
    loss = 10 * np.log10(outside / inside)
    entry = cm.BuildingEntry()
    assert loss.mean() == pytest.approx(entry.wall_loss_db(3.5e9) + 0.5 * 25 / 3, abs=0.4)
    assert loss.std() == pytest.approx(np.hypot(4.4, 0.5 * 25 / np.sqrt(18)), rel=0.07)
    half = place(scenario(tmp_path, "devices.0.indoor=0.5", text=text)).gains[0, :1500]
    assert (half == outside).mean() == pytest.approx(0.5, abs=0.05)


def test_sight_of_a_building_depends_on_the_way_outdoors(tmp_path):
    """TR 38.901 Table 7.4.2-1 has d_2D-out: P(d - depth), the less of two draws up to 25 m."""
    text = BASE.replace("count: 4", "count: 3000")
    area = "devices.0.area={radius: 60 m, min_distance: 59.9 m}"

    def gains(condition):
        model = f"cells.0.channel.pathloss={{kind: uma, condition: {condition}}}"
        found = place(scenario(tmp_path, model, area, "devices.0.indoor=1", text=text))
        return found.gains[0, :3000]

    depth = cm.BuildingEntry().draw_inside(20_000, np.random.default_rng(2))
    model = cm.UMa(condition="mixed")
    expected = model.los_probability(60 - depth).mean()
    assert expected > model.los_probability(60.0) + 0.05
    assert (gains("mixed") == gains("los")).mean() == pytest.approx(expected, abs=0.03)


def test_walls_at_a_carrier_that_the_table_lacks_are_refused_there(tmp_path):
    low = "cells.0.carrier=450 MHz"
    assert scenario(tmp_path, low)
    with pytest.raises(ScenarioError, match=r"cells\.0\.carrier: must be at least 5e\+08 Hz"):
        scenario(tmp_path, low, "devices.0.indoor=1")


@pytest.mark.parametrize(
    "shadowing",
    [
        cm.LogNormal(site_correlation=0.5),
        cm.ShadowMap(site_correlation=0.5),
        cm.ScenarioShadowing(site_correlation=0.5),
        cm.LogNormal(),
    ],
)
def test_sites_share_half_and_sectors_all(shadowing):
    """Correlation 0.5 between sites and 1.0 between the sectors of a site (TR 36.814)."""
    sites = np.array([[-3000.0, 0.0], [0.0, 0.0], [0.0, 0.0], [3000.0, 0.0]])
    channel = ChannelConfig(pathloss=cm.UMa(condition="nlos"), shadowing=shadowing)
    count, rng = 1000, np.random.default_rng(1)
    scale = LargeScale(
        [CellConfig(channel=channel, position=tuple(site)) for site in sites.tolist()],
        seed=3,
        heights=np.full(count, 1.5),
        moves=np.zeros(count, dtype=bool),
        offsets=lambda places: places[:, None] - sites,
    )
    turn = 2 * np.pi * rng.random(count)
    places = rng.uniform(200, 1500, count)[:, None] * np.column_stack((np.cos(turn), np.sin(turn)))
    away = np.hypot(*(places[:, None] - sites).T)
    loss = cm.UMa().loss_db(away, 3.5e9, base_height=25.0, terminal_height=1.5)
    found = np.corrcoef(10 * np.log10(scale.gains(np.arange(count), places)) + loss)
    expected = np.full((4, 4), shadowing.site_correlation)
    expected[np.diag_indices(4)] = expected[1, 2] = expected[2, 1] = 1.0
    np.testing.assert_allclose(found, expected, atol=0.12)


def test_indoor_terminals_have_the_shadowing_of_the_walls(tmp_path):
    """7 dB in place of 6 (TR 38.901 section 7.4.3), every 7 m another (Table 7.5-6)."""
    text = BASE.replace("count: 4", "count: 600").replace("macro", "uma")
    shadowing, walls = "cells.0.channel.shadowing", "devices.0.indoor=1"

    def db(*settings):
        return 10 * np.log10(place(scenario(tmp_path, *settings, text=text)).gains[0, :600])

    without = db(walls, f"{shadowing}={{sigma: 0 dB}}")
    assert (db(walls, f"{shadowing}=scenario") - without).std() == pytest.approx(7.0, rel=0.08)


def test_an_average_load_is_said_to_miss_bursts(tmp_path):
    from wfl_sim.simulation.scenario_remarks import burst_remarks

    cells = "cells=[{position: [0, 0]}, {position: [500, 0]}]"
    averaged = (cells, "interference=load-average")
    ((path, line),) = burst_remarks(scenario(tmp_path, *averaged))
    assert (path, "an average over 10 s" in line) == (("interference",), True)
    for more in ("load_memory=0 s", "rounds={kind: asynchronous, count: 5}", "interference=none"):
        assert [*burst_remarks(scenario(tmp_path, *averaged, more))] == []
