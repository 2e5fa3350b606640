"""One scheme over several resource blocks: effective SINR, and errors under the true channel."""

import numpy as np
import pytest

import channel_models as cm

FIRST = np.array([0, 3, 4])


def groups(values):
    return np.split(np.asarray(values), FIRST[1:])


@pytest.mark.parametrize("table", ["64qam", "256qam", "low-se"])
def test_on_like_blocks_it_is_the_best_goodput(table):
    rate = cm.McsRate(table=table)
    sinr = 10 ** (np.linspace(-12, 35, 48) / 10)
    together = rate.transport_efficiency(
        np.repeat(sinr, 5), np.repeat(sinr, 5), np.ones(240), np.arange(0, 240, 5)
    )
    np.testing.assert_allclose(together, rate.spectral_efficiency(sinr), atol=5e-3)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_brute_force_over_all_schemes(seed):
    rng, rate = np.random.default_rng(seed), cm.McsRate()
    known, sinr = rng.exponential(10.0, (2, 8))
    found = rate.transport_efficiency(known, sinr, np.ones(8), FIRST)
    betas = cm.eesm_beta("64qam")
    for value, seen, true in zip(found, groups(known), groups(sinr), strict=True):

        def goodput(mcs, values):
            return rate.goodput(cm.exponential_effective_sinr(values, betas[mcs]))[mcs]

        best = max(range(len(betas)), key=lambda mcs: goodput(mcs, seen))
        assert value == pytest.approx(float(goodput(best, true)), abs=5e-3)


def test_weights_count_like_repeated_blocks():
    rate, sinr = cm.McsRate(), np.array([1.0, 20.0])
    weighted = rate.transport_efficiency(sinr, sinr, np.array([0.2, 0.6]), np.array([0]))
    repeated = np.array([1.0, 20.0, 20.0, 20.0])
    same = rate.transport_efficiency(repeated, repeated, np.ones(4), np.array([0]))
    assert weighted == pytest.approx(same)


def test_nobody_gains_by_knowing_less():
    rng, rate = np.random.default_rng(3), cm.McsRate()
    sinr, known = rng.exponential(10.0, (2, 600))
    first, weight = np.arange(0, 600, 6), np.ones(600)
    right = rate.transport_efficiency(sinr, sinr, weight, first)
    wrong = rate.transport_efficiency(known, sinr, weight, first)
    assert (wrong <= right + 1e-9).all()
    assert wrong.mean() < 0.9 * right.mean()


def test_a_scheme_that_asks_for_too_much_delivers_nothing():
    rate = cm.McsRate(transmissions=1)
    found = rate.transport_efficiency(np.array([1e3]), np.array([1.0]), np.ones(1), np.array([0]))
    assert found == pytest.approx(0.0, abs=1e-6)
