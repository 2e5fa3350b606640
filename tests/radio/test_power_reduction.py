"""Maximum power reduction by modulation, and classes of devices, against TS 38.101-1."""

import numpy as np
import pytest
import simpy

import channel_models as cm
from tests.fixtures.runs import outcome, scenario
from wfl_sim.config.errors import LocatedError
from wfl_sim.network.carriers.band import band
from wfl_sim.radio.directions import UplinkConfig
from wfl_sim.radio.power.power_control import PowerReduction, up_to

# TS 38.101-1 Table 6.2.2-1, power class 3: QPSK, 16QAM, 64QAM, 256QAM
TABLE = {
    ("dft-s-ofdm", "inner"): (0, 1, 2.5, 4.5),
    ("dft-s-ofdm", "outer"): (1, 2, 2.5, 4.5),
    ("cp-ofdm", "inner"): (1.5, 2, 3.5, 6.5),
    ("cp-ofdm", "outer"): (3, 3, 3.5, 6.5),
}
BITS = (2, 4, 6, 8)
MOST = (602 / 512, 658 / 256, 873 * 6 / 1024, 948 / 128)
"""bit/s/Hz of the highest code rate of each (TS 38.214 Table 5.1.3.1-2)."""


@pytest.mark.parametrize(("place", "decibels"), TABLE.items())
def test_the_power_of_each_modulation_is_that_of_the_table(place, decibels):
    reduction = PowerReduction(waveform=place[0], allocation=place[1])
    found = reduction.modulations(cm.McsRate(table="256qam"))
    shares = [reduction.least * each.level for each in found]
    assert shares == pytest.approx([10 ** (-each / 10) for each in decibels])
    assert [each.rate.modulation for each in found] == list(BITS)


def send(gain, rate, bits=4e6, reduction="{}", **uplink):
    """One transfer alone on a static channel of 10 ideal blocks: (its transfer, noise in W)."""
    env = simpy.Environment()
    made = band(
        "3.6 MHz",
        env=env,
        gains=[gain],
        allocator="equal",
        channel={"fading": "static"},
        ideal_blocks=10,
        speed=0,
        uplink={"rate": rate, "overhead": 0, "noise_figure": 0, "power_reduction": reduction}
        | uplink,
    )
    transfer = made.send(0, bits)
    env.run(transfer.done)
    return transfer, cm.thermal_noise_density() * 3.6e6


@pytest.mark.parametrize("snr_db", [-3.0, 6.0, 12.0, 17.5, 19.0, 21.0, 25.0, 35.0])
def test_modulation_and_power_are_chosen_together(snr_db):
    """The best over modulations of min(log2(1 + snr / MPR), most), and the power that it takes."""
    noise = cm.thermal_noise_density() * 3.6e6
    full = 10 ** (snr_db / 10)
    sent, _ = send(full * noise / 10**-0.7, {"kind": "shannon"}, reduction={})
    shares = 10 ** (-np.array(TABLE["cp-ofdm", "outer"]) / 10)
    rates = np.minimum(np.log2(1 + full * shares), MOST)
    best = rates.argmax()
    assert sent.end == pytest.approx(4e6 / (3.6e6 * rates[best]), rel=1e-6)
    watts = 10**-0.7 * shares[best]  # 23 dBm less the reduction
    assert sent.radiated == pytest.approx(watts * sent.end, rel=1e-6)
    assert sent.mean_sinr_db == pytest.approx(snr_db + 10 * np.log10(shares[best]), abs=1e-6)


def test_power_control_below_the_limit_is_not_reduced():
    noise = cm.thermal_noise_density() * 3.6e6
    control = {"target": 1e-6, "alpha": 0}
    sent, _ = send(50 * noise / 1e-6, {"kind": "shannon"}, reduction={}, power_control=control)
    assert sent.radiated == pytest.approx(1e-6 * 2 * 10 * sent.end)


