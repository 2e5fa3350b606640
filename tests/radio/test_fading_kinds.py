"""Kinds of fading and of rates that keep their contract in a scenario."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import outcome, scenario
from tests.simulation.test_simulation import check_laws
from wfl_sim.config.errors import ScenarioError
from wfl_sim.radio.bands.band import sampling_step
from wfl_sim.scenario.builtin_kinds import FADINGS, RATES

FADING = "cells.0.channel.fading"


def placed(tmp_path, setting):
    return setting.replace("path: ", f"path: {tmp_path}/")


def run(tmp_path, setting):
    settings = "rounds.count=1", "cells.0.uplink.allocator=equal"
    return outcome(tmp_path, placed(tmp_path, setting), *settings)


def seconds(result):
    return result.totals["simulated_seconds"]


def ends(result):
    return [span.end for span in result.spans]


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "gains.npy"
    np.save(path, np.random.default_rng(3).exponential(size=(400, 5)))
    return path


@pytest.mark.parametrize(
    "fading",
    [
        "rician",
        "{kind: nakagami, m: 3}",
        "block",
        "{kind: block, duration: 40 ms, profile: tdl-a}",
        "{kind: ornstein-uhlenbeck, coherence_time: 200 ms}",
        "{kind: trace, path: gains.npy, interval: 20 ms}",
    ],
)
def test_a_run_keeps_the_laws_and_differs_from_a_static_channel(tmp_path, recording, fading):
    result = run(tmp_path, f"{FADING}={fading}")
    check_laws(result)
    assert seconds(run(tmp_path, f"{FADING}=static")) != seconds(result)


@pytest.mark.parametrize(
    "nearly_static", ["{kind: rician, k_factor: 80 dB}", "{kind: nakagami, m: 1e8}"]
)
def test_without_scattering_a_run_is_that_of_a_static_channel(tmp_path, nearly_static):
    static = seconds(run(tmp_path, f"{FADING}=static"))
    assert seconds(run(tmp_path, f"{FADING}={nearly_static}")) == pytest.approx(static, rel=2e-3)


def test_a_recording_of_ones_is_a_static_channel(tmp_path):
    (tmp_path / "ones.csv").write_text("time (s),gain\n0.0,2\n0.1,2\n0.2,2\n")
    trace = run(tmp_path, f"{FADING}={{kind: trace, path: ones.csv}}")
    assert ends(trace) == pytest.approx(ends(run(tmp_path, f"{FADING}=static")), rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("path: none.npy, interval: 1 ms", "no such file"),
        ("path: gains.npy", "interval: must be given for a .npy trace"),
        ("path: words.csv", "could not convert string"),
    ],
)
def test_a_wrong_recording_is_refused_with_its_key(tmp_path, recording, options, message):
    (tmp_path / "words.csv").write_text("time,gain\n0.0,one\n0.1,two\n")
    with pytest.raises(ScenarioError, match=message):
        scenario(tmp_path, placed(tmp_path, f"{FADING}={{kind: trace, {options}}}"))


def test_fading_that_ignores_the_doppler_shift_sets_its_own_step(tmp_path, recording):
    assert sampling_step(cm.Rayleigh(), 10.0) == 0.01
    assert sampling_step(cm.Rayleigh(), 0.0) == 0.1
    assert sampling_step(cm.Block(duration=0.04), 10.0) == 0.01
    assert sampling_step(cm.Block(duration=1.0), 10.0) == pytest.approx(1 / 12)
    made = FADINGS.find("trace")(path=str(recording), interval=0.02)
    assert sampling_step(made, 10.0) == 0.02


def test_cells_on_one_band_sample_their_fading_alike(tmp_path):
    cells = "cells=[{channel: {fading: block}}, {channel: {fading: %s}, position: [500, 0]}]"
    with pytest.raises(ScenarioError, match="must be sampled as that of cell 0"):
        scenario(tmp_path, cells % "rayleigh")
    assert scenario(tmp_path, cells % "{kind: block, profile: tdl-a}")


def test_the_rate_at_finite_blocklength_lies_below_shannons_and_meets_it(tmp_path):
    rate = "cells.0.uplink.rate"
    result = run(tmp_path, f"{rate}=finite-blocklength")
    check_laws(result)
    shannon = seconds(run(tmp_path, f"{rate}=shannon"))
    assert seconds(result) > shannon
    long = run(
        tmp_path, f"{rate}={{kind: finite-blocklength, blocklength: 1000000000, error: 1e-9}}"
    )
    assert seconds(long) == pytest.approx(shannon, rel=1e-3)
    lossy = RATES.find("finite-blocklength")(blocklength=10**9, error=0.4)
    assert lossy.spectral_efficiency(3.0) == pytest.approx(0.6 * 2, rel=1e-4)
    curve = RATES.find("finite-blocklength")().spectral_efficiency(np.geomspace(1e-6, 1e6, 5000))
    assert (np.diff(curve) >= 0).all()
