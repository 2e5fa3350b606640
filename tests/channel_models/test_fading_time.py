"""Laws in time and frequency, against samples."""

import numpy as np
import pytest
from scipy.special import j0

import channel_models as cm

DOPPLER = 10.0
LAGS = np.array([0.005, 0.010, 0.020, 0.038, 0.050, 0.12])


def _correlation(process, lags, tap=0):
    starts = np.arange(12) * 0.37
    now = process.taps(starts)[..., tap]
    return (
        np.array([(process.taps(starts + lag)[..., tap] * now.conj()).mean() for lag in lags])
        / (np.abs(now) ** 2).mean()
    )


@pytest.mark.parametrize("model", [cm.Rayleigh(), cm.Rayleigh(profile="tdl-c")], ids=repr)
def test_autocorrelation_is_bessel(model, streams) -> None:
    process = model.realise(streams(2000), np.full(2000, DOPPLER))
    measured = _correlation(process, LAGS)
    expected = model.autocorrelation(LAGS, DOPPLER)
    np.testing.assert_allclose(expected, j0(2 * np.pi * DOPPLER * LAGS), atol=1e-12)
    # sampling deviation of a correlation over 2000 links is about 1 / sqrt(2000)
    np.testing.assert_allclose(measured, expected, atol=0.03)


@pytest.mark.parametrize("model", [cm.Rician(k_factor=3.0), cm.Rayleigh(profile="tdl-d")], ids=repr)
def test_autocorrelation_with_a_specular_part(model, streams) -> None:
    process = model.realise(streams(2000), np.full(2000, DOPPLER))
    starts = np.arange(12) * 0.37
    now = process.response(starts, [0.0])
    measured = [
        (process.response(starts + lag, [0.0]) * now.conj()).mean() / (np.abs(now) ** 2).mean()
        for lag in LAGS
    ]
    np.testing.assert_allclose(measured, model.autocorrelation(LAGS, DOPPLER), atol=0.03)


def test_autocovariance_of_the_power(streams) -> None:
    sinusoids = 8
    process = cm.Rayleigh(sinusoids=sinusoids).realise(streams(6000), np.full(6000, DOPPLER))
    now, later = process.power(0.0, [0.0]), process.power(0.01, [0.0])
    expected = 1.0 + (1.0 - 1.0 / sinusoids) * j0(2 * np.pi * DOPPLER * 0.01) ** 2
    assert (now * later).mean() == pytest.approx(expected, abs=0.08)


def test_exponential_correlation(streams) -> None:
    model = cm.OrnsteinUhlenbeck(coherence_time="40 ms")
    process = model.realise(streams(2000), np.zeros(2000))
    np.testing.assert_allclose(_correlation(process, LAGS), np.exp(-LAGS / 0.04), atol=0.03)
    np.testing.assert_allclose(model.autocorrelation(LAGS), np.exp(-LAGS / 0.04))
    path = np.array([model.walk([0.0, 0.02, 0.05], stream) for stream in streams(4000)])
    measured = (path[:, 2] * path[:, 0].conj()).mean()
    assert measured == pytest.approx(np.exp(-0.05 / 0.04), abs=0.05)
    assert (np.abs(path) ** 2).mean() == pytest.approx(1.0, abs=0.04)
    with pytest.raises(ValueError, match="time must be a sorted array"):
        model.walk([1.0, 0.0], np.random.default_rng(0))


def test_block_fading_holds_and_renews(streams) -> None:
    model = cm.Block(duration="10 ms", profile="tdl-a")
    process = model.realise(streams(3000), np.zeros(3000))
    inside, same, next_block = (process.taps(t) for t in (0.0201, 0.0299, 0.0301))
    np.testing.assert_array_equal(inside, same)
    correlation = (inside * next_block.conj()).sum(axis=1).mean()
    assert abs(correlation) < 0.05
    np.testing.assert_allclose(
        (np.abs(inside) ** 2).mean(axis=0), model.delay_profile.tap_powers, rtol=0.12
    )
    assert model.autocorrelation([0.0, 0.005, 0.02]).tolist() == [1.0, 0.5, 0.0]
    np.testing.assert_array_equal(
        model.frequency_correlation([0.0, 1e6]),
        cm.Rayleigh(profile="tdl-a").frequency_correlation([0.0, 1e6]),
    )
    # before time zero too
    assert not np.allclose(process.taps(-0.001), process.taps(0.001))


def _crossings(amplitude, level, span):
    below = amplitude < level
    upward = (below[..., :-1] & ~below[..., 1:]).sum()
    return upward / span, below.mean() / (upward / span)


@pytest.mark.parametrize(
    ("model", "levels"),
    [
        (cm.Rayleigh(sinusoids=32), [0.1, 0.3, 0.7, 1.0]),
        (cm.Rician(k_factor=3.0, los_angle="90 deg"), [0.3, 0.7, 1.0]),
        (cm.Rician(k_factor=3.0), [0.3, 0.7, 1.0]),
        (cm.Nakagami(m=2.0), [0.5, 0.7, 1.0]),
        (cm.Rayleigh(profile="tdl-d"), [0.7, 1.0]),
    ],
    ids=lambda value: repr(value) if not isinstance(value, list) else "",
)
def test_level_crossings_and_fades_within_three_percent(model, levels, streams) -> None:
    # the transformed process has no fast path
    links = 200 if isinstance(model, cm.Nakagami) else 500
    step, count = 0.5e-3, 8000
    process = model.realise(streams(links, 11), np.full(links, DOPPLER))
    amplitude = np.sqrt(process.power_grid(0, count, step, [0.0])[..., 0])
    span = links * count * step
    for level in levels:
        rate, duration = _crossings(amplitude, level, span)
        assert rate == pytest.approx(model.level_crossing_rate(level, DOPPLER), rel=0.03)
        assert duration == pytest.approx(model.average_fade_duration(level, DOPPLER), rel=0.03)


