"""Ray tables: two paths in closed form, gains, rates, converters of exports, the shipped street."""

import re
from pathlib import Path

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import outcome, scenario
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.radio.channel.ray_exports import from_deepmimo, from_sionna, write_rays
from wfl_sim.radio.channel.rays import RayFading, read_gains
from wfl_sim.simulation.placement import place

ROOT = Path(__file__).parents[2]
LIGHT = 299_792_458.0


def table(tmp_path, rows, name="rays.csv"):
    write_rays(tmp_path / name, rows)
    return str(tmp_path / name)


def test_two_paths_beat_as_their_closed_form(tmp_path):
    """``|h|^2 = 1 + 2 a b cos(2 pi (v t - f d) + p) / (a^2 + b^2)`` around a mean of one."""
    rows = [(3, 1e-7, -80.0, 0.5, 4.0), (3, 6e-7, -86.0, -1.0, -16.0), (5, 1e-7, -90.0, 0.0, 0.0)]
    fading = RayFading(path=table(tmp_path, rows))
    assert fading.sampling_step == pytest.approx(0.2 / 20)
    a, b = 10 ** (-80 / 20), 10 ** (-86 / 20)
    assert fading.link_gains == {
        3: pytest.approx(10 * np.log10(a * a + b * b)),
        5: pytest.approx(-90.0),
    }
    time, offset = np.linspace(0.0, 0.3, 40), np.linspace(-1e7, 1e7, 7)
    found = fading.of_links(np.array([5, 3])).power(time, offset)
    phase = 2 * np.pi * (20 * time[:, None] + 5e-7 * offset) + 1.5
    expected = 1 + 2 * a * b * np.cos(phase) / (a * a + b * b)
    assert found[1] == pytest.approx(expected, rel=1e-9)
    assert found[0] == pytest.approx(np.ones((40, 7)))
    assert fading.law.mean == pytest.approx(1.0, abs=0.05)


def test_an_upload_has_the_rate_of_its_path(tmp_path):
    """One path is a flat channel of its gain; the path loss of the cell does not count."""
    path = table(tmp_path, [(i, 1e-7 * (i + 1), -95.0 - i, 0.3, 7.0) for i in range(6)])
    text = (
        f"cells=[{{bandwidth: 10 MHz, channel: {{fading: {{kind: rays, path: {path}}}}}, "
        "uplink: {rate: shannon, allocator: equal}}]"
    )
    result = outcome(tmp_path, text, "rounds.count=1", "rounds.clients=1")
    (upload,) = [s for s in result.spans if s.activity == "upload"]
    gain = 10 ** (-9.5 - 0.1 * int(upload.actor.rpartition("-")[2]))
    noise = cm.thermal_noise_density() * 360e3 * 10**0.5
    snr = 10 ** (2.3 - 3) / 24 * gain / noise
    rate = 24 * 360e3 * 14 / 15 * 0.92 * np.log2(1 + snr)
    assert upload.mean_rate == pytest.approx(rate, rel=1e-5)


def test_gains_are_those_of_the_file(tmp_path):
    (tmp_path / "gains.csv").write_text(
        "device,gain (dB)\n" + "".join(f"{i},{-80 - i}\n" for i in range(6))
    )
    text = f"cells=[{{channel: {{gains: {tmp_path / 'gains.csv'}}}, antenna: sector}}]"
    gains = place(scenario(tmp_path, text)).gains
    assert 10 * np.log10(gains[0]) == pytest.approx([-80 - i for i in range(6)])


def test_exports_of_sionna_become_the_same_channel(tmp_path):
    rng = np.random.default_rng(2)
    shape = (4, 2, 3, 2, 5, 1)
    a = 1e-4 * (rng.normal(size=shape) + 1j * rng.normal(size=shape))
    tau, doppler = rng.uniform(0, 1e-6, (4, 3, 5)), rng.normal(0, 10, (4, 3, 5))
    a[1, ..., 4, :], tau[1, :, 4] = 0.0, -1.0
    fading = RayFading(path=table(tmp_path, from_sionna(a, tau, doppler, transmitter=2)))
    offset, time = np.array([-4e6, 0.0, 5e6]), 0.02
    for device in range(4):
        mine, late = a[device, 0, 2, 0, :, 0], np.maximum(tau[device, 2], 0)
        phase = 2 * np.pi * (doppler[device, 2, :, None] * time - late[:, None] * offset)
        exact = np.abs((mine[:, None] * np.exp(1j * phase)).sum(axis=0)) ** 2
        power = fading.of_links(np.array([device])).power(time, offset)[0]
        gain = 10 ** (fading.link_gains[device] / 10)
        assert power * gain == pytest.approx(exact, rel=1e-6)
    spread = np.broadcast_to(tau[:, None, :, None], (4, 2, 3, 2, 5))
    assert from_sionna(a, spread, transmitter=2)[0][1] == tau[0, 2, 0]


