"""Presets of LTE, NB-IoT and RedCap: widths, blocks and peak rates are those of the standards."""

from pathlib import Path

import pytest

import channel_models as cm
from tests.fixtures.runs import scenario
from wfl_sim.config.errors import ScenarioError
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.directions import UplinkConfig
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

PRESETS = Path(__file__).parents[2] / "scenarios/presets"
NEAR = (
    "devices.0.count=1",
    "devices.0.area={radius: 50 m}",
    "cells.0.channel={pathloss: free-space, shadowing: {sigma: 0 dB}, fading: static}",
    "rounds.count=1",
)
LAYERS = "{kind: layers, ports: 2, layers: 2, map: {kind: shannon-gap, cap: %s}}"


@pytest.mark.parametrize(
    ("given", "blocks", "spacing", "overheads"),
    [
        # TS 38.101-1 and -2 Tables 5.3.2-1, TS 36.104 Table 5.6-1; overheads of TS 38.306
        ({}, 51, 30e3, (0.14, 0.08)),
        ({"carrier": 7.125e9}, 51, 30e3, (0.14, 0.08)),
        ({"carrier": 28e9}, 66, 120e3, (0.18, 0.10)),
        ({"carrier": 28e9, "subcarrier_spacing": 60e3}, 132, 60e3, (0.18, 0.10)),
        ({"carrier": 1.8e9, "standard": "lte"}, 100, 15e3, (0.14, 0.08)),
        ({"carrier": 9e8, "standard": "nb-iot"}, 12, 15e3, (0.14, 0.08)),
        ({"carrier": 28e9, "uplink": UplinkConfig(overhead=0.3)}, 66, 120e3, (0.18, 0.3)),
    ],
)
def test_what_is_not_given_follows_standard_and_carrier(given, blocks, spacing, overheads):
    cell = CellConfig(**given)
    assert (cell.blocks, cell.subcarrier_spacing) == (blocks, spacing)
    assert (cell.downlink.overhead, cell.uplink.overhead) == overheads


@pytest.mark.parametrize(
    ("given", "up", "down"),
    [
        ({}, 5.0, 7.0),
        ({"carrier": 28e9}, 7.0, 10.0),
        ({"carrier": 28e9, "uplink": UplinkConfig(noise_figure=0.0)}, 0.0, 10.0),
        ({"carrier": 1.8e9, "standard": "lte"}, 5.0, 7.0),
    ],
)
def test_noise_is_that_of_the_frequency_range(given, up, down):
    cell = CellConfig(**given)
    for direction, figure in (("uplink", up), ("downlink", down)):
        thermal = 1.380649e-23 * 290 * cell.block_bandwidth * 10 ** (figure / 10)
        assert cell.noise(direction) == pytest.approx(thermal, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "settings", "down", "up"),
    [
        # bits in a subframe of TS 36.306 Tables 4.1-1 and 4.1-2, categories 4, 1, 3
        ("lte", (), 150_752e3, 51_024e3),
        (
            "lte",
            (
                "cells.0.downlink.rate={kind: shannon-gap, cap: 0.715}",
                "cells.0.uplink.rate.cap=0.35833333333333334",
            ),
            10_296e3,
            5_160e3,
        ),
        ("lte", (f"cells.0.downlink.rate={LAYERS % 3.5433333333333334}",), 102_048e3, 51_024e3),
        # TS 38.306 section 4.1.2 with 106 blocks; two layers
        ("redcap", (), cm.peak_rate(106, 15e3, 6, 0.14), cm.peak_rate(106, 15e3, 6, 0.08)),
        ("redcap", (), 85.07e6, 91.00e6),
        ("redcap", (f"cells.0.downlink.rate={LAYERS % 5.5547}",), 170.14e6, 91.00e6),
        # 680 bit in 26 ms and 1000 bit in 16 ms; NB2: 2536 bit in 20 ms and in 16 ms
        ("nb-iot", (), 680 / 26e-3, 1000 / 16e-3),
        (
            "nb-iot",
            (
                "cells.0.downlink.allocator.channels=1",
                "cells.0.uplink.allocator.channels=1",
                "cells.0.downlink.rate.cap=1.1123",
                "cells.0.uplink.rate.cap=1.1007",
            ),
            126.8e3,
            158.5e3,
        ),
    ],
)
def test_a_lone_device_nearby_has_the_peak_of_its_category(name, settings, down, up):
    (loaded,) = load(PRESETS / f"{name}.yaml", settings=(*NEAR, *settings))
    outcome = Simulation(loaded.scenario, network_only=True).run()
    rates = {
        span.activity: span.bits / (span.end - span.start)
        for span in outcome.spans
        if span.activity in ("download", "upload")
    }
    assert rates == pytest.approx({"download": down, "upload": up}, rel=1e-4)