@pytest.mark.parametrize("name", ["tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e"])
def test_power_delay_profile(name, streams) -> None:
    profile = cm.delay_profile(name)
    assert profile.tap_powers.sum() == pytest.approx(1.0)
    # the tables round delays and powers; TDL-D is off by most
    assert profile.rms_delay_spread() == pytest.approx(1.0, abs=7e-3 if name == "tdl-d" else 1e-3)
    process = cm.Rayleigh(profile=name).realise(streams(3000), np.full(3000, DOPPLER))
    np.testing.assert_allclose(process.delays, profile.delays * 300e-9)
    measured = (np.abs(process.taps(np.arange(4) * 0.21)) ** 2).mean(axis=(0, 1))
    np.testing.assert_allclose(measured, profile.tap_powers, rtol=0.08)


@pytest.mark.parametrize("wanted", [0.0, 9.0])
def test_a_k_factor_scales_the_scattered_taps_and_the_delays(wanted) -> None:
    # TR 38.901 section 7.7.6 in dB on Table 7.7.2-4: P_n - K_wanted + K_of_the_model
    delays = np.array(
        [0, 0, 0.035, 0.612, 1.363, 1.405, 1.804, 2.596, 1.775, 4.042, 7.937, 9.424, 9.708, 12.525]
    )
    power_db = np.array(
        [
            -0.2,
            -13.5,
            -18.8,
            -21,
            -22.8,
            -17.9,
            -20.1,
            -21.9,
            -22.9,
            -27.8,
            -23.6,
            -24.8,
            -30,
            -27.7,
        ]
    )
    power_db[1:] += -0.2 - 10 * np.log10((10 ** (power_db[1:] / 10)).sum()) - wanted
    share = 10 ** (power_db / 10) / (10 ** (power_db / 10)).sum()
    spread = np.sqrt(share @ delays**2 - (share @ delays) ** 2)
    found = cm.Rayleigh(profile="tdl-d", k_factor=wanted).delay_profile
    assert found.specular == pytest.approx(share[0], rel=1e-12)
    np.testing.assert_allclose(found.powers, share[1:], rtol=1e-12)
    np.testing.assert_allclose(found.delays, delays[1:] / spread, rtol=1e-12)


def test_tap_counts_and_k_factors() -> None:
    counts = {"flat": 1, "tdl-a": 23, "tdl-b": 23, "tdl-c": 24, "tdl-d": 13, "tdl-e": 14}
    for name, count in counts.items():
        assert cm.delay_profile(name).delays.size == count
    assert cm.linear_to_db(cm.delay_profile("tdl-d").k_factor) == pytest.approx(13.3)
    assert cm.linear_to_db(cm.delay_profile("tdl-e").k_factor) == pytest.approx(22.0)


@pytest.mark.parametrize(
    ("profile", "spread", "narrow", "wide"),
    [
        ("tdl-a", 30e-9, 0.9994, 0.9977),
        ("tdl-a", 100e-9, 0.9937, 0.9755),
        ("tdl-a", 300e-9, 0.9476, 0.8396),
        ("tdl-a", 1000e-9, 0.7515, 0.6891),
        ("tdl-c", 30e-9, 0.9994, 0.9977),
        ("tdl-c", 100e-9, 0.9938, 0.9767),
        ("tdl-c", 300e-9, 0.9535, 0.8975),
        ("tdl-c", 1000e-9, 0.8657, 0.6754),
    ],
)
def test_frequency_correlation_table(profile, spread, narrow, wide) -> None:
    model = cm.Rayleigh(profile=profile, delay_spread=spread)
    correlation = np.abs(model.frequency_correlation([180e3, 360e3]))
    np.testing.assert_allclose(correlation, [narrow, wide], atol=6e-5)


def test_frequency_correlation_of_samples(streams) -> None:
    model = cm.Rayleigh(profile="tdl-c", delay_spread=300e-9)
    process = model.realise(streams(3000), np.full(3000, DOPPLER))
    spacings = np.array([0.0, 180e3, 720e3, 2e6, 5e6])
    response = process.response(np.arange(4) * 0.3, spacings)
    measured = (response * response[..., :1].conj()).mean(axis=(0, 1))
    np.testing.assert_allclose(measured, model.frequency_correlation(spacings), atol=0.05)


def test_coherence_bandwidth() -> None:
    for name, spread, megahertz in [
        ("tdl-a", 30e-9, 50.3),
        ("tdl-c", 30e-9, 18.2),
        ("tdl-a", 300e-9, 5.0),
        ("tdl-c", 300e-9, 1.8),
    ]:
        bandwidth = cm.delay_profile(name).coherence_bandwidth(spread)
        assert bandwidth / 1e6 == pytest.approx(megahertz, rel=0.02)
    with pytest.raises(ValueError, match="the profile is flat"):
        cm.delay_profile("flat").coherence_bandwidth(300e-9)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 2"):
        cm.delay_profile("tdl-a").coherence_bandwidth(300e-9, level=2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0, 1.0], [1.0]), "delays and powers must have one shape"),
        (([0.0, -1.0], [1.0, 1.0]), "delays must be at least 0"),
        (([0.0], [-1.0]), "powers must be at least 0"),
        (([0.0], [0.0]), "powers must not all be zero"),
        (([0.0], [1.0], -1.0), "specular must be at least 0"),
    ],
)
def test_bad_profiles(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        cm.DelayProfile(*arguments)


def test_unknown_profile() -> None:
    with pytest.raises(ValueError, match="profile must be one of flat, tdl-a"):
        cm.delay_profile("tdl-x")