def test_exports_of_deepmimo_become_the_same_channel(tmp_path):
    power = np.array([[-90.0, -100.0, np.nan], [-85.0, np.nan, np.nan]])
    phase = np.array([[90.0, -45.0, np.nan], [10.0, np.nan, np.nan]])
    delay = np.array([[1e-7, 4e-7, np.nan], [2e-7, np.nan, np.nan]])
    rows = from_deepmimo(power, phase, delay)
    assert len(rows) == 3
    fading = RayFading(path=table(tmp_path, rows))
    offset = np.array([0.0, 3e6])
    terms = 10 ** (power[0, :2] / 20) * np.exp(1j * np.deg2rad(phase[0, :2]))
    exact = np.abs((terms[:, None] * np.exp(-2j * np.pi * np.outer(delay[0, :2], offset))).sum(0))
    gain = 10 ** (fading.link_gains[0] / 10)
    found = fading.of_links(np.array([0])).power(0.0, offset)[0]
    assert found * gain == pytest.approx(exact**2, rel=1e-9)


def street():
    """Images in walls at 0 and 20 m: up to two reflections, each of half the field."""
    wave = LIGHT / 3.5e9
    images = [(8.0, 0), (-8.0, 1), (32.0, 1), (-32.0, 2), (48.0, 2)]
    rows = []
    for device in range(8):
        x, y, speed = 30.0 + 25.0 * device, 4.0 + 1.5 * device, 1.5 * (-1) ** device
        for height, bounces in images:
            away = np.hypot(x, y - height)
            gain = 20 * np.log10(wave / (4 * np.pi * away)) - 6.0206 * bounces
            phase = -2 * np.pi * ((away / wave) % 1) + np.pi * bounces
            doppler = -speed * x / away / wave
            rows.append((device, away / LIGHT, gain, phase, doppler))
    return rows


def test_the_shipped_table_is_the_street_that_it_says():
    fading = RayFading(path=str(ROOT / "scenarios/street-rays.csv"))
    expected = {}
    for device, delay, gain, phase, doppler in street():
        expected.setdefault(device, []).append((delay, 10 ** (gain / 10), phase, doppler))
    assert sorted(fading.link_gains) == list(range(8))
    for device, paths in expected.items():
        delay, power, phase, doppler = np.array(paths).T
        rays = fading._rays[device]
        assert rays[:, 0] == pytest.approx(delay, rel=1e-6)
        assert rays[:, 1] == pytest.approx(power, rel=1e-4)
        assert np.cos(2 * np.pi * rays[:, 2] - phase) == pytest.approx(np.ones(5), abs=1e-6)
        assert rays[:, 3] == pytest.approx(doppler, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fading: {kind: rays, path: none.csv}", "none.csv"),
        ("gains: none.csv", "none.csv"),
        ("fading: {kind: rays, path: FILE}, gains: FILE", "is given by the rays"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path, change, message):
    path = table(tmp_path, [(0, 1e-7, -90.0, 0.0, 0.0)])
    text = f"cells=[{{channel: {{{change.replace('FILE', path)}}}}}]"
    with pytest.raises((ScenarioError, LocatedError), match=re.escape(message)):
        scenario(tmp_path, text)


def test_devices_without_a_row_and_devices_that_move_are_refused(tmp_path):
    path = table(tmp_path, [(0, 1e-7, -90.0, 0.0, 0.0)])
    text = f"cells=[{{channel: {{fading: {{kind: rays, path: {path}}}}}}}]"
    with pytest.raises(ValueError, match="lacks device 1"):
        place(scenario(tmp_path, text))
    path = table(tmp_path, [(i, 1e-7, -90.0, 0.0, 0.0) for i in range(6)])
    with pytest.raises(ValueError, match="device 0 moves"):
        place(scenario(tmp_path, text, "devices.0.mobility=random-waypoint"))
    path = table(tmp_path, [(0.5, 1e-7, -90.0, 0.0, 0.0)], "half.csv")
    with pytest.raises(LocatedError, match="device must be whole"):
        RayFading(path=path)


def test_a_loss_in_place_of_a_gain_is_refused(tmp_path):
    path = table(tmp_path, [(0, 1e-7, 90.0, 0.0, 0.0)])
    with pytest.raises(LocatedError, match="gain: must be at most 0 dB, got 90"):
        RayFading(path=path)
    (tmp_path / "gains.csv").write_text("device,gain (dB)\n0,90\n")
    with pytest.raises(ValueError, match="gain: must be at most 0 dB, got 90"):
        read_gains(str(tmp_path / "gains.csv"))
