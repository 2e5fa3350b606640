"""Antenna arrays and layers: array factor, zero forcing, the rank rule, measured uplinks."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import outcome
from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.channel.layers import Layers

LEVEL = np.pi / 2
ROOT = Path(__file__).parents[2]
MEASUREMENT = SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks/measured_uplink.py")))


def test_a_column_has_its_rows_at_the_tilt_and_half_of_it_at_half_its_width():
    tilt = np.deg2rad(6.0)
    panel = cm.Panel(rows=8, spacing=0.5, downtilt=tilt)
    element = cm.Sector(peak_gain=8.0)
    top = panel.gain_db(0.0, LEVEL + tilt) - element.gain_db(0.0, LEVEL + tilt)
    assert top == pytest.approx(10 * np.log10(8), abs=1e-9)
    # Balanis 2016, section 6.3: 0.886 wavelengths over the length, in the sine of the angle.
    half = np.arccos(np.cos(LEVEL + tilt) + 0.886 / (8 * 0.5) / 2)
    down = panel.gain_db(0.0, half) - element.gain_db(0.0, half)
    assert top - down == pytest.approx(3.01, abs=0.1)
    # At half a wavelength the powers of all directions have mean one, whatever the tilt.
    cosine = (np.arange(4000) + 0.5) / 2000 - 1
    zenith = np.arccos(cosine)
    factor = panel.gain_db(0.0, zenith) - element.gain_db(0.0, zenith)
    assert cm.db_to_linear(factor).mean() == pytest.approx(1.0, abs=0.01)


def test_a_beam_that_follows_loses_by_its_error():
    """64 elements are 18.06 dB; 1 degree on 8 rows and columns of width 12.7 degrees 0.149 dB."""
    exact = cm.Panel(rows=8, columns=8, misalignment=0.0)
    loose = cm.Panel(rows=8, columns=8, misalignment=np.deg2rad(1.0))
    assert exact.gain_db(0.0, LEVEL) == pytest.approx(8 + 18.0618, abs=1e-4)
    width = np.rad2deg(0.886 / 4)
    assert exact.gain_db(0.3, 1.7) - loose.gain_db(0.3, 1.7) == pytest.approx(24 / width**2)
    rng, error = np.random.default_rng(0), np.deg2rad(1.0)
    losses = 12 * (rng.normal(0, error, (2, 20_000)) / (0.886 / 4)) ** 2
    assert losses.sum(axis=0).mean() == pytest.approx(24 / width**2, rel=0.03)


def test_the_sinr_of_a_layer_is_that_of_zero_forcing_on_independent_ports():
    rng = np.random.default_rng(1)
    for ports, layers in ((4, 1), (4, 2), (8, 4)):
        parts = rng.normal(size=(2, 4000, ports, layers)) / np.sqrt(2)
        channel = parts[0] + 1j * parts[1]
        gram = np.linalg.inv(channel.conj().transpose(0, 2, 1) @ channel)
        sinr = 1 / np.real(np.diagonal(gram, axis1=1, axis2=2)) / layers
        expected = dict(Layers(ports=ports, layers=layers)._ranks)[layers]
        assert sinr.mean() == pytest.approx(expected, rel=0.03)


def test_the_rank_rises_with_the_sinr():
    """Two layers beat one from ``(1 + 3 s / 2)^2 = 1 + 4 s`` on, s = 4/9 at one of four ports."""
    rate = Layers(ports=4, layers=2, map=cm.Shannon())
    one = Layers(ports=4, layers=1, map=cm.Shannon())
    low, high = 4 / 9 * 0.999, 4 / 9 * 1.001
    assert rate.spectral_efficiency(low) == one.spectral_efficiency(low)
    assert one.spectral_efficiency(low) == pytest.approx(np.log2(1 + 4 * low))
    assert rate.spectral_efficiency(high) == pytest.approx(2 * np.log2(1 + 1.5 * high))
    assert rate.spectral_efficiency(high) > one.spectral_efficiency(high)
    known, sinr = np.array([0.1, 0.1, 30.0, 10.0]), np.array([30.0, 10.0, 0.1, 0.1])
    weight, first = np.array([1.0, 0.5, 1.0, 1.0]), np.array([0, 2])
    stale = rate.transport_efficiency(known, sinr, weight, first)
    single, double = np.log2(1 + 4 * sinr[:2]), 2 * np.log2(1 + 1.5 * sinr[2:])
    assert stale == pytest.approx([(single * weight[:2]).sum() / 1.5, double.mean()])


def test_measured_uplinks_are_met():
    """Five levels within a factor of 1.5, and 14 of the 15 points; the last one within 1.6."""
    ratio = np.array(
        [MEASUREMENT.uplink(rsrp) / measured for rsrp, measured in MEASUREMENT.MEASURED]
    )
    factor = np.maximum(ratio, 1 / ratio)
    assert factor[[0, 4, 8, 9, 14]].max() < 1.35
    assert np.sort(factor)[-2] < 1.5
    assert factor.max() < 1.6


@pytest.mark.parametrize("layers", [1, 3])
def test_one_layer_and_a_known_truth_are_computed_once_and_alike(layers):
    scheme, first = cm.McsRate(), np.array([0, 3])
    rate = Layers(ports=4, layers=layers, map=scheme)
    known, weight = np.array([0.2, 3.0, 40.0, 1.0, 9.0]), np.array([1.0, 0.5, 1.0, 1.0, 0.3])
    once = rate.transport_efficiency(known, known, weight, first)
    twice = rate.transport_efficiency(known, known.copy(), weight, first)
    assert np.array_equal(once, twice)
    if layers == 1:
        four = 4 * known
        assert np.array_equal(once, scheme.transport_efficiency(four, four, weight, first))


def test_arrays_and_layers_shorten_rounds_and_schemes_have_layers_too(tmp_path):
    channel = "channel: {pathloss: macro, shadowing: {sigma: 6 dB}}"
    cell = f"cells=[{{bandwidth: 5 MHz, {channel}, uplink: {{rate: %s}}, antenna: %s}}]"
    cases = [
        ("shannon-gap", "omni"),
        ("{kind: layers, ports: 8, layers: 2}", "omni"),
        ("{kind: layers, ports: 8, layers: 2, map: mcs}", "omni"),
        (
            "{kind: layers, ports: 8, layers: 2}",
            "{kind: panel, rows: 8, columns: 8, misalignment: 2 deg}",
        ),
    ]
    plain, layers, schemes, beam = (
        outcome(tmp_path, cell % case, "rounds.count=1").totals["simulated_seconds"]
        for case in cases
    )
    assert beam < layers < plain
    assert layers < schemes < plain


@pytest.mark.parametrize(
    ("rate", "key"),
    [
        ({"map": Layers()}, ("map",)),
        ({"map": cm.McsRate(outer_loop=cm.OuterLoop())}, ("map", "outer_loop")),
        ({"ports": 2, "layers": 4}, ("layers",)),
    ],
)
def test_what_layers_would_not_heed_is_refused(rate, key):
    with pytest.raises(LocatedError) as raised:
        Layers(**rate)
    assert raised.value.path == key


@pytest.mark.parametrize("interference", ["coupled", "load-average"])
def test_a_beam_follows_its_own_device_and_no_other(tmp_path, interference):
    """Of neighbours a device hears the element; their beams cost as much as 18 dB more before."""

    def sinr_db(antenna, heard):
        cells = ", ".join(
            f"{{carrier: 28 GHz, bandwidth: 100 MHz, position: [{place}, 0], channel: {{pathloss: "
            f"{{kind: umi, condition: los}}, shadowing: {{sigma: 0 dB}}, fading: static}}, "
            f"antenna: {{{antenna}, boresight: {boresight} deg}}, uplink: {{allocator: equal}}, "
            f"downlink: {{power: 30 dBm}}}}"
            for place, boresight in ((0, 0), (200, 180))
        )
        places = "{kind: positions, at: [[60, 20], [140, -20]]}"
        found = outcome(
            tmp_path,
            f"cells=[{cells}]",
            f"devices=[{{count: 2, hardware: jetson-orin-nano, area: {places}}}]",
            f"interference={heard}",
            "load_memory=0 s",
            "rounds={kind: synchronous, count: 1}",
        ).spans
        return {s.activity: s.mean_sinr_db for s in found if s.mean_sinr_db is not None}

    element, array = "kind: sector", "kind: panel, rows: 8, columns: 8, misalignment: 0"
    noise, heard = sinr_db(element, "none"), sinr_db(element, interference)
    beam = sinr_db(array, interference)
    gain = 64.0
    for way in ("upload", "download"):
        free, limited = cm.db_to_linear(noise[way]), cm.db_to_linear(heard[way])
        interferer = 1 / limited - 1 / free  # over what is received
        expected = gain / (1 / free + interferer)
        assert beam[way] == pytest.approx(cm.linear_to_db(expected), abs=0.02)
