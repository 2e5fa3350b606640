import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

import channel_models as cm
from channel_models.elementary import log10

RATE_MAPS = [
    cm.Shannon(),
    cm.ShannonGap(gap="3 dB"),
    cm.AttenuatedShannon(),
    cm.AttenuatedShannon(attenuation=0.4, cap=2.0),
    cm.McsRate(),
    cm.McsRate(table="256qam", transmissions=1),
    cm.FiniteBlocklength(blocklength=500, error=1e-3),
]
every_map = pytest.mark.parametrize("rate", RATE_MAPS, ids=repr)
sinrs = arrays(float, st.integers(1, 30), elements=st.floats(1e-3, 1e5))


@every_map
@given(values=arrays(float, 20, elements=st.floats(0.0, 1e6)))
def test_rate_maps_never_fall_and_stay_below_capacity(rate, values) -> None:
    efficiency = rate.spectral_efficiency(np.sort(values))
    assert (np.diff(efficiency) >= -1e-12).all()
    assert (efficiency >= 0.0).all()
    assert (efficiency <= cm.Shannon().spectral_efficiency(np.sort(values)) + 1e-12).all()


@every_map
def test_rate_maps_keep_the_contract(rate) -> None:
    assert isinstance(rate, cm.RateMap)
    assert rate.spectral_efficiency(0.0) == 0.0
    assert isinstance(rate.spectral_efficiency(3.0), float)
    assert rate.spectral_efficiency(np.ones((2, 3))).shape == (2, 3)
    with pytest.raises(ValueError, match="sinr must be at least 0, got -1"):
        rate.spectral_efficiency([1.0, -1.0])
    with pytest.raises(ValueError, match="sinr must be a number, got NaN"):
        rate.spectral_efficiency(np.nan)


@pytest.mark.parametrize("rate", [cm.Shannon(), cm.ShannonGap(gap=3.0)])
def test_capacities_are_as_precise_as_the_sinr(rate: cm.RateMap) -> None:
    sinr = np.logspace(-3, 4, 200)
    exact, single = rate.spectral_efficiency(sinr), rate.spectral_efficiency(sinr.astype("f4"))
    assert (exact.dtype, single.dtype) == (np.float64, np.float32)
    assert single == pytest.approx(exact, rel=1e-6)


def test_shannon_values() -> None:
    assert cm.Shannon().spectral_efficiency(3.0) == pytest.approx(2.0)
    assert cm.ShannonGap(gap=3.0).spectral_efficiency(3 * 10**0.3) == pytest.approx(2.0)
    down = cm.AttenuatedShannon()
    assert down.spectral_efficiency(3.0) == pytest.approx(1.2)
    assert down.spectral_efficiency(1e4) == 4.4
    assert down.spectral_efficiency(0.099) == 0.0
    assert cm.qam_gap_db(1e-3) == pytest.approx(10 * np.log10(-np.log(5e-3) / 1.5))
    with pytest.raises(ValueError, match="bit_error_rate must be at most"):
        cm.qam_gap_db(0.2)


@given(sinrs, st.floats(0.5, 150.0))
def test_exponential_effective_sinr_lies_between_min_and_mean(values, beta) -> None:
    effective = cm.exponential_effective_sinr(values, beta)
    assert values.min() * (1 - 1e-12) <= effective <= values.mean() * (1 + 1e-12)
    shuffled = np.random.default_rng(0).permutation(values)
    assert cm.exponential_effective_sinr(shuffled, beta) == pytest.approx(effective, rel=1e-9)


@given(sinrs)
def test_orders_of_the_effective_sinrs(values) -> None:
    capacity, equaliser = cm.capacity_effective_sinr(values), cm.equaliser_sinr(values)
    slack = 1 + 1e-9
    assert values.min() <= equaliser * slack + 1e-9
    assert equaliser <= capacity * slack + 1e-9
    assert capacity <= values.mean() * slack
    # the capacity mapping keeps the sum of rates
    assert np.log2(1 + capacity) == pytest.approx(np.log2(1 + values).mean(), rel=1e-9)


