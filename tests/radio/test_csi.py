"""Estimated channels: the law of the estimate, and what its errors cost."""

from dataclasses import replace

import numpy as np
import pytest
import simpy
from scipy import stats

import channel_models as cm
from tests.fixtures.runs import outcome
from tests.radio.test_ofdma import BLOCK, BLOCKS, NOISE, finish, make_band
from tests.simulation.test_simulation import check_laws
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.allocation import MaxCI
from wfl_sim.radio.channel.lazy_fading import EstimatedFading, LazyFading
from wfl_sim.radio.channel.sampled_channel import SampledChannel
from wfl_sim.randomness import stream

OFFSETS = (np.arange(BLOCKS) - (BLOCKS - 1) / 2) * BLOCK


def estimated(model, error, links=200, doppler=10.0):
    streams = [np.random.default_rng([9, i]) for i in range(links)]
    true = model.realise(streams, np.full(links, doppler))
    return true, EstimatedFading(true, error, lambda link: stream(4, "csi", link), links)


@pytest.mark.parametrize("error", [0.1, 0.5])
def test_under_rayleigh_fading_the_estimate_is_exponential_and_correlated_by_one_minus_e(error):
    links = 4000
    true, seen = estimated(cm.Rayleigh(sinusoids=32), error, links)
    every = np.arange(links)
    g = true.power_grid(3, 1, 0.01, OFFSETS[:1], every).ravel()
    estimate = seen.power_grid(3, 1, 0.01, OFFSETS[:1], every).ravel()
    assert stats.kstest(estimate, "expon").pvalue > 0.01
    assert np.corrcoef(g, estimate)[0, 1] == pytest.approx(1 - error, abs=0.04)


def test_given_the_true_power_mean_and_variance_are_those_of_a_noncentral_law():
    error = 0.3
    _, seen = estimated(cm.Static(), error)
    power = seen.power_grid(0, 256, 0.01, OFFSETS, np.arange(200))
    assert power.mean() == pytest.approx(1.0, abs=5e-3)
    assert power.var() == pytest.approx(error**2 + 2 * error * (1 - error), rel=0.01)
    # Blocks and samples err on their own.
    apart = power - power.mean()
    assert abs((apart[:, 1:] * apart[:, :-1]).mean()) < 5e-3
    assert abs((apart[..., 1:] * apart[..., :-1]).mean()) < 5e-3


def test_an_estimate_is_the_same_whoever_asks_and_when():
    _, seen = estimated(cm.Rayleigh(), 0.2, links=6)
    _, again = estimated(cm.Rayleigh(), 0.2, links=6)
    whole = seen.power_grid(0, 64, 0.01, OFFSETS, np.arange(6))
    part = again.power_grid(20, 5, 0.01, OFFSETS, np.array([4, 1]))
    assert (part == whole[[4, 1], 20:25]).all()


def with_errors(band, error):
    """The same band, its channel estimated with errors."""
    channel = band.channel
    links = len(channel.mean_gain)
    seen = EstimatedFading(channel._fading, error, lambda link: stream(4, "csi", link), links)
    return replace(band, known=SampledChannel(channel.mean_gain, seen, OFFSETS, channel.step))


@pytest.mark.parametrize("error", [0.25, 1.0])
def test_choosing_the_best_of_n_estimates_gains_less(error):
    """At low SNR, where rate ~ SNR, the mean rate is (1 - e) H_n + e of that of one alone."""
    users, snr = 4, 1e-3
    gain = snr * NOISE * BLOCKS * BLOCK / 0.2
    band = make_band(
        [gain] * users,
        direction="downlink",
        fading=cm.Rayleigh(sinusoids=32),
        doppler=20.0,
        step=0.001,
        allocator=MaxCI(),
    )
    env = simpy.Environment()
    carrier = Carrier(env, "air", with_errors(band, error))
    for user in range(users):
        carrier.send(TransferRequest([user], 1e12))
    env.run(until=20.0)
    harmonic = sum(1 / k for k in range(1, users + 1))
    alone = snr / np.log(2) * BLOCKS * BLOCK
    assert carrier.bits_delivered / 20.0 == pytest.approx(
        alone * ((1 - error) * harmonic + error), rel=0.05
    )


def test_a_scheme_chosen_on_errors_fails_more_often():
    """Shannon's rate follows the truth; an MCS that asks for too much delivers nothing."""

    def seconds(rate, error):
        gain = 10.0 * NOISE * BLOCKS * BLOCK / 0.2
        band = make_band([gain], fading=cm.Rayleigh(), doppler=5.0, step=0.02)
        band = replace(band, rate=rate)
        (sent,) = finish(with_errors(band, error) if error else band, [([0], 2e7)])
        return sent.end

    assert seconds(cm.Shannon(), 0.3) == pytest.approx(seconds(cm.Shannon(), 0.0))
    exact, small, large = (seconds(cm.McsRate(), error) for error in (0.0, 0.1, 0.6))
    assert exact < small < large
    assert large > 1.03 * exact


def test_estimation_errors_in_a_scenario_cost_time(tmp_path):
    settings = ("cells.0.uplink.rate=mcs", "cells.0.downlink.rate=mcs")
    sharp = outcome(tmp_path, *settings)
    blurred = outcome(
        tmp_path, *settings, "cells.0.uplink.csi_error=0.2", "cells.0.downlink.csi_error=20 %"
    )
    check_laws(blurred)
    assert blurred.totals["simulated_seconds"] > sharp.totals["simulated_seconds"]


@pytest.mark.parametrize("model", [cm.Static(), cm.Nakagami(m=2.0), cm.Rayleigh()], ids=repr)
def test_an_estimate_is_the_same_however_links_are_grouped(model):
    """Links that a thread reads ahead are drawn in other company than those that are asked for."""
    offsets = np.array([-1e6, 0.0, 1e6])

    def estimated():
        lazy = LazyFading(model, lambda link: stream(4, "fading", link), np.full(3, 10.0))
        return EstimatedFading(lazy, 0.1, lambda link: stream(4, "csi", link), 3)

    together, apart = estimated(), estimated()
    apart.power_grid(0, 8, 1e-3, offsets, np.array([2]))
    links = np.arange(3)
    np.testing.assert_array_equal(
        together.power_grid(0, 8, 1e-3, offsets, links),
        apart.power_grid(0, 8, 1e-3, offsets, links),
    )
