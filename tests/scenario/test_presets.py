"""The presets are the models of their papers, traps included."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import channel_models as cm
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

PRESETS = Path(__file__).parents[2] / "scenarios/presets"


def preset(name, *settings):
    return load(PRESETS / f"{name}.yaml", settings=settings)[0].scenario


def run(name, *settings):
    scenario = preset(name, "rounds.count=1", *settings)
    simulation = Simulation(scenario, network_only=True)
    outcome = simulation.run()
    spans = {
        activity: {s.actor: s for s in outcome.spans if s.activity == activity}
        for activity in ("upload", "compute")
    }
    return scenario, simulation.placement, spans


def test_yang_uploads_take_the_time_and_energy_of_fdma():
    """t = s / (b log2(1 + g p / (N0 b))) on 1/50 of 20 MHz, E = t p."""
    _, placement, spans = run("yang-2021")
    band, power = 20e6 / 50, 0.01
    for device in range(50):
        gain = placement.gains[0, device]
        rate = band * np.log2(1 + gain * power / (cm.thermal_noise_density() * band))
        span = spans["upload"][f"device-{device}"]
        assert span.end - span.start == pytest.approx(28.1e3 / rate, rel=1e-6)
        assert span.joules == pytest.approx(28.1e3 / rate * power, rel=1e-6)
    assert np.abs(placement.positions).max() <= 250.0


def test_yang_computes_with_kappa():
    """I C D / f and I kappa C D f^2 for I = 10, C = 2e4, D = 500, f = 2 GHz, kappa = 1e-28."""
    _, _, spans = run("yang-2021")
    for span in spans["compute"].values():
        assert span.end - span.start == pytest.approx(10 * 2e4 * 500 / 2e9)
        assert span.joules == pytest.approx(10 * 1e-28 * 2e4 * 500 * 2e9**2)


def test_thermal_noise_is_the_papers():
    assert 10 * np.log10(cm.thermal_noise_density() * 1e3) == pytest.approx(-174, abs=0.05)


def test_chen_has_the_waterfall_of_a_decibel_not_of_a_number():
    """At 250 m and 0.11 uW: 0.50 for m = 0.023 dB; a linear 0.023 gives 0.016."""
    loss = replace(preset("chen-2021").cells[0].uplink.loss, rayleigh=False)
    sinr = 0.01 * 250.0**-2 / 0.11e-6
    q = loss.probability(10 * np.log10(sinr))
    assert q == pytest.approx(1 - np.exp(-1.0053 / sinr))
    assert loss.threshold == pytest.approx(10 ** (0.023 / 10), abs=1e-4)
    assert q == pytest.approx(0.50, abs=0.005)
    assert replace(loss, threshold=1.08).probability(10 * np.log10(sinr)) == pytest.approx(
        0.52, abs=0.005
    )
    assert replace(loss, threshold=0.023).probability(10 * np.log10(sinr)) == pytest.approx(
        0.016, abs=0.001
    )


def test_chen_is_made_by_interference_not_by_noise():
    """d^-2 without a loss at 1 m: 84 dB over the noise of 150 kHz at 250 m."""
    cell = preset("chen-2021").cells[0]
    gain = cm.db_to_linear(-cell.channel.pathloss.loss_db(250.0, 2e9))
    assert gain == pytest.approx(250.0**-2)
    snr = 0.01 * gain / (cm.thermal_noise_density() * 150e3)
    assert 10 * np.log10(snr) == pytest.approx(84, abs=0.5)
    assert cell.noise("uplink") == pytest.approx(0.11e-6, rel=1e-6)
    assert cell.noise("downlink") * 20e6 / 150e3 == pytest.approx(0.18e-6, rel=1e-3)


def test_chen_loses_updates_and_counts_their_energy():
    outcome = Simulation(preset("chen-2021", "rounds.count=2"), network_only=True).run()
    uploads = [span for span in outcome.spans if span.activity == "upload"]
    lost = [span for span in uploads if span.outcome == "lost"]
    assert 0 < len(lost) < len(uploads)
    assert all(span.joules > 0 for span in lost)
    compute = next(span for span in outcome.spans if span.activity == "compute")
    assert compute.joules == pytest.approx(1e-27 * 40 * 1e9**2 * 39_760 * 16)


def test_fedl_counts_nats_and_total_noise():
    """tau = 25e3 nats / (1 MHz ln(1 + h p / 1e-10 W)), one user after the other."""
    places = "devices.0.area={kind: positions, at: [[10, 0], [20, 0], [30, 0], [0, 40], [50, 0]]}"
    _, _, spans = run("fedl-2019", places, "cells.0.channel.fading=static")
    uploads = sorted(spans["upload"].values(), key=lambda span: span.end)
    # All are ready at once; TDMA serves one after the other, so the ends lie one tau apart.
    before = uploads[0].start
    for span in uploads:
        distance = [10, 20, 30, 40, 50][int(span.actor[-1])]
        tau = 25e3 / (1e6 * np.log(1 + 1e-4 * distance**-4.0 * 0.2 / 1e-10))
        assert span.end - before == pytest.approx(tau, rel=1e-3)
        before = span.end
    with_log2_of_nats = 25e3 / (1e6 * np.log2(1 + 1e-4 * 10**-4.0 * 0.2 / 1e-10))
    assert uploads[0].end - uploads[0].start > 1.4 * with_log2_of_nats


def test_fedl_noise_is_far_above_thermal():
    cell = preset("fedl-2019").cells[0]
    total = cell.noise("uplink") * cell.blocks
    assert total == pytest.approx(1e-10, rel=1e-3)
    assert 10 * np.log10(1e-10 / (cm.thermal_noise_density() * 1e6)) == pytest.approx(44, abs=0.1)


def test_fedl_computes_with_half_alpha():
    _, _, spans = run("fedl-2019")
    for span in spans["compute"].values():
        assert span.end - span.start == pytest.approx(20 * 60e6 / 1e9)
        assert span.joules == pytest.approx(1e-28 * 20 * 60e6 * 1e9**2)


def test_chen_loses_what_the_formula_loses_at_the_same_places():
    """One block of 150 kHz a user: q = 1 - E exp(-m (I + N) / (P o d^-2)) over Rayleigh o."""
    scenario, placement, spans = run("chen-2021")
    cell = scenario.cells[0]
    fading = -np.log((np.arange(2000) + 0.5) / 2000)
    snr = 0.01 * placement.gains[0][:, None] * fading / cell.noise("uplink")
    formula = 1 - np.exp(-1.0053 / snr).mean(axis=1)
    here = [
        (cell.uplink.loss.probability(span.mean_sinr_db), formula[int(name.split("-")[1])])
        for name, span in spans["upload"].items()
    ]
    ours, papers = np.mean(here, axis=0)
    assert 0.65 < papers < 0.8
    assert ours == pytest.approx(papers, abs=0.05)


def test_the_wire_of_the_presets_takes_no_time():
    """The papers have none: a shared gigabit a second would turn the ranking of allocators."""
    for name in ("yang-2021", "chen-2021", "fedl-2019"):
        scenario = preset(name)
        wire = scenario.cells[0].backhaul
        assert wire.latency == 0
        assert scenario.device_count * 640e3 / wire.capacity < 1e-7