def test_a_scheme_of_the_table_goes_with_its_own_power():
    """256QAM at 40 dB has 6.5 dB less than the class, QPSK at 0 dB has 3 dB less."""
    rate = {"kind": "mcs", "table": "256qam"}
    noise = cm.thermal_noise_density() * 3.6e6
    for snr_db, order in ((40.0, 8), (0.0, 2)):
        share = 10 ** (-TABLE["cp-ofdm", "outer"][BITS.index(order)] / 10)
        gain = 10 ** (snr_db / 10) * noise / 10**-0.7
        sent, _ = send(gain, rate, reduction={})
        assert sent.radiated == pytest.approx(10**-0.7 * share * sent.end, rel=1e-6)
        limited = up_to(cm.McsRate(table="256qam"), order)
        expected = limited.spectral_efficiency(10 ** (snr_db / 10) * share)
        assert 4e6 / sent.end / 3.6e6 == pytest.approx(expected, rel=2e-3)
    learned, _ = send(gain, rate | {"outer_loop": {"step": 0.1}}, bits=1e4, reduction={})
    assert learned.radiated == pytest.approx(10**-0.7 * share * learned.end, rel=1e-6)


def test_rates_up_to_a_modulation_end_where_it_ends():
    high = 1e6
    for order, most in zip(BITS, MOST, strict=True):
        for rate in (cm.McsRate(table="256qam"), cm.Shannon()):
            assert up_to(rate, order).spectral_efficiency(high) == pytest.approx(most, rel=1e-3)


SETTING = "cells.0.uplink.power_reduction={}"


def test_joules_follow_the_reduced_power(tmp_path):
    settings = ("cells.0.channel.fading=static",)
    settings += "devices.0.area.radius=60 m", "devices.1.count=1", "rounds.count=1"
    full = outcome(tmp_path, *settings)
    less = outcome(tmp_path, *settings, SETTING)

    def watts(result):
        spans = [each for each in result.spans if each.activity == "upload"]
        return [each.joules / (each.end - each.start) for each in spans]

    assert max(np.array(watts(less)) / watts(full)) < 1
    assert less.totals["simulated_seconds"] > full.totals["simulated_seconds"]


def test_cells_that_interfere_send_with_the_reduced_power(tmp_path):
    """Both reductions of a modulation and the interference by it are in one run of two cells."""
    cells = "cells=[{channel: {fading: static}, uplink: {power_reduction: {}}},"
    cells += "{position: [600 m, 0 m], channel: {fading: static}, uplink: {power_reduction: {}}}]"
    result = outcome(tmp_path, cells, "rounds.count=1", "model.payload=200 kbit")
    assert {span.outcome for span in result.spans if span.activity == "upload"} == {"done"}


def test_classes_are_watts(tmp_path):
    """TS 38.101-1 Table 6.2.1-1 and Table 6.2F.1-1; class 6 of TS 36.101 Table 6.2.2F-1."""
    for name, dbm in (("1", 31), ("1.5", 29), ("2", 26), ("3", 23), ("5", 20), ("6", 14)):
        found = scenario(tmp_path, f"devices.0.power=class-{name}").devices[0].power
        assert found == pytest.approx(10 ** (dbm / 10 - 3))
    assert found != scenario(tmp_path).devices[0].power == pytest.approx(10**-0.7)
    with pytest.raises(ValueError, match=r"'class-9' is not a quantity .*class-1\.5"):
        scenario(tmp_path, "devices.0.power=class-9")


def test_a_rate_without_a_known_modulation_is_refused():
    class Mine(cm.Shannon):
        def transport_efficiency(self, known, sinr, weight, first):
            return np.zeros(len(first))

    with pytest.raises(LocatedError, match="needs a rate whose modulation is known") as error:
        UplinkConfig(rate=Mine(), power_reduction=PowerReduction())
    assert error.value.path == ("power_reduction",)


@pytest.mark.parametrize("setting", ["cells.0.standard=lte", "cells.0.carrier=28 GHz"])
def test_the_table_is_of_nr_below_seven_gigahertz(tmp_path, setting):
    spacing = "15 kHz" if "lte" in setting else "120 kHz"
    width = "10 MHz" if "lte" in setting else "100 MHz"
    numerology = f"cells.0.subcarrier_spacing={spacing}", f"cells.0.bandwidth={width}"
    with pytest.raises(ValueError, match=r"power_reduction: has the values of NR up to 7\.125 GHz"):
        scenario(tmp_path, SETTING, setting, *numerology)
