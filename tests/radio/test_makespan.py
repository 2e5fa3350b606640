"""Minimum makespan and minimum energy: closed forms, optimality, and the engine under them."""

from dataclasses import replace

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.special import exp1, lambertw

import channel_models as cm
from tests.fixtures.closed_form_allocation import (
    cheapest,
    exponent,
    lambert,
    makespan,
    needed,
    power_level,
    rate,
)
from tests.radio.test_allocation import demands
from tests.radio.test_ofdma import BLOCK, BLOCKS, NOISE, finish, make_band
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.allocation import EqualShare, MinimumEnergy, MinimumMakespan
from wfl_sim.radio.allocation.allocator import Statistics
from wfl_sim.radio.channel.rate_curve import rate_curve

BAND = 20e6


def problem(count, seed):
    rng = np.random.default_rng(seed)
    bits = rng.uniform(2e6, 2e7, count)
    reach = 10 ** rng.uniform(5.5, 9, count)
    return bits, reach, rng.uniform(0, 3, count)


@given(st.floats(-12, 3))
def test_the_lambert_function_solves_its_equation(log_excess):
    excess = 10.0**log_excess
    above = lambert(np.array([excess]))[0] - 1
    assert above - np.log1p(above) == pytest.approx(excess, rel=1e-9, abs=1e-16)
    if 1e-3 < excess < 30:
        assert above + 1 == pytest.approx(-lambertw(-np.exp(-1 - excess), -1).real, rel=1e-9)


@given(st.floats(-15, np.log10(1 - 1e-9)), st.floats(3, 12))
def test_the_bandwidth_needed_is_the_inverse_of_the_rate(log_kappa, log_reach):
    """From ten million times less than the limit to a billionth below it."""
    reach = np.array([10.0**log_reach])
    wanted = 10.0**log_kappa * reach / np.log(2)
    bandwidth = needed(wanted, reach)
    assert rate(bandwidth, reach) == pytest.approx(wanted, rel=1e-7)


def test_no_bandwidth_is_enough_beyond_the_limit():
    reach = np.array([1e6])
    assert np.isinf(needed(reach / np.log(2), reach)).all()
    assert needed(np.zeros(1), reach) == 0
    assert rate(np.zeros(1), reach) == 0


@pytest.mark.parametrize("block", [0.0, 360e3])
@pytest.mark.parametrize("count", [1, 2, 20, 100, 1000])
def test_all_end_together_and_the_band_is_full(count, block):
    bits, reach, ready = problem(count, count)
    time, bandwidth = makespan(bits, reach, ready, BAND, block)
    assert bandwidth.sum() == pytest.approx(BAND, rel=1e-9)
    ends = ready + bits / rate(bandwidth, reach, block)
    assert ends == pytest.approx(np.full(count, time), rel=1e-9)


def test_below_a_block_the_power_density_stays():
    """60 users on 55 blocks: half of them need less than one, and all more than without blocks."""
    bits, reach, ready = problem(60, 1)
    time, bandwidth = makespan(bits, reach, ready, BAND, 360e3)
    below = bandwidth < 360e3
    assert 10 < below.sum() < 60
    density = reach[below] / 360e3
    assert rate(bandwidth, reach, 360e3)[below] == pytest.approx(
        bandwidth[below] * np.log2(1 + density)
    )
    assert time > makespan(bits, reach, ready, BAND)[0]


