"""Aggregation over the air: truncation, power, time and error against closed forms."""

import numpy as np
import pytest

from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.directions import UplinkConfig
from wfl_sim.radio.over_the_air import AnalogUplink, analog_uplink

UPLINK = AnalogUplink(bandwidth=1e6, noise_power=1e-13)


def burst(gain, *, mean=None, weight=None, power=0.2, threshold=0.1, values=1000):
    gain = np.asarray(gain, dtype=float)
    return UPLINK.burst(
        gain,
        np.ones_like(gain) * 1e-10 if mean is None else np.asarray(mean, dtype=float),
        np.ones_like(gain) if weight is None else np.asarray(weight, dtype=float),
        np.full_like(gain, power),
        threshold=threshold,
        values=values,
    )


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.7])
def test_a_rayleigh_link_sends_with_probability_exp_of_minus_the_threshold(threshold):
    rng = np.random.default_rng(1)
    gain = 1e-10 * rng.exponential(size=200_000)
    sends = burst(gain, threshold=threshold).watts > 0
    expected = np.exp(-threshold)
    error = np.sqrt(expected * (1 - expected) / gain.size)
    assert sends.mean() == pytest.approx(expected, abs=4 * error)


def test_inversion_by_hand():
    # Shares 1/4 and 3/4; w^2/g = 0.0625e10 and 0.28125e10, so the second sets eta.
    result = burst([1e-10, 2e-10], weight=[1.0, 3.0], power=0.2)
    eta = 0.2 / (0.75**2 / 2e-10)
    assert result.watts == pytest.approx([0.25**2 * eta / 1e-10, 0.2])
    assert result.noise == pytest.approx(np.sqrt(1e-13 / eta))
    # Two values a symbol, a million symbols a second.
    assert result.seconds == pytest.approx(1000 / 2 / 1e6)


def test_interference_from_outside_is_noise_of_the_sum():
    outside = 3e-14
    quiet = analog_uplink(CellConfig()).noise_power
    loud = analog_uplink(CellConfig(uplink=UplinkConfig(outside=outside)))
    assert loud.noise_power == pytest.approx(quiet + 51 * outside)


def test_time_does_not_grow_with_the_devices():
    rng = np.random.default_rng(2)
    gains = 1e-10 * rng.uniform(0.5, 2.0, size=64)
    assert burst(gains[:2]).seconds == burst(gains).seconds


def test_who_is_below_the_threshold_stays_out_and_costs_nothing():
    result = burst([1e-10, 0.05e-10, 2e-10])
    assert result.watts[1] == 0
    assert result.watts == pytest.approx(burst([1e-10, 2e-10]).watts[[0, 0, 1]] * [1, 0, 1])
    nobody = burst([0.01e-10, 0.05e-10])
    assert (nobody.seconds, nobody.noise, nobody.watts.tolist()) == (0, 0, [0, 0])


def test_what_is_received_is_the_average_with_the_error_that_is_said():
    """The equation of the antenna, symbol by symbol, on complex channels."""
    rng = np.random.default_rng(3)
    devices, symbols = 5, 200_000
    channel = (rng.normal(size=devices) + 1j * rng.normal(size=devices)) * np.sqrt(0.5e-10)
    gain = np.abs(channel) ** 2
    weight = rng.uniform(1, 3, size=devices)
    result = burst(gain, weight=weight, threshold=0.2)
    sends = result.watts > 0
    assert 0 < sends.sum() < devices
    share = weight * sends / (weight * sends).sum()
    # Unit power: two values of variance 1/2 in each symbol.
    sent = (
        rng.normal(size=(devices, symbols)) + 1j * rng.normal(size=(devices, symbols))
    ) / np.sqrt(2)
    eta = 1e-13 / result.noise**2
    amplitude = np.where(sends, share * np.sqrt(eta) / channel, 0)
    radiated = np.mean(np.abs(amplitude[:, None] * sent) ** 2, axis=1)
    assert radiated == pytest.approx(result.watts, rel=0.02)
    assert radiated.max() <= 0.2 * 1.02
    noise = (rng.normal(size=symbols) + 1j * rng.normal(size=symbols)) * np.sqrt(0.5e-13)
    received = (channel[:, None] * amplitude[:, None] * sent).sum(axis=0) + noise
    error = received / np.sqrt(eta) - share @ sent
    # A value has the root mean square 1/sqrt(2) when its symbol has unit power.
    measured = np.concatenate([error.real, error.imag]).std() / np.sqrt(0.5)
    assert measured == pytest.approx(result.noise, rel=0.01)