@given(st.floats(1e-3, 1e5), st.integers(1, 20))
def test_equal_sinrs_map_to_themselves(value, count) -> None:
    values = np.full(count, value)
    for effective in (
        cm.exponential_effective_sinr(values, 5.0),
        cm.capacity_effective_sinr(values),
        cm.equaliser_sinr(values),
    ):
        assert effective == pytest.approx(value, rel=1e-9)


def test_effective_sinr_of_extremes_and_axes() -> None:
    assert cm.exponential_effective_sinr([1e6, 2e6], 1.6) == pytest.approx(1e6 + 1.6 * np.log(2.0))
    values = np.random.default_rng(0).exponential(size=(4, 3, 6))
    assert cm.exponential_effective_sinr(values, 2.0, axis=0).shape == (3, 6)
    per_user = cm.exponential_effective_sinr(values, np.array([1.0, 2.0, 5.0]))
    assert per_user[2, 1] == pytest.approx(cm.exponential_effective_sinr(values[2, 1], 2.0))
    assert cm.eesm_beta().shape == (29,)
    assert cm.eesm_beta("256qam").shape == (28,)
    for call in (lambda: cm.capacity_effective_sinr(3.0), lambda: cm.equaliser_sinr([])):
        with pytest.raises(ValueError, match="at least one resource block"):
            call()


def test_block_errors_pass_ten_percent_at_the_threshold() -> None:
    errors = cm.BlockErrors()
    index = np.arange(29)
    at_threshold = cm.db_to_linear(errors.thresholds_db)
    for bits in (100, 1000, 8000):
        np.testing.assert_allclose(errors.code_block_error(at_threshold, index, bits), 0.1)
    # longer blocks have steeper curves
    assert errors.width_db(10, 8000) < errors.width_db(10, 500)
    assert errors.code_block_error(0.0, 5, 1000) == 1.0
    single = errors.code_block_error(at_threshold[20], 20, 8448)
    several = errors.transport_block_error(at_threshold[20], 20, 84000)
    assert several > single
    gap = errors.thresholds_db - 10 * np.log10(2**errors.mcs.spectral_efficiency - 1)
    np.testing.assert_allclose(np.delete(gap, 17), 2.5, atol=1e-9)  # MCS 17 is below MCS 16


@given(st.floats(0.01, 1e4), st.floats(1.0, 3.0), st.integers(0, 28), st.integers(50, 8448))
def test_block_errors_fall_with_sinr(sinr, factor, mcs, bits) -> None:
    errors = cm.BlockErrors()
    worse = errors.code_block_error(sinr, mcs, bits)
    assert 0.0 <= errors.code_block_error(sinr * factor, mcs, bits) <= worse <= 1.0


def test_own_thresholds() -> None:
    own = tuple(np.linspace(-5.0, 20.0, 29))
    errors = cm.BlockErrors(thresholds=own)
    assert errors.highest_mcs(cm.db_to_linear([-6.0, -5.0 + 1e-9, 25.0])).tolist() == [-1, 0, 28]
    assert cm.McsRate(thresholds=own).spectral_efficiency(1e4) == pytest.approx(5.5547, abs=1e-4)
    with pytest.raises(ValueError, match="one value for each of 29 MCS, got 3"):
        cm.BlockErrors(thresholds=(1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="thresholds must not fall"):
        cm.McsRate(thresholds=own[::-1])


def test_the_curve_of_schemes_is_read_as_numpy_interpolates_it():
    """To the bit: on the points of its grid, beside them, beyond them and at none."""
    curve = cm.McsRate().mcs_form.curve
    grid, values = curve[:, 0], curve[:, 1]
    drawn = np.random.default_rng(1).uniform(-40.0, 70.0, 10_000)
    near = [grid, np.nextafter(grid, -99.0), np.nextafter(grid, 99.0)]
    sinr = cm.db_to_linear(np.concatenate([*near, drawn]))
    sinr_db = 10.0 * log10(sinr)
    found = cm.McsRate().spectral_efficiency(np.append(sinr, [0.0, np.inf]))
    assert (found[:-2] == np.interp(sinr_db, grid, values)).all()
    assert found[-2:].tolist() == [0.0, values[-1]]


def test_harq_goodput_values() -> None:
    assert cm.harq_goodput([0.1, 1e-3, 1e-5, 1e-7]) == pytest.approx(0.909008, abs=1e-6)
    assert cm.harq_goodput([0.5, 0.05, 1e-3, 1e-5]) == pytest.approx(0.655727, abs=1e-6)
    assert cm.harq_goodput([0.0]) == 1.0
    assert cm.harq_goodput([1.0, 1.0]) == 0.0
    assert cm.harq_residual_error([0.5, 0.1]) == pytest.approx(0.05)
    assert cm.harq_mean_transmissions([0.5, 0.1]) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="errors must be at most 1, got 2"):
        cm.harq_goodput([2.0])


