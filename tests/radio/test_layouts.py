"""Layouts, areas and association: places, antennas, and who is served by whom."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import outcome, scenario
from wfl_sim.config.errors import ScenarioError
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.deployment.layouts import Hexagonal
from wfl_sim.simulation.placement import place

SEVEN = (
    "layout={kind: hexagonal, rings: 1, spacing: 500 m}",
    "devices.0.area=cells",
    "devices.1.area=cells",
    "cells.0.channel.pathloss={kind: uma, condition: nlos}",
)
PLAIN = ("cells.0.channel.shadowing.sigma=0 dB", "cells.0.channel.fading=static")


def test_a_layout_makes_a_cell_of_each_sector(tmp_path):
    made = scenario(tmp_path, *SEVEN)
    assert len(made.cells) == 1
    assert len(made.base_stations) == 7
    places = np.array([cell.position for cell in made.base_stations])
    assert np.hypot(*places[1:].T) == pytest.approx(500.0)
    sectors = Hexagonal(rings=2, sectors=3).cells(CellConfig())
    assert len(sectors) == 57
    assert sectors[1].position == sectors[0].position
    assert [np.rad2deg(cell.antenna.boresight) for cell in sectors[:3]] == pytest.approx(
        [30, 150, 270]
    )


def test_reuse_gives_neighbours_different_carriers():
    layout = Hexagonal(rings=2, reuse=3, wrap_around=False)
    cells = layout.cells(CellConfig())
    places = np.array([cell.position for cell in cells])
    away = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    carriers = np.array([cell.carrier for cell in cells])
    same = carriers[:, None] == carriers[None]
    np.fill_diagonal(same, False)
    assert len(set(carriers)) == 3
    assert np.diff(sorted(set(carriers))) == pytest.approx(cells[0].bandwidth)
    # The reuse distance of a cluster of three is sqrt(3 K) radii: 3 R = sqrt(3) spacings.
    assert away[same].min() == pytest.approx(np.sqrt(3) * 500)
    by_sector = Hexagonal(rings=1, sectors=3, reuse=3).cells(CellConfig())
    assert len({cell.carrier for cell in by_sector[:3]}) == 3


def test_devices_over_cells_are_uniform_and_keep_their_distance():
    layout, rng = Hexagonal(rings=1), np.random.default_rng(1)
    points = np.array([layout.drop(35.0, rng) for _ in range(4000)])
    away = layout.grid.distances(points)
    assert away.min() >= 35.0
    nearest = np.bincount(away.argmin(axis=1), minlength=7)
    assert np.abs(nearest - 4000 / 7).max() < 5 * np.sqrt(4000 / 7)
    # E[r^2] over a hexagon with corners at R is 5/12 R^2; the hole of 35 m adds little.
    area, hole = 1.5 * np.sqrt(3) * layout.grid.cell_radius**2, np.pi * 35.0**2
    moment = 5 / 12 * layout.grid.cell_radius**2 * area - hole * 35.0**2 / 2
    assert np.mean(away.min(axis=1) ** 2) == pytest.approx(moment / (area - hole), rel=0.03)


def test_every_device_has_the_cell_that_it_hears_best(tmp_path):
    placed = place(scenario(tmp_path, *SEVEN))
    assert (placed.gains[placed.serving, np.arange(6)] == placed.gains.max(axis=0)).all()
    few, more = placed, place(scenario(tmp_path, *SEVEN, "devices.1.count=4"))
    assert (more.gains[:, :6] == few.gains).all()


def test_a_bias_widens_a_cell_and_power_counts(tmp_path):
    """Half way between two cells, the one with 3 dB more of either serves."""
    pair = "cells=[{position: [-500, 0], %s}, {position: [500, 0], %s}]"
    middle = ("devices.0.area={kind: positions, at: [[10, 50], [10, -50], [10, 0], [10, 20]]}",
              "devices.1.area={kind: positions, at: [[10, 5], [10, -5]]}")  # fmt: skip
    still = "channel: {pathloss: macro, fading: static, shadowing: {sigma: 0 dB}}"

    def serving(left, right):
        text = pair % (f"{still}, {left}", f"{still}, {right}")
        return set(place(scenario(tmp_path, text, *middle)).serving.tolist())

    assert serving("bias: 0 dB", "bias: 0 dB") == {1}
    assert serving("bias: 3 dB", "bias: 0 dB") == {0}
    assert serving("downlink: {power: 46 dBm}", "downlink: {power: 43 dBm}") == {0}


def test_the_gain_is_antenna_less_path_loss_and_sectors_share_their_shadow(tmp_path):
    made = scenario(
        tmp_path, *SEVEN, "layout.sectors=3", "layout.rings=0", "devices.0.height=1.5 m"
    )
    where = np.array([[200.0, 0.0]])
    gains = place(made).large_scale.gains(np.array([0]), where)[:, 0]
    azimuth, zenith = cm.direction([0.0, 0.0], where, 25.0, 1.5)
    patterns = [
        cm.Sector(boresight=np.deg2rad(b)).gain_db(azimuth, zenith)[0] for b in (30, 150, 270)
    ]
    assert 10 * np.log10(gains / gains[0]) == pytest.approx(np.array(patterns) - patterns[0])
    quiet = scenario(tmp_path, *SEVEN, *PLAIN, "cells.0.channel.pathloss=macro")
    gain = place(quiet).large_scale.gains(np.array([0]), where)[0, 0]
    slant = np.hypot(200.0, 25.0 - 1.5)
    assert -10 * np.log10(gain) == pytest.approx(
        cm.Macro().loss_db(200.0, 3.5e9, base_height=25.0, terminal_height=1.5)
    )
    assert slant > 200.0


def test_wrap_around_shows_every_cell_the_same_surroundings(tmp_path):
    made = scenario(tmp_path, *SEVEN, *PLAIN, "cells.0.channel.pathloss=macro")
    large, around = place(made).large_scale, np.array([60.0, 25.0])
    found = [
        np.sort(large.gains(np.array([0]), np.array([cell.position]) + around)[:, 0])
        for cell in made.base_stations
    ]
    assert np.array(found) == pytest.approx(np.tile(found[0], (7, 1)))


def test_a_run_over_seven_cells_serves_devices_in_several(tmp_path):
    result = outcome(tmp_path, *SEVEN, "devices.0.count=20", "rounds.clients=20")
    cells = {span.cell for span in result.spans if span.activity == "upload"}
    assert len(cells) >= 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["layout={kind: hexagonal, rings: 4}"], "layout.rings: must be 0 to 3, got 4"),
        (["layout={kind: hexagonal, reuse: 3}"], "layout.reuse: must be 1 with wrap_around"),
        (["layout={kind: hexagonal, reuse: 2}"], "layout.reuse: must be one of 1, 3, got 2"),
        (
            ["layout={kind: hexagonal, reuse: 3, sectors: 3}", "cells.0.carrier=7.12 GHz"],
            "layout.reuse: puts cells on three carriers side by side: carrier must",
        ),
        (["layout={kind: hexagonal}", "cells=[{}, {}]"], "cells: must be one cell, the template"),
        (["layout={kind: hexagonal}", "cells.0.position=[5, 0]"],
         "cells.0.position: is that of the layout"),
        (["layout={kind: hexagonal, spacing: 60 m}", "devices.0.area=cells"],
         "devices.0.area.min_distance: must be smaller than 30 m"),
        (["devices.0.area=cells"], "devices.0.area: needs a layout"),
        (["devices.0.area={kind: positions, at: [[100, 0]]}"],
         "devices.0.area: must be 4 places, one a device, got 1"),
        (["cells.0.channel.pathloss=uma",
          "devices.0.area={kind: positions, at: [[100, 0], [5, 0], [100, 9], [0, 90]]}"],
         "devices.0.area: must be at least 10 m for UMa, got 5 m"),
        (["cells.0.channel.pathloss=uma", "devices.0.area={radius: 50 m, centre: [56 m, 0 m]}"],
         "devices.0.area: must be at least 10 m for UMa, got 6 m"),
        (["devices.0.area={kind: positions}"], "devices.0.area: must have one of `at` (a"),
    ],
)  # fmt: skip
def test_an_impossible_layout_is_one_located_line(tmp_path, settings, message):
    with pytest.raises(ScenarioError) as caught:
        scenario(tmp_path, *settings)
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
