"""Clipping, noise, the accountant's epsilon and the bits of secure aggregation, by known values."""

from dataclasses import replace
from math import sqrt
from time import process_time

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from wfl_sim.config.errors import ScenarioError
from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.plan import NetworkOnly
from wfl_sim.learning.privacy_accounting import epsilon_spent, with_secure_aggregation
from wfl_sim.methods.privacy import Privacy, SecureAggregation
from wfl_sim.randomness import stream
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.privacy_checks import draws_uniformly
from wfl_sim.simulation.build import run_federation
from wfl_sim.simulation.simulation import Simulation

TEXT = """
name: private
model:
  kind: synthetic
  payload: 32 kbit
  flops_per_step: 1 GFLOP
  cut: {activations: 9 bit, device_share: 0}
method: fedit
rounds: {kind: synchronous, count: 2, clients: 4}
server: {weights: equal}
privacy: {clip: 1.0, noise_multiplier: 0.5}
devices: [{count: 8, hardware: jetson-orin-nano}]
"""


def scenario(tmp_path, *settings):
    (tmp_path / "p.yaml").write_text(TEXT)
    (loaded,) = load(tmp_path / "p.yaml", settings=settings)
    return loaded.scenario


def test_an_update_is_scaled_to_the_clip_and_no_further():
    update = {"a": np.float32([3]), "b": np.float32([[4]])}
    clipped = Privacy(clip=1.0).protected(update, stream(0, "x"))
    assert (clipped["a"].item(), clipped["b"].item()) == pytest.approx((0.6, 0.8))
    same = Privacy(clip=6.0).protected(update, stream(0, "x"))
    assert (same["a"].item(), same["b"].item()) == (3, 4)


@pytest.mark.parametrize(("noise", "deviation"), [("distributed", 1.5), ("local", 3.0)])
def test_noise_has_the_deviation_it_says(noise, deviation):
    """The shares of four devices add up to noise_multiplier x clip = 3 in the sum."""
    privacy = Privacy(clip=2.0, noise_multiplier=1.5, noise=noise, cohort=4)
    assert privacy.deviation == pytest.approx(deviation)
    noisy = privacy.protected({"a": np.zeros(200_000, np.float32)}, stream(0, "x"))["a"]
    assert noisy.std() == pytest.approx(deviation, rel=0.01)
    assert abs(noisy.mean()) < 4 * deviation / sqrt(noisy.size)
    again = privacy.protected({"a": np.zeros(200_000, np.float32)}, stream(0, "x"))["a"]
    assert np.array_equal(noisy, again)


def exact_epsilon(multiplier, delta):
    """Balle and Wang 2018, arXiv 1805.06530, theorem 8, at sensitivity 1."""

    def excess(epsilon):
        a, b = 1 / (2 * multiplier), epsilon * multiplier
        return norm.cdf(a - b) - np.exp(epsilon) * norm.cdf(-a - b) - delta

    return brentq(excess, 0, 100)


def test_one_release_against_the_closed_form_of_the_gaussian_mechanism():
    """Renyi accounting is an upper bound, tight to a few per cent; so is that of two releases,

    which are one with the multiplier over sqrt(2).
    """
    pytest.importorskip("opacus")
    privacy = Privacy(clip=1.0, noise_multiplier=2.0, cohort=2)
    for releases in (1, 2, 8):
        told = epsilon_spent(privacy, [(0, 1)] * releases, devices=2)
        exact = exact_epsilon(2.0 / sqrt(releases), 1e-5)
        assert exact < told["epsilon"] < 1.1 * exact
        assert (told["releases"], told["sampling_rate"]) == (releases, 1.0)