@pytest.mark.parametrize("block", [0.0, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_no_perturbation_ends_earlier(seed, block):
    bits, reach, ready = problem(20, seed)
    time, bandwidth = makespan(bits, reach, ready, BAND, block)
    rng = np.random.default_rng(seed)
    for size in (1e-4, 1e-2, 0.3):
        other = bandwidth * np.exp(size * rng.standard_normal(20))
        other *= BAND / other.sum()
        assert (ready + bits / rate(other, reach, block)).max() > time


def test_the_makespan_is_that_of_an_independent_search():
    bits, reach, ready = problem(6, 9)

    def surplus(time):
        total = 0.0
        for size, far, begin in zip(bits, reach, ready, strict=True):
            wanted = size / (time - begin)
            total += brentq(
                lambda b, far=far, wanted=wanted: b * np.log2(1 + far / b) - wanted, 1e-3, 1e13
            )
        return total - BAND

    shortest = (ready + bits * np.log(2) / reach).max()
    expected = brentq(surplus, shortest * (1 + 1e-6) + 1e-6, 1e4, xtol=1e-12)
    assert makespan(bits, reach, ready, BAND)[0] == pytest.approx(expected, rel=1e-8)


def test_cheapest_bandwidths_satisfy_the_kkt_conditions():
    bits, reach, _ = problem(12, 4)
    time = np.full(12, 1.02 * makespan(bits, reach, np.zeros(12), BAND)[0])
    bandwidth = cheapest(bits, time, reach, BAND)
    assert bandwidth.sum() == pytest.approx(BAND, rel=1e-9)
    level = power_level(bits / time, bandwidth, reach)
    assert (level <= 1 + 1e-9).all()
    exponent = bits * np.log(2) / (bandwidth * time)
    slope = time / reach * (exponent * np.exp(exponent) - np.expm1(exponent))
    free = level < 1 - 1e-6
    assert 0 < free.sum() < 12
    assert slope[free] == pytest.approx(np.full(free.sum(), slope[free].mean()), rel=1e-6)
    # Who is held by the limit of power would gain less from bandwidth than the others' price.
    assert (slope[~free] <= slope[free].mean() * (1 + 1e-6)).all()


def test_cheapest_bandwidths_are_those_of_a_general_optimiser():
    bits, reach, _ = problem(3, 7)
    time = np.full(3, 4 * makespan(bits, reach, np.zeros(3), BAND)[0])

    def joules(share):
        bandwidth = share * BAND
        return (power_level(bits / time, bandwidth, reach) * time).sum()

    found = minimize(
        joules,
        np.full(3, 1 / 3),
        bounds=[(1e-4, 1)] * 3,
        constraints={"type": "eq", "fun": lambda share: share.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    ours = cheapest(bits, time, reach, BAND)
    assert joules(ours / BAND) <= found.fun * (1 + 1e-9)
    assert ours / BAND == pytest.approx(found.x, abs=2e-3)


def test_reach_meets_the_efficiency_of_an_even_split():
    asked = demands(np.random.default_rng(0).uniform(0.5, 5, (4, 6)))
    even = np.full(4, asked.bandwidth / 4)
    assert rate(even, asked.reach) == pytest.approx(even * asked.efficiency.mean(axis=1))


def test_a_downlink_is_divided_by_what_each_bit_costs():
    asked = replace(demands([[1.0, 1.0], [3.0, 3.0]]), spreads=False)
    assert MinimumMakespan().shares(asked)[:, 0] == pytest.approx([0.75, 0.25])


def test_who_hears_nothing_gets_nothing():
    assert MinimumMakespan().shares(demands([[0.0, 0.0], [2.0, 1.0]]))[:, 0].tolist() == [0, 1]
    assert (MinimumMakespan().shares(demands([[0.0], [0.0]])) == 0.5).all()


def uploads(allocator, gains, bits):
    env = simpy.Environment()
    carrier = Carrier(env, "air", make_band(gains, allocator=allocator))
    sent = [carrier.send(TransferRequest([link], bits)) for link in range(len(gains))]
    env.run(env.all_of([each.done for each in sent]))
    return sent


GAINS = [1e-11, 3e-13, 1e-13, 4e-14]


def test_in_a_static_channel_all_uploads_end_at_the_closed_forms_time():
    sent = uploads(MinimumMakespan(), GAINS, 4e6)
    bits, reach = np.full(4, 4e6), 0.2 * np.array(GAINS) / NOISE
    time, _ = makespan(bits, reach, np.zeros(4), BLOCKS * BLOCK, BLOCK)
    assert [each.end for each in sent] == pytest.approx([time] * 4, rel=1e-6)
    assert time < max(each.end for each in uploads(EqualShare(), GAINS, 4e6))


def test_minimum_energy_ends_at_the_deadline_and_radiates_less():
    fast = uploads(MinimumMakespan(), GAINS, 4e6)
    slow = uploads(MinimumEnergy(within=8.0, reserve=0.0), GAINS, 4e6)
    assert max(each.end for each in fast) < 5.0
    assert [each.end for each in slow] == pytest.approx([8.0] * 4, rel=1e-6)
    assert sum(each.radiated for each in slow) < 0.6 * sum(each.radiated for each in fast)
    bits, reach = np.full(4, 4e6), 0.2 * np.array(GAINS) / NOISE
    bandwidth = cheapest(bits, np.full(4, 8.0), reach, BLOCKS * BLOCK)
    joules = 0.2 * 8.0 * power_level(bits / 8.0, bandwidth, reach)
    assert [each.radiated for each in slow] == pytest.approx(joules, rel=1e-5)


def test_a_deadline_that_cannot_be_met_is_answered_with_full_power():
    with pytest.warns(UserWarning, match="minimum-energy: transfers that cannot meet a deadline"):
        late = uploads(MinimumEnergy(within=0.1), GAINS, 4e6)
    fast = uploads(MinimumMakespan(), GAINS, 4e6)
    assert [each.end for each in late] == pytest.approx([each.end for each in fast], rel=1e-6)


def test_the_exponent_solves_its_equation_down_to_nothing():
    """Near the branch point of Lambert's function the closed form has lost its digits."""
    marginal = 10.0 ** np.arange(-30, 6, 0.5)
    x = exponent(marginal)
    # x e^x - e^x + 1, which cancels for small x: its series there.
    series = x**2 / 2 + x**3 / 3 + x**4 / 8
    exact = (x - 1) * np.exp(np.minimum(x, 50)) + 1
    assert np.where(x < 1e-2, series, exact) == pytest.approx(marginal, rel=1e-6)
    assert (np.diff(x) > 0).all()


@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 1e-9, 1.0, 1e6, 1e300])] * 2), min_size=1),
    st.sampled_from([1e-300, 1e6, 1e300]),
)
def test_every_answer_is_finite(pairs, band):
    """Also without bits, without reach, and where the clock cannot show the time."""
    bits, reach = np.array(pairs).T
    time, bandwidth = makespan(bits, reach, np.zeros(len(bits)), band)
    assert np.isfinite([time, *bandwidth]).all()
    assert bandwidth.sum() == pytest.approx(band, rel=1e-9)