def test_refusals_of_names_and_shapes() -> None:
    with pytest.raises(ValueError, match="table must be one of 64qam, 256qam"):
        cm.eesm_beta("low-se")
    with pytest.raises(ValueError, match="errors must have shape"):
        cm.harq_goodput(0.1)
    with pytest.raises(ValueError, match="errors must have shape"):
        cm.harq_goodput([])


def test_harq_against_a_simulation() -> None:
    errors = np.array([0.6, 0.3, 0.1])
    stream = np.random.default_rng(0)
    draws = stream.random((200_000, 3)) < errors
    delivered, sent = ~draws.all(axis=1), np.where(draws, 1, 0)
    attempts = 1 + sent[:, 0] + sent[:, 0] * sent[:, 1]
    assert delivered.sum() / attempts.sum() == pytest.approx(cm.harq_goodput(errors), rel=5e-3)


@given(arrays(float, 4, elements=st.floats(0, 1)), st.integers(0, 3), st.floats(0, 1))
def test_harq_is_monotone_in_every_error(errors, place, scale) -> None:
    fewer = errors.copy()
    fewer[place] *= scale
    # a smaller error at one attempt never costs goodput when later attempts are not worse
    ordered, better = np.sort(errors)[::-1], np.sort(fewer)[::-1]
    assert cm.harq_goodput(better) >= cm.harq_goodput(ordered) - 1e-12


def test_chase_combining_adds_the_sinrs() -> None:
    errors = cm.BlockErrors()
    chances = cm.chase_errors(lambda s: errors.code_block_error(s, 10, 1000), [1.0, 2.0], 3)
    assert chances.shape == (2, 3)
    assert chances[0, 1] == chances[1, 0]
    assert (np.diff(chances, axis=1) <= 0).all()
    plain, harq = cm.McsRate(transmissions=1), cm.McsRate()
    sinr = np.logspace(-2, 3, 50)
    assert (harq.spectral_efficiency(sinr) >= plain.spectral_efficiency(sinr) - 1e-9).all()


@pytest.mark.parametrize("target", [0.01, 0.1, 0.3])
def test_outer_loop_meets_its_target(target) -> None:
    errors, loop = cm.BlockErrors(), cm.OuterLoop(target=target, step="0.5 dB")
    stream = np.random.default_rng(8)
    users, slots = 200, 3000
    bias = stream.normal(0.0, 2.0, users)  # of the reported SINR, dB
    offset, failures = np.zeros(users), 0
    for slot in range(slots):
        true_db = 12.0 + 2.0 * np.sin(slot / 50.0 + np.arange(users))
        chosen = np.maximum(errors.highest_mcs(cm.db_to_linear(true_db + bias - offset)), 0)
        error = errors.code_block_error(cm.db_to_linear(true_db), chosen, 4000)
        acknowledged = stream.random(users) >= error
        offset = loop.update(offset, acknowledged)
        failures += (~acknowledged).sum() if slot >= 500 else 0
    assert failures / (users * (slots - 500)) == pytest.approx(target, rel=0.05)


