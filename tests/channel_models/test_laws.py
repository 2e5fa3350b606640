"""Closed forms against tabulated values, and each law against itself."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.integrate import quad
from scipy.special import chndtr, chndtrix

import channel_models as cm

DECIBELS = np.array([-10.0, 0.0, 5.0, 10.0, 15.0, 20.0, 30.0])
SNR = cm.db_to_linear(DECIBELS)

LAWS = [
    cm.ExponentialPower(),
    cm.ExponentialPower(mean=2.5),
    cm.GammaPower(shape=0.7),
    cm.GammaPower(shape=3.0, mean=3.0),
    cm.RicianPower(k=0.0),
    cm.RicianPower(k=4.0, mean=0.5),
    cm.BestOfPower(branches=4),
]


def test_ergodic_rate_of_rayleigh() -> None:
    expected = [0.132098, 0.860347, 1.715974, 2.906515, 4.330200, 5.884048, 9.143619]
    np.testing.assert_allclose(cm.ExponentialPower().ergodic_rate(SNR), expected, atol=1e-6)
    constant = [0.137504, 1.0, 2.057373, 3.459432, 5.027808, 6.658211, 9.967226]
    np.testing.assert_allclose(cm.ConstantPower().ergodic_rate(SNR), constant, atol=1e-6)


def test_ergodic_rate_at_very_low_snr_is_the_series() -> None:
    g = np.array([1e-3, 1e-5])
    series = g / np.log(2) * (1 - g + 2 * g**2)
    np.testing.assert_allclose(cm.ExponentialPower().ergodic_rate(g), series, rtol=1e-7)
    assert cm.ExponentialPower().ergodic_rate(0.0) == 0.0


def test_ergodic_rates_of_the_others_at_10_db() -> None:
    assert cm.GammaPower(shape=2.0).ergodic_rate(10.0) == pytest.approx(3.166253, abs=1e-6)
    assert cm.GammaPower(shape=4.0).ergodic_rate(10.0) == pytest.approx(3.310523, abs=1e-6)
    for k_db, rate in [(0, 3.000794), (3, 3.102982), (9, 3.325497)]:
        law = cm.RicianPower(k=float(cm.db_to_linear(k_db)))
        assert law.ergodic_rate(10.0) == pytest.approx(rate, abs=2e-6)
    for n, rate in [(1, 2.906515), (2, 3.658583), (4, 4.242666), (8, 4.686518), (16, 5.033983)]:
        assert cm.BestOfPower(branches=n).ergodic_rate(10.0) == pytest.approx(rate, abs=1e-6)


def test_outage_and_channel_inversion() -> None:
    law = cm.ExponentialPower()
    np.testing.assert_allclose(
        law.outage([1, 2, 4], 10.0), [0.095163, 0.259182, 0.776870], atol=1e-6
    )
    np.testing.assert_allclose(
        law.truncated_inversion_rate(10.0, [0.1, 0.5, 1, 2, 3.01988]),
        [1.779756, 2.222893, 2.440582, 2.618571, 2.659505],
        atol=1e-6,
    )
    assert law.outage(1.0, 0.0) == 1.0
    assert law.outage(0.0, 0.0) == 0.0


def test_harmonic_means_of_the_best() -> None:
    for n, mean in [(2, 1.5), (4, 2.083333), (8, 2.717857), (10, 2.928968), (100, 5.187378)]:
        assert cm.BestOfPower(branches=n).mean == pytest.approx(mean, abs=1e-6)


def test_crossings_and_fades_of_rayleigh() -> None:
    level = cm.db_to_linear(np.array([-20.0, -10.0, -3.0, 0.0, 3.0]) / 2.0)
    np.testing.assert_allclose(
        cm.level_crossing_rate(level, 1.0),
        [0.248169, 0.717233, 1.075046, 0.922137, 0.481458],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        cm.average_fade_duration(level, 1.0),
        [0.040094, 0.132680, 0.366672, 0.685495, 1.794594],
        atol=1e-6,
    )
    # in proportion to the Doppler shift
    assert cm.level_crossing_rate(0.5, 30.0) == pytest.approx(
        30.0 * cm.level_crossing_rate(0.5, 1.0)
    )


def test_rician_crossings_of_a_specular_part_at_right_angles() -> None:
    from scipy.special import i0

    k, level = 3.0, np.array([0.2, 0.7, 1.0, 1.3])
    expected = (
        np.sqrt(2 * np.pi * (k + 1))
        * level
        * np.exp(-k - (k + 1) * level**2)
        * i0(2 * level * np.sqrt(k * (k + 1)))
    )
    np.testing.assert_allclose(cm.level_crossing_rate(level, 1.0, k), expected, rtol=1e-9)


@pytest.mark.parametrize("k", [1e3, 1e4, 1e5, 1e6])
def test_crossings_of_the_mean_where_hardly_anything_is_scattered(k: float) -> None:
    from scipy.special import ive

    argument = 2 * np.sqrt(k * (k + 1))
    expected = np.sqrt(2 * np.pi * (k + 1)) * np.exp(argument - 2 * k - 1) * ive(0, argument)
    assert cm.level_crossing_rate(1.0, 1.0, k) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_law_is_consistent(law) -> None:
    mean, _ = quad(lambda x: x * law.pdf(x), 0, 60 * law.mean, points=[law.mean], limit=200)
    second, _ = quad(lambda x: x * x * law.pdf(x), 0, 60 * law.mean, points=[law.mean], limit=200)
    assert mean == pytest.approx(law.mean, rel=1e-6)
    assert second - mean**2 == pytest.approx(law.variance, rel=1e-6)
    x = np.linspace(0.01, 4.0, 30)
    slope = (law.cdf(x + 1e-6) - law.cdf(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope, law.pdf(x), rtol=1e-4, atol=1e-8)
    p = np.linspace(0.001, 0.999, 50)
    np.testing.assert_allclose(law.cdf(law.quantile(p)), p, rtol=1e-8)
    rate, _ = quad(
        lambda x: np.log2(1 + 10 * x) * law.pdf(x), 0, 60 * law.mean, points=[0.1, 1], limit=400
    )
    assert law.ergodic_rate(10.0) == pytest.approx(rate, rel=1e-6)
    assert law.outage(2.0, 10.0) == pytest.approx(law.cdf(0.3))


@given(st.floats(0.0, 1e4), st.floats(1.0, 10.0))
def test_jensen_and_growth(snr: float, factor: float) -> None:
    for law in (cm.ExponentialPower(), cm.GammaPower(shape=2.5), cm.RicianPower(k=2.0)):
        rate = law.ergodic_rate(snr)
        assert rate <= np.log2(1 + snr * law.mean) + 1e-9
        assert law.ergodic_rate(snr * factor) >= rate - 1e-12


@pytest.mark.parametrize("cv_square", [1e-4, 1e-6, 1e-8])
def test_a_narrow_law_has_nearly_the_rate_of_its_mean(cv_square: float) -> None:
    """Second order: E f(X) = f(1) + f''(1) var / 2; the grid in ln x missed such a law."""
    rate = np.log2(11) - cv_square / 2 * (10 / 11) ** 2 / np.log(2)
    for law in (cm.GammaPower(shape=1 / cv_square), cm.RicianPower(k=2 / cv_square)):
        assert law.ergodic_rate(10.0) == pytest.approx(rate, abs=cv_square**1.5 + 1e-9)


@pytest.mark.parametrize("shape", [8.0, 16.0, 32.0, 64.0])
def test_many_branches_at_low_snr(shape: float) -> None:
    law = cm.GammaPower(shape=shape)

    def rate(snr: float) -> float:
        return quad(lambda x: np.log2(1 + snr * x) * law.pdf(x), 0, 20, points=[1], limit=400)[0]

    snr = [0.1, 0.3, 0.8, 1.2, 5.0]
    np.testing.assert_allclose(law.ergodic_rate(snr), [*map(rate, snr)], rtol=1e-8)


def test_empirical_quantiles_are_where_the_cdf_reaches_them() -> None:
    law = cm.EmpiricalPower(np.arange(1.0, 101.0))
    np.testing.assert_array_equal(law.quantile(np.arange(101) / 100), [1, *range(1, 101)])


def test_a_wide_law_is_not_cut_off() -> None:
    law = cm.GammaPower(shape=0.001)
    rate, _ = quad(lambda u: np.log2(1 + 10 * law.quantile(u)), 0.9, 1, limit=400)
    assert law.ergodic_rate(10.0) == pytest.approx(rate, rel=1e-4)


def test_inversion_far_above_the_mean_snr_carries_nothing() -> None:
    rates = cm.ExponentialPower().truncated_inversion_rate([1e-2, 1.4e-3, 1e-3, 1e-6], 1.0)
    assert (np.diff(rates) <= 0).all()
    assert rates.max() < 1e-40


@pytest.mark.parametrize(
    "law",
    [*LAWS, cm.BestOfPower(), cm.ConstantPower(), cm.EmpiricalPower(np.ones(3))],
    ids=lambda law: type(law).__name__,
)
def test_of_no_number_there_is_no_probability(law) -> None:
    for function in ("pdf", "cdf"):
        if hasattr(law, function):
            found = getattr(law, function)([np.nan, -1.0, 1.5])
            assert np.isnan(found[0])
            assert found[1] == 0
            assert found[2] > 0 or function == "pdf"


def test_nakagami_one_is_rayleigh_and_rician_zero_too() -> None:
    x = np.linspace(0, 5, 40)
    for other in (cm.GammaPower(shape=1.0), cm.RicianPower(k=0.0)):
        np.testing.assert_allclose(other.cdf(x), cm.ExponentialPower().cdf(x), atol=1e-12)
        np.testing.assert_allclose(other.pdf(x), cm.ExponentialPower().pdf(x), atol=1e-12)


def test_diversity() -> None:
    stream = np.random.default_rng(2)
    branches = stream.exponential(size=(4, 50_000))
    combined, best = cm.maximum_ratio(branches), cm.selection(branches)
    assert combined.mean() == pytest.approx(cm.maximum_ratio_law(4).mean, rel=0.01)
    assert best.mean() == pytest.approx(cm.selection_law(4).mean, rel=0.01)
    assert combined.var() == pytest.approx(cm.maximum_ratio_law(4).variance, rel=0.03)
    with pytest.raises(ValueError, match="powers must be at least 0"):
        cm.maximum_ratio([-1.0])
    with pytest.raises(ValueError, match="branches must be at least 1, got 0"):
        cm.maximum_ratio_law(0)


def test_shadowing_law() -> None:
    law = cm.NormalDecibels(sigma=8.0)
    stream = np.random.default_rng(0)
    drawn = 8.0 * stream.standard_normal(400_000)
    assert cm.db_to_linear(drawn).mean() == pytest.approx(law.linear_mean, rel=0.05)
    assert law.cdf(0.0) == 0.5
    assert law.quantile(law.cdf(5.0)) == pytest.approx(5.0)
    assert cm.NormalDecibels(sigma=0.0).cdf([-1.0, 1.0]).tolist() == [0.0, 1.0]


def test_empirical_law() -> None:
    law = cm.EmpiricalPower(np.array([3.0, 1.0, 2.0, 2.0]))
    assert law.mean == 2.0
    assert law.variance == 0.5
    np.testing.assert_array_equal(law.cdf([0.5, 1.0, 2.0, 9.0]), [0.0, 0.25, 0.75, 1.0])
    np.testing.assert_array_equal(law.quantile([0.0, 0.25, 0.5, 1.0]), [1.0, 1.0, 2.0, 3.0])
    assert law.ergodic_rate(1.0) == pytest.approx(np.log2([4, 2, 3, 3]).mean())
    assert law.outage(1.5, 1.0) == 0.25
    with pytest.raises(ValueError, match="samples must not be empty"):
        cm.EmpiricalPower(np.array([]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cm.ExponentialPower(mean=0.0), "mean must be greater than 0, got 0"),
        (lambda: cm.GammaPower(shape=-1.0), "shape must be greater than 0"),
        (lambda: cm.RicianPower(k=-0.5), "k must be at least 0, got -0.5"),
        (lambda: cm.ExponentialPower().ergodic_rate(-1.0), "snr must be at least 0, got -1"),
        (lambda: cm.ExponentialPower().quantile(1.5), "probability must be at most 1, got 1.5"),
        (lambda: cm.ExponentialPower().outage(np.nan, 1.0), "rate must be a number, got NaN"),
        (lambda: cm.level_crossing_rate(1.0, -3.0), "doppler must be at least 0 Hz, got -3 Hz"),
    ],
)
def test_bad_input(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_constant_power() -> None:
    law = cm.Static().law
    assert (law.mean, law.variance) == (1.0, 0.0)
    assert law.cdf([0.5, 1.0]).tolist() == [0.0, 1.0]
    assert law.quantile([0.1, 0.9]).tolist() == [1.0, 1.0]
    assert law.outage([1.0, 2.0], 2.0).tolist() == [0.0, 1.0]
    assert cm.NormalDecibels(mean=3.0, sigma=0.0).quantile([0.2]).tolist() == [3.0]


def test_a_rician_power_of_a_large_factor_has_a_normal_amplitude():
    """Scipy's noncentral chi-square has NaN at factors of 100 dB, some versions from 60 dB on."""
    chances = np.array([1e-9, 1e-3, 0.5, 0.999])
    for k in (1.01e4, 1e5):
        law = cm.RicianPower(k=k)
        exact = chndtrix(chances, 2.0, 2.0 * k) / (2.0 * (1.0 + k))
        assert law.quantile(chances) == pytest.approx(exact, abs=4e-6 * np.sqrt(law.variance))
        assert law.cdf(exact) == pytest.approx(chndtr(2 * (1 + k) * exact, 2.0, 2 * k), rel=2e-5)
    for k in (1e6, 1e10, 1e20):
        law = cm.RicianPower(k=k, mean=2.0)
        assert law.cdf(law.quantile(chances)) == pytest.approx(chances, rel=1e-4)
        assert law.quantile(0.5) == pytest.approx(2.0)
        assert law.cdf([0.0, 1.9, 2.1]) == pytest.approx([0.0, 0.0, 1.0])
        assert np.isfinite(law.quantile([0.0, 1e-13, 1 - 1e-13])).all()