def test_a_transfer_without_bits_gets_nothing_beside_others():
    bits, reach = np.array([0.0, 1e6]), np.full(2, 1e6)
    assert makespan(bits, reach, np.zeros(2), BAND)[1].tolist() == [0, BAND]
    assert makespan(np.zeros(2), reach, np.zeros(2), BAND)[1].tolist() == [BAND / 2] * 2


def test_a_few_steps_are_enough(monkeypatch):
    """A decision is taken for every sample of the channel: 18 evaluations were 10 ms."""
    evaluations = []

    def counting(*arguments):
        evaluations.append(arguments)
        return needed(*arguments)

    monkeypatch.setattr("tests.fixtures.closed_form_allocation.needed", counting)
    for seed in range(20):
        makespan(*problem(20, seed), BAND)
    assert len(evaluations) <= 20 * 8


def known(gains, power=0.2, circuit=0.0, fading=None, **more):
    """Demands whose rates follow from means."""
    count = len(gains)
    reach = power * np.asarray(gains) / NOISE
    statistics = Statistics(
        curve=rate_curve(cm.Shannon(), fading or cm.Rayleigh()),
        device=np.arange(count),
        mean_gain=np.asarray(gains),
        power=np.full(count, power),
        reach=reach,
        most_snr=np.full(count, np.inf),
        share=np.full(count, np.nan),
        battery_level=np.ones(count),
        compute_left=np.zeros(count),
        base_age=np.zeros(count, dtype=int),
        circuit=np.full(count, circuit),
        amplifier=np.full(count, power / 0.4),
    )
    rng = np.random.default_rng(5)
    asked = demands(rng.exponential(1.0, (count, BLOCKS)))
    return replace(asked, learn=lambda: statistics, **more), statistics


def ergodic(bandwidth, reach):
    """Bit/s under flat Rayleigh fading: b exp(b/G) E1(b/G) / ln 2."""
    x = bandwidth / reach
    return bandwidth * np.where(x < 500, np.exp(np.minimum(x, 500)) * exp1(x), 1 / x) / np.log(2)


def test_by_default_the_momentary_fading_does_not_decide():
    """Shares are those of an independent search with the ergodic rate, whatever the sample."""
    gains = [1e-11, 3e-13, 1e-13, 4e-14, 4e-14]
    bits = np.array([4e6, 4e6, 1e6, 4e6, 2e6])
    asked, statistics = known(gains, bits_left=bits)
    band = BLOCKS * BLOCK

    def surplus(time):
        return (
            sum(
                brentq(lambda b, g=g, s=s: ergodic(b, g) - s / time, 1.0, 1e12)
                for g, s in zip(statistics.reach, bits, strict=True)
            )
            - band
        )

    time = brentq(surplus, 1.001 * (bits * np.log(2) / statistics.reach).max(), 1e3)
    share = MinimumMakespan().shares(asked)[:, 0]
    assert bits / ergodic(share * band, statistics.reach) == pytest.approx([time] * 5, rel=1e-5)
    momentary = MinimumMakespan(knowledge="instantaneous").shares(asked)[:, 0]
    assert np.abs(momentary - share).max() > 0.02