@pytest.mark.parametrize(
    ("bandwidth", "blocks"), [(1.4, 6), (3, 15), (5, 25), (10, 50), (15, 75), (20, 100)]
)
def test_lte_has_the_blocks_of_its_widths(bandwidth, blocks):
    """TS 36.104 Table 5.6-1: 90 % of the channel, but 77 % of 1.4 MHz."""
    (loaded,) = load(PRESETS / "lte.yaml", settings=(f"cells.0.bandwidth={bandwidth} MHz",))
    (cell,) = loaded.scenario.base_stations
    assert (cell.blocks, cell.block_bandwidth) == (blocks, 180e3)
    occupied = cell.blocks * cell.block_bandwidth / cell.bandwidth
    assert occupied == pytest.approx(0.9 if bandwidth > 2 else 0.771, abs=1e-3)
    assert cell.symbol_rate("downlink") == pytest.approx(144e3)


def test_nb_iot_far_away_sends_on_one_subcarrier():
    """All the power on 15 kHz is 10.8 dB more than on 180 kHz."""
    (loaded,) = load(PRESETS / "nb-iot.yaml")
    (cell,) = loaded.scenario.base_stations
    assert (cell.blocks, cell.block_bandwidth) == (12, 15e3)
    one = cell.noise("uplink") * cell.block_snr / 0.2
    assert [cell.held_blocks(one * n, 0.2) for n in (0.5, 1.0, 3.5, 100.0)] == [1, 1, 3, 12]
    single = cell.uplink.rate.cap * cell.symbol_rate("uplink")
    assert single == pytest.approx(250e3 / 12)
    assert cell.reference_power == pytest.approx(cell.downlink.power / 12)
    narrow = load(PRESETS / "nb-iot.yaml", settings=("cells.0.subcarrier_spacing=3.75 kHz",))
    assert narrow[0].scenario.base_stations[0].blocks == 48


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("lte", "cells.0.bandwidth=25 MHz", r"one of 1\.4, 3, 5, 10, 15, 20 MHz at 15 kHz in LTE"),
        ("lte", "cells.0.subcarrier_spacing=30 kHz", r"must be one of 15 kHz in LTE, got 30 kHz"),
        ("lte", "cells.0.carrier=6.5 GHz", r"carrier: must be at most 6e\+09 Hz for LTE"),
        ("nb-iot", "cells.0.bandwidth=200 kHz", r"must be one of 0\.18 MHz at 15 kHz in NB-IoT"),
        ("lte", "cells.0.ideal_blocks=10", r"standard: is beside `ideal_blocks`"),
        ("lte", "cells.0.wired=1 Gbit/s", r"standard: is beside `ideal_blocks`"),
        ("lte", "cells.0.standard=lte-m", r"standard: must be one of 'nr', 'lte', 'nb-iot'"),
    ],
)
def test_what_a_standard_lacks_is_one_line(name, setting, message):
    with pytest.raises(ScenarioError, match=message):
        load(PRESETS / f"{name}.yaml", settings=(setting,))


@pytest.mark.parametrize(
    ("key", "bare", "meant"),
    [
        ("cells.0.antenna", "{kind: sector, boresight: 90}", "{kind: sector, boresight: 90 deg}"),
        ("cells.0.antenna", "{kind: sector, beamwidth: 65}", "{kind: sector, beamwidth: 65 deg}"),
        ("cells.0.antenna", "{kind: panel, downtilt: 6}", "{kind: panel, downtilt: 6 deg}"),
        ("cells.0.antenna", "{kind: panel, misalignment: 2}", "{kind: panel, misalignment: 2 deg}"),
        ("cells.0.carrier", "3.5", "3.5 GHz"),
        ("cells.0.channel.fading.delay_spread", "300", "300 ns"),
        ("handover.time_to_trigger", "160", "160 ms"),
    ],
)
def test_a_unit_that_was_left_out_is_said(tmp_path, key, bare, meant):
    two = "layout={kind: hexagonal, rings: 1}"
    assert scenario(tmp_path, two, f"{key}={meant}")
    with pytest.raises(ScenarioError, match=r"must be at (most|least)"):
        scenario(tmp_path, two, f"{key}={bare}")