@pytest.mark.parametrize(("multiplier", "delta"), [(100.0, 1e-5), (1000.0, 1e-5), (0.02, 1e-1)])
def test_orders_fit_the_noise(multiplier, delta):
    """The accountant's own end at 63: epsilon would be 0.112 for three releases at 100."""
    pytest.importorskip("opacus")
    privacy = Privacy(clip=1.0, noise_multiplier=multiplier, cohort=2, delta=delta)
    told = epsilon_spent(privacy, [(0, 1)] * 3, devices=2)["epsilon"]
    # The least over all orders of what one order gives (Balle et al. 2020, theorem 21).
    order = 1 + np.logspace(-6, 6, 200_001)
    single = (
        3 * order / (2 * multiplier**2) + np.log1p(-1 / order) - np.log(delta * order) / (order - 1)
    )
    assert told == pytest.approx(single.min(), rel=2e-3)


def test_sampling_helps_and_lost_uploads_cost():
    pytest.importorskip("opacus")
    privacy = Privacy(clip=1.0, noise_multiplier=1.0, cohort=2)
    everyone = epsilon_spent(privacy, [(0, 1)] * 5, devices=2)["epsilon"]
    sampled = epsilon_spent(privacy, [(0, 1)] * 5, devices=20, uniform=True)["epsilon"]
    lossy = epsilon_spent(privacy, [(0, 1)] * 4 + [(0,)], devices=20, uniform=True)["epsilon"]
    assert sampled < everyone / 2
    assert lossy > sampled
    local = Privacy(clip=1.0, noise_multiplier=1.0, noise="local", cohort=2)
    assert epsilon_spent(local, [(0, 1), (0, 2)], devices=20)["releases"] == 2


def renyi_epsilon(squares, delta=1e-5):
    """Of Gaussian releases without sampling; `squares` is the sum of 1 / multiplier^2."""
    order = 1 + np.logspace(-4, 4, 200_001)
    single = order * squares / 2 + np.log1p(-1 / order) - np.log(delta * order) / (order - 1)
    return single.min()


@pytest.mark.parametrize(
    ("cohorts", "squares"),
    [
        ([(0, 1)] * 6, 6),
        # Device 2 is in two sums only, device 0 in three: one of them with half the noise.
        ([(0, 2), (0, 1), (1, 2), (0,)], 1 + 1 + 2),
        # A cloud averages what its edge servers hold already: no device sends again.
        ([(0, 1), (2, 3), (-1, -1)] * 2, 2),
        # Twice in one sum: twice the sensitivity, 3 uploads hold 3/2 of the noise.
        ([(0, 0, 1)], 4 / 1.5),
        ([], 0),
    ],
)
def test_without_uniform_samples_the_releases_of_each_device_count(cohorts, squares):
    pytest.importorskip("opacus")
    privacy = Privacy(clip=1.0, noise_multiplier=1.0, cohort=2)
    told = epsilon_spent(privacy, cohorts, devices=8)
    assert not told["amplified"]
    expected = renyi_epsilon(squares) if squares else 0.0
    assert told["epsilon"] == pytest.approx(expected, rel=2e-3)


def test_the_distribution_of_the_loss_meets_the_closed_form():
    """Six releases at 1 are one at 1/sqrt(6): 12.87; by Renyi orders 13.78."""
    pytest.importorskip("opacus")
    privacy = Privacy(clip=1.0, noise_multiplier=1.0, cohort=2, accountant="pld")
    told = epsilon_spent(privacy, [(0, 1)] * 6, devices=8)["epsilon"]
    assert told == pytest.approx(exact_epsilon(1 / sqrt(6), 1e-5), rel=1e-6)
    assert renyi_epsilon(6) == pytest.approx(13.78, abs=0.01)