@pytest.mark.parametrize("circuit", [0.0, 0.02, 0.3, 3.0])
@pytest.mark.parametrize("fading", [cm.Static(), cm.Rayleigh()])
def test_minimum_energy_is_that_of_a_general_optimiser(circuit, fading):
    """Over bandwidths and powers, with the draw of circuits while sending, and deadlines."""
    gains, bits, within = [3e-12, 3e-13, 1e-13], np.array([4e6, 2e6, 1e6]), 6.0
    asked, statistics = known(gains, circuit=circuit, fading=fading, bits_left=bits)
    asked = replace(asked, least_bandwidth=0.0)
    band = BLOCKS * BLOCK

    def joules(plan):
        share, level = plan[:3], plan[3:]
        speed = share * band * statistics.curve(level * statistics.reach / (share * band))
        return bits / speed, (bits / speed * (circuit + level * statistics.amplifier)).sum()

    share, level = MinimumEnergy(within=within, reserve=0.0).shares_and_levels(asked)
    time, ours = joules(np.append(share[:, 0], level))
    assert (time <= within * (1 + 1e-5)).all()
    best = np.inf
    for begin in ([1 / 3] * 3 + [0.9] * 3, np.append(share[:, 0], level)):
        found = minimize(
            lambda plan: joules(plan)[1],
            begin,
            bounds=[(1e-3, 1)] * 3 + [(1e-4, 1)] * 3,
            constraints=[
                {"type": "eq", "fun": lambda plan: plan[:3].sum() - 1},
                {"type": "ineq", "fun": lambda plan: (within - joules(plan)[0]) / within},
            ],
            options={"ftol": 1e-12, "maxiter": 300},
        )
        if found.success or found.status == 8:
            best = min(best, found.fun if (joules(found.x)[0] <= within * 1.0001).all() else np.inf)
    assert ours <= best * 1.002
    # With circuits that draw anything here, nobody waits for the deadline.
    assert (time.max() < 0.9 * within) == (circuit > 0)


def test_one_who_misses_a_deadline_does_not_put_all_on_full_power():
    gains, bits = [1e-12] * 4 + [1e-16], np.full(5, 1e6)
    asked, statistics = known(gains, bits_left=bits)
    with pytest.warns(UserWarning, match="cannot meet a deadline"):
        share, level = MinimumEnergy(within=8.0).shares_and_levels(asked)
    assert level[4] == 1
    assert share[4, 0] == pytest.approx(1 / 5)
    assert (level[:4] < 0.1).all()
    width = share[:4, 0] * BLOCKS * BLOCK
    speed = width * statistics.curve(level[:4] * statistics.reach[:4] / np.maximum(width, 0))
    assert bits[:4] / speed == pytest.approx([8.0 * 0.95] * 4, rel=1e-4)


def test_who_needs_some_of_the_reserve_is_not_said_to_be_late():
    """Warnings are errors here: all of the band takes 97 % of the time."""
    gains, bits = [1e-12] * 4, np.full(4, 1e6)
    asked, statistics = known(gains, bits_left=bits)
    speed = BLOCKS * BLOCK / 4 * statistics.curve(4 * statistics.reach / (BLOCKS * BLOCK))
    within = float((bits / speed).max()) / 0.97
    share, level = MinimumEnergy(within=within).shares_and_levels(asked)
    assert share[:, 0] == pytest.approx([1 / 4] * 4)
    assert level == pytest.approx([1.0] * 4)


def test_under_fading_means_beat_the_moment_by_far():
    """8 devices under flat Rayleigh fading: who is in a fade must not get the band."""
    gains = np.geomspace(1e-13, 3e-12, 8)

    def last(allocator):
        band = make_band(gains, fading=cm.Rayleigh(), doppler=5.0, step=0.02, allocator=allocator)
        band = replace(band, fading=cm.Rayleigh())
        return max(sent.end for sent in finish(band, [([i], 1e6) for i in range(len(gains))]))

    means, moment = last(MinimumMakespan()), last(MinimumMakespan(knowledge="instantaneous"))
    assert means < 0.75 * moment
    assert means < last(EqualShare())
