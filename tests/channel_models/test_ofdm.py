import numpy as np
import pytest

import channel_models as cm


def test_noise_values() -> None:
    assert cm.watt_to_dbm(cm.thermal_noise_density()) == pytest.approx(-173.975, abs=1e-3)
    for bandwidth, figure, dbm in [
        (180e3, 5, -116.447 + 0.025),
        (360e3, 5, -113.437 + 0.025),
        (20e6, 5, -95.990 + 0.025),
        (100e6, 9, -85.0 + 0.025),
    ]:
        # the rounded -174 dBm/Hz of the literature is 0.025 dB below kT at 290 K
        assert cm.watt_to_dbm(cm.noise_power(bandwidth, figure)) == pytest.approx(dbm, abs=1e-3)
    assert cm.noise_power([1e6, 2e6], [[0.0], [3.0]]).shape == (2, 2)


def test_numerologies() -> None:
    for mu, spacing in enumerate([15e3, 30e3, 60e3, 120e3, 240e3, 480e3, 960e3]):
        assert cm.numerology(spacing) == mu
        assert cm.slot_duration(spacing) == 1e-3 / 2**mu
        assert cm.resource_block_bandwidth(spacing) == 12 * spacing
    assert cm.symbol_duration(30e3) == pytest.approx(0.5e-3 / 14)


@pytest.mark.parametrize(
    ("bandwidth", "spacing", "carrier", "blocks"),
    [
        (20e6, 15e3, 3.5e9, 106),
        (50e6, 15e3, 3.5e9, 270),
        (20e6, 30e3, 3.5e9, 51),
        (100e6, 30e3, 3.5e9, 273),
        (5e6, 30e3, 0.7e9, 11),
        (100e6, 60e3, 3.5e9, 135),
        (200e6, 60e3, 28e9, 264),
        (50e6, 120e3, 28e9, 32),
        (400e6, 120e3, 28e9, 264),
    ],
)
def test_resource_blocks(bandwidth, spacing, carrier, blocks) -> None:
    assert cm.resource_blocks(bandwidth, spacing, carrier) == blocks
    offsets = cm.resource_block_offsets(blocks, spacing)
    assert offsets.size == blocks
    assert offsets.sum() == pytest.approx(0.0)
    np.testing.assert_allclose(np.diff(offsets), 12 * spacing)
    # the blocks and a guard band fit the channel
    assert blocks * 12 * spacing < bandwidth


def test_doppler() -> None:
    shifts = cm.doppler_shift(np.array([3.0, 30.0, 120.0]) / 3.6, 3.5e9)
    np.testing.assert_allclose(shifts, [9.73, 97.3, 389.2], rtol=1e-3)


def test_tdd_pattern() -> None:
    pattern = cm.TddPattern(pattern="DDDSU", special=(10, 2, 2))
    assert pattern.share("downlink") == pytest.approx(0.743, abs=5e-4)
    assert pattern.share("uplink") == pytest.approx(0.229, abs=5e-4)
    assert pattern.symbols("uplink") == [0, 0, 0, 2, 14]
    assert cm.TddPattern(pattern="D").share("downlink") == 1.0
    assert cm.TddPattern(pattern="U").share("downlink") == 0.0


def test_peak_rates() -> None:
    down, up = cm.signalling_overhead("downlink"), cm.signalling_overhead("uplink")
    assert (down, up) == (0.14, 0.08)
    assert cm.signalling_overhead("uplink", "FR2") == 0.10
    assert cm.peak_rate(273, 30e3, 8, down, layers=4) / 1e6 == pytest.approx(2337.0, abs=0.05)
    assert cm.peak_rate(51, 30e3, 6, up) / 1e6 == pytest.approx(87.57, abs=0.005)
    assert cm.peak_rate(106, 15e3, 6, up) / 1e6 == pytest.approx(91.00, abs=0.005)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cm.noise_power(-20e6), r"bandwidth must be greater than 0 Hz, got -2e\+07 Hz"),
        (lambda: cm.noise_power(1e6, -1.0), "noise_figure_db must be at least 0 dB"),
        (lambda: cm.thermal_noise_density(0.0), "temperature must be greater than 0 K"),
        (lambda: cm.numerology(20e3), "subcarrier_spacing must be one of 15, 30, 60"),
        (lambda: cm.resource_blocks(21e6, 30e3), "bandwidth must be one of 5, 10, 15, 20"),
        (lambda: cm.resource_blocks(20.0, 30e3), "100 MHz at 30 kHz in FR1, got 20 Hz"),
        (lambda: cm.resource_blocks(20e6, 15.0), "60 kHz in FR1, got 15 Hz"),
        (lambda: cm.resource_blocks(-1.0, 30e3), "bandwidth must be greater than 0 Hz"),
        (lambda: cm.resource_blocks(20e6, 120e3), "one of 15, 30, 60 kHz in FR1, got 120 kHz"),
        (lambda: cm.resource_blocks(20e6, 30e3, 10e9), "carrier must be at most 7.125 GHz"),
        (lambda: cm.resource_block_offsets(0, 30e3), "blocks must be at least 1, got 0"),
        (lambda: cm.doppler_shift(-1.0, 2e9), "speed must be at least 0 m/s, got -1 m/s"),
        (lambda: cm.TddPattern(pattern="DXU"), "pattern must be made of D, S and U"),
        (lambda: cm.TddPattern(special=(10, 2, 3)), "special must be three numbers with sum 14"),
        (lambda: cm.TddPattern().share("sideways"), "direction must be 'downlink' or 'uplink'"),
        (lambda: cm.signalling_overhead("up"), "direction must be"),
        (lambda: cm.peak_rate(10, 30e3, 6, 1.5), "overhead must be at most 1, got 1.5"),
    ],
)
def test_bad_input(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