@pytest.mark.parametrize("devices", [2, 20])
@pytest.mark.parametrize(("multiplier", "delta"), [(0.01, 1e-5), (1.0, 1e-30), (500.0, 1e-5)])
def test_the_tighter_accountant_never_tells_more_than_the_other(devices, multiplier, delta):
    """Little noise was infinite after minutes, or out of memory; so small a delta a traceback."""
    pytest.importorskip("opacus")
    rdp = Privacy(clip=1.0, noise_multiplier=multiplier, delta=delta, cohort=2)
    told = [
        epsilon_spent(each, [(0, 1)] * 3, devices=devices, uniform=True)
        for each in (rdp, replace(rdp, accountant="pld"))
    ]
    assert 0 <= told[1]["epsilon"] <= told[0]["epsilon"] < np.inf
    assert told[1]["accountant"] == ("pld" if devices == 2 else "rdp")


def test_the_order_of_rounds_costs_nothing():
    """Rounds that lose uploads alternate; each change was a mechanism of its own, and 0.2 s."""
    pytest.importorskip("opacus")
    privacy = Privacy(clip=1.0, noise_multiplier=1.0, cohort=2)
    rounds = [(0, 1), (0,)] * 100
    started = process_time()
    told = epsilon_spent(privacy, rounds, devices=20, uniform=True)["epsilon"]
    assert process_time() - started < 10
    assert told == pytest.approx(
        epsilon_spent(privacy, sorted(rounds), devices=20, uniform=True)["epsilon"], rel=1e-9
    )


@pytest.mark.parametrize(
    ("rounds", "uniform"),
    [
        ("{kind: synchronous, count: 1}", True),
        ("{kind: synchronous, count: 1, select: best-channel}", False),
        ("{kind: deadline, count: 1, deadline: 1 s}", True),
        ("{kind: over-selection, count: 1, clients: 4, take: 2}", False),
        ("{kind: tiers, count: 1}", False),
    ],
)
def test_only_uniform_samples_amplify(tmp_path, rounds, uniform):
    assert draws_uniformly(scenario(tmp_path, f"rounds={rounds}").rounds) is uniform


@pytest.mark.parametrize(
    ("users", "values", "expansion"), [(2**10, 2**20, 1.73), (2**14, 2**24, 1.98)]
)
def test_secure_aggregation_expands_as_its_paper_says(users, values, expansion):
    """Abstract of Bonawitz et al. 2017: 16-bit inputs, over sending them in the clear."""
    protocol = SecureAggregation()
    clear = 16 * values
    total = clear + protocol.up(users, values) + protocol.down(users)
    assert total / clear == pytest.approx(expansion, abs=0.005)
    keys_and_shares = 2 * users * 256 + (5 * users - 4) * 256
    headroom = values * int(np.log2(users))
    assert total - clear - headroom == keys_and_shares


def test_its_bits_are_in_both_payloads(tmp_path):
    """Four devices, 1000 values: 2 x 256 + 10 x 256 + 2000 up, 2 x 3 x 512 down."""
    plain = Workload(32_000, 32_000, 1.0, 1, 2000.0, 1.0)
    secured = scenario(tmp_path, "privacy.secure_aggregation={}").secured
    assert secured.cohort == 4
    costs = with_secure_aggregation(plain, secured, 1000)
    assert costs.upload_bits == 32_000 + 512 + 2560 + 2000
    assert costs.download_bits == 32_000 + 3072
    assert costs.own_download_bits == 1536
    nothing = Workload(0, 0, 1.0, 1, 0.0, 1.0)
    assert with_secure_aggregation(nothing, secured, 0) == nothing


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("server.weights=examples", "p.yaml:6: server.weights: must be equal"),
        ("method=scaffold", "privacy: needs a method that averages uploads, which scaffold"),
        ("privacy.clip=0", "privacy.clip: is missing"),
        (
            "rounds={kind: synchronous, count: 1, select: oort}",
            "rounds.select: must not look at the data",
        ),
        (
            "rounds={kind: asynchronous, count: 1}",
            "privacy.noise: must be local here: uploads of several rounds meet in one sum",
        ),
        (
            "rounds={kind: deadline, count: 1, deadline: 1 s, late: fold}",
            "privacy.noise: must be local here",
        ),
        ("rounds={kind: centralised, count: 1}", "privacy: is for updates that are sent"),
        ("method={kind: splitlora, device_blocks: 1}", "privacy: protects updates, and splitlora"),
        (
            "payload.upload={kind: top-k, share: 0.1}",
            "privacy.noise: needs an upload codec that is additive",
        ),
        (
            "payload.upload={kind: int8, updates: true, error_feedback: true}",
            "privacy.noise: needs an upload codec that is additive",
        ),
        ("server.robust=median", "server.robust: needs each upload, and secure aggregation"),
        (
            "rounds={kind: over-the-air, count: 1}",
            "privacy.noise_multiplier: must be 0 over the air",
        ),
        ("privacy.delta=1", "privacy.delta: must be less than 1, got 1"),
        ("privacy.noise_multiplier=-1", "privacy.noise_multiplier: must not be negative"),
    ],
)
def test_what_cannot_be_is_one_located_line(tmp_path, setting, message):
    with pytest.raises(ScenarioError, match=message.replace("p.yaml:6: ", "")):
        scenario(tmp_path, setting)