def test_outer_loop_steps_and_limits() -> None:
    loop = cm.OuterLoop(target=0.1, step=0.9, limit=2.0)
    assert loop.update(0.0, False) == pytest.approx(0.9)
    assert loop.update(0.0, True) == pytest.approx(-0.1)
    assert loop.update([1.9, -1.95], [False, True]).tolist() == [2.0, -2.0]
    for target in (0.0, 1.0):
        with pytest.raises(ValueError, match="target must be"):
            cm.OuterLoop(target=target)


def test_normal_approximation() -> None:
    # Polyanskiy, Poor, Verdu 2010: a complex channel of 1000 uses is a real one of 2000
    n, error, snr = 1000, 1e-3, 1.0
    capacity, dispersion = 1.0, 0.75 / np.log(2.0) ** 2
    expected = capacity - np.sqrt(dispersion / n) * 3.090232306167813 + np.log2(n) / (2 * n)
    assert cm.normal_approximation_rate(snr, n, error) == pytest.approx(expected)
    assert cm.channel_dispersion(snr) == pytest.approx(dispersion)
    assert cm.channel_dispersion([1e9]) == pytest.approx([1 / np.log(2) ** 2])
    rate = cm.normal_approximation_rate(snr, n, error)
    assert cm.normal_approximation_error(snr, n, rate * n) == pytest.approx(error)
    assert cm.normal_approximation_rate(snr, 1e12, error) == pytest.approx(1.0, abs=1e-5)
    assert cm.normal_approximation_error(0.0, 100, 50.0) == 1.0
    for value in (0.0, 1.0):
        with pytest.raises(ValueError, match="error must be"):
            cm.normal_approximation_rate(1.0, 100, value)
    with pytest.raises(ValueError, match="blocklength must be at least 1"):
        cm.normal_approximation_rate(1.0, 0, 0.1)


@given(st.floats(0.1, 100.0), st.integers(100, 10_000), st.floats(1e-6, 0.4))
def test_finite_blocks_approach_capacity_from_below(snr, n, error) -> None:
    options = {"third_order": False}
    short = cm.normal_approximation_rate(snr, n, error, **options)
    longer = cm.normal_approximation_rate(snr, 2 * n, error, **options)
    assert short <= longer <= np.log2(1 + snr)


def test_mcs_rate_reaches_the_tables_ends() -> None:
    rate = cm.McsRate(table="256qam")
    assert rate.spectral_efficiency(1e6) == pytest.approx(948 / 1024 * 8)
    assert rate.goodput(10.0).shape == (28,)
    fine = np.logspace(-1, 3, 400)
    direct = rate.goodput(fine).max(axis=-1)
    np.testing.assert_allclose(rate.spectral_efficiency(fine), direct, rtol=2e-3)
    for options, message in [
        ({"code_block": 8}, "code_block must be at least 24, got 8"),
        ({"transmissions": 0}, "transmissions must be at least 1, got 0"),
        ({"gap": -1.0}, "gap must be at least 0 dB, got -1 dB"),
        ({"table": "qam"}, "table must be one of '64qam'"),
    ]:
        with pytest.raises(ValueError, match=message):
            cm.McsRate(**options)


def test_the_default_rate_ends_where_cqi_15_with_256qam_does() -> None:
    """TS 38.214 Table 5.2.2.1-3: 948/1024 of 8 bit; at 70 dB log2(1 + SINR / gap) gives 22.3."""
    assert cm.ShannonGap().cap == cm.cqi_efficiency("256qam")[-1] == 7.4063
    assert cm.ShannonGap().spectral_efficiency(1e7) == 7.4063
    single = cm.ShannonGap(cap=cm.cqi_efficiency("64qam")[-1]).spectral_efficiency(
        np.array([1.0, 1e7], np.float32)
    )
    assert single.dtype == np.float32
    assert single[1] == np.float32(5.5547)