@pytest.mark.parametrize(
    ("availability", "partial"), [("always", 0), ("{kind: markov, on: 1 s, off: 99 s}", 2)]
)
def test_devices_that_are_away_make_the_sample_a_partial_one(tmp_path, availability, partial):
    loaded = scenario(
        tmp_path,
        f"devices=[{{count: 40, hardware: jetson-orin-nano, availability: {availability}}}]",
    )
    simulation = Simulation(loaded, network_only=True)
    federation = simulation.federation(NetworkOnly(simulation.learner, loaded.seed))
    run_federation(federation, loaded)
    assert federation.context.partial_pools == partial


@pytest.mark.parametrize(
    "rounds",
    ["{kind: asynchronous, count: 1}", "{kind: deadline, count: 1, deadline: 1 s, late: fold}"],
)
def test_masks_of_several_rounds_do_not_cancel(tmp_path, rounds):
    settings = (f"rounds={rounds}", "privacy={clip: 1, secure_aggregation: {}}")
    with pytest.raises(ScenarioError, match=r"privacy.secure_aggregation: masks cancel in the sum"):
        scenario(tmp_path, *settings)


def test_a_tier_is_a_cohort_of_its_own(tmp_path):
    """Eight devices in three tiers: of three, three and two."""
    assert scenario(tmp_path, "rounds={kind: tiers, count: 1}").secured.cohort == 3
    assert scenario(tmp_path, "rounds={kind: tiers, count: 1, clients: 2}").secured.cohort == 2


def test_a_broadcast_carries_the_shares_of_each_receiver(tmp_path):
    """Keys are the same for all four devices of the only cell; shares are encrypted for one."""
    settings = ("privacy={secure_aggregation: {}}", "cells=[{downlink: {broadcast: true}}]")
    spans = Simulation(scenario(tmp_path, *settings), network_only=True).run().spans
    assert {s.bits for s in spans if s.activity == "download"} == {32_000 + 6 * 256 + 4 * 6 * 256}
    apart = (settings[0], "cells=[{downlink: {broadcast: false}}]")
    spans = Simulation(scenario(tmp_path, *apart), network_only=True).run().spans
    assert {s.bits for s in spans if s.activity == "download"} == {32_000 + 6 * 256 + 6 * 256}


def test_masked_payloads_of_other_places_or_scales_cannot_be_added(tmp_path):
    for codec in ("{kind: top-k, share: 0.1}", "{kind: random-mask, share: 0.1}", "{kind: int8}"):
        settings = (f"payload.upload={codec}", "privacy={clip: 1, secure_aggregation: {}}")
        with pytest.raises(ScenarioError, match=r"privacy.secure_aggregation: needs an upload"):
            scenario(tmp_path, *settings)
    kept = scenario(tmp_path, "payload.upload={kind: top-k, share: 0.1}", "privacy.noise=local")
    assert kept.privacy.noise == "local"
