"""Compiled loops against NumPy: equal to the bit. (The first run compiles them: some 20 s.)"""

import numpy as np
import pytest
import simpy

import channel_models as cm
from channel_models.elementary import capacity
from channel_models.link_adaptation.compiled_rates import compiled_efficiency
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.allocation import ProportionalFair
from wfl_sim.radio.bands.block_groups import BlockLimit
from wfl_sim.radio.bands.ofdma import OfdmaBand
from wfl_sim.radio.channel.sampled_channel import SampledChannel
from wfl_sim.radio.power.transmit_power import CellPower, DevicePower

pytest.importorskip("numba", reason="numba is not installed: NumPy alone works")

BLOCKS, NOISE, POWER = 13, 1e-20 * 360e3, 0.2
OFFSETS = cm.resource_block_offsets(BLOCKS, 30e3)
PF = ProportionalFair()
MCS = cm.McsRate(table="256qam", transmissions=2, modulation=6)


def both(monkeypatch, run):
    """Return what `run` gives with compiled loops and without."""
    results = []
    for wish in ("always", "never"):
        monkeypatch.setenv("WFL_SIM_COMPILED", wish)
        results.append(run())
    return results


@pytest.mark.parametrize("profile", ["flat", "tdl-c", "tdl-d"])
@pytest.mark.parametrize("offsets", [[0.0], [3e6, -1e6, 0.0], cm.resource_block_offsets(51, 30e3)])
def test_fading(monkeypatch, profile, offsets):
    def run():
        streams = [np.random.default_rng([7, link]) for link in range(19)]
        fading = cm.Rayleigh(profile=profile).realise(streams, np.linspace(0.0, 400.0, 19))
        some = fading.power_grid(100, 90, 1e-3, offsets, np.array([3, 17, 5]))
        return some, fading.power_grid(200, 400, 1e-3, offsets)

    (few, many), (plain_few, plain_many) = both(monkeypatch, run)
    np.testing.assert_array_equal(few, plain_few)
    np.testing.assert_array_equal(many, plain_many)


def test_maps(monkeypatch):
    points = np.random.default_rng(3).uniform(-2000, 2000, (100, 2))
    field = cm.ShadowMap().realise([np.random.default_rng(1)], np.random.default_rng(2))
    np.testing.assert_array_equal(*both(monkeypatch, lambda: field.at(points)))


RATES = [
    cm.Shannon(),
    cm.ShannonGap(gap=3.0),
    cm.ShannonGap(gap=0.0, cap=2.0),
    cm.AttenuatedShannon(floor=25.0),
]


@pytest.mark.parametrize("rate", RATES, ids=repr)
def test_efficiency_in_single_precision(monkeypatch, rate):
    from channel_models import kernels

    rng = np.random.default_rng(3)
    fading = rng.exponential(size=(5000, 20)).astype(np.float32)
    scale = np.exp(rng.uniform(-20, 15, 20)).astype(np.float32)
    found = np.empty_like(fading)
    kernels.single_efficiency(fading, scale, tuple(rate.shannon), found)
    np.testing.assert_array_equal(found, rate.spectral_efficiency(fading * scale))


def test_capacity_in_double_precision():
    from channel_models import kernels

    sinr = np.exp(np.random.default_rng(4).uniform(-25, 25, 20_000))
    np.testing.assert_array_equal([kernels.capacity(each) for each in sinr], capacity(sinr))


@pytest.mark.parametrize("rate", [cm.McsRate(), MCS, cm.McsRate(table="low-se")], ids=repr)
def test_efficiency_of_an_mcs_table(monkeypatch, rate):
    rng = np.random.default_rng(5)
    fading = rng.exponential(size=(4000, 20)).astype(np.float32)
    fading[:10] = 0.0
    scale = np.exp(rng.uniform(-40, 40, 20)).astype(np.float32)
    scale[:4] = np.float32([0.001, 1e6, 1e-3, 1.0])  # ends and points of the grid
    fading[10:20] = 1.0
    monkeypatch.setenv("WFL_SIM_COMPILED", "always")
    found = compiled_efficiency(rate, fading, scale)
    np.testing.assert_array_equal(found, rate.spectral_efficiency(fading * scale))


@pytest.mark.parametrize("entries", [1, 2, 7, 8, 9, 16, 51, 128, 129, 130, 137, 275])
def test_transport_blocks(entries):
    from channel_models.link_adaptation import kernels

    rng = np.random.default_rng(entries)
    for rate in (cm.McsRate(), MCS):
        for spread in (0.1, 3.0, 30.0):
            known, sinr = np.exp(rng.uniform(-spread, spread, (2, entries)))
            sinr[:1] = 0.0 if spread > 10 else sinr[:1]
            weight = rng.uniform(0.1, 1.0, entries)
            total = kernels.total_of(weight)
            assert total == np.add.reduceat(weight, [0])[0]
            found = kernels.transported(known, sinr, weight, total, rate.mcs_form.schemes)
            assert found == rate.transport_efficiency(known, sinr, weight, np.array([0]))[0]


def served(rate, power, *, subband, limit, doppler, fading, apart=0.06, allocator=PF):
    """Return ends, watts and SINR of transfers that begin so many seconds apart."""
    streams = [np.random.default_rng([1, device]) for device in range(9)]
    gains = cm.db_to_linear(-np.random.default_rng(2).uniform(95, 125, 9))
    process = fading.realise(streams, np.full(9, doppler))
    band = OfdmaBand(
        channel=SampledChannel(gains, process, OFFSETS, 0.1 / doppler),
        known=SampledChannel(gains, process.delayed(0.004), OFFSETS, 0.1 / doppler),
        allocator=allocator,
        rate=rate,
        power=power,
        noise_density=NOISE / 360e3,
        blocks=BLOCKS,
        block_bandwidth=360e3,
        symbol_rate=300e3,
        averaging=0.2,
        subband=subband,
        limit=limit,
    )
    env = simpy.Environment()
    carrier, sent = Carrier(env, "air", band), []

    def arrivals():
        for device in range(9):
            sent.append(carrier.send(TransferRequest([device], 4e5 + 1e4 * device)))
            yield env.timeout(apart)

    env.process(arrivals())
    env.run(100.0)
    return [(each.end, each.radiated, each.airtime, each.mean_sinr_db, each.bits) for each in sent]


DEVICES = DevicePower(np.linspace(0.05, 0.2, 9), np.append(np.full(8, np.inf), 0.01))
CASES = {
    "gap": (RATES[1], DEVICES, 1, None, cm.Rayleigh(profile="tdl-c")),
    "cap": (RATES[2], DEVICES, 1, None, cm.Rayleigh(profile="tdl-c")),
    "floor": (RATES[3], DEVICES, 4, None, cm.Rayleigh(profile="tdl-c")),
    "downlink": (RATES[0], CellPower(20.0, BLOCKS), 4, None, cm.Rayleigh()),
    "limit": (RATES[1], DEVICES, 1, BlockLimit(3e3, DEVICES.largest), cm.Rayleigh()),
    "limit alone": (RATES[2], DEVICES, 1, BlockLimit(3e3, DEVICES.largest), cm.Rayleigh(), 5.0),
    "limit of subbands": (RATES[1], DEVICES, 4, BlockLimit(1e2, DEVICES.largest), cm.Rayleigh()),
    "limit and ties": (RATES[2], DEVICES, 4, BlockLimit(3e3, DEVICES.largest), cm.Rayleigh(), 0.0),
    "ties": (RATES[2], DEVICES, 1, None, cm.Rayleigh(profile="tdl-c"), 0.0),
    "ties of subbands": (RATES[2], DEVICES, 4, None, cm.Rayleigh(profile="tdl-c"), 0.0),
    "ties of less than a block": (RATES[2], DEVICES, 13, None, cm.Rayleigh(profile="tdl-c"), 0.0),
    "mcs": (cm.McsRate(), DEVICES, 1, None, cm.Rayleigh(profile="tdl-c")),
    "mcs of subbands": (cm.McsRate(), DEVICES, 4, None, cm.Rayleigh(profile="tdl-c")),
    "mcs and limit": (MCS, DEVICES, 1, BlockLimit(3e3, DEVICES.largest), cm.Rayleigh()),
    "mcs and ties": (MCS, CellPower(20.0, BLOCKS), 1, None, cm.Rayleigh(), 0.0),
    "ties downlink": (RATES[2], CellPower(20.0, BLOCKS), 1, None, cm.Rayleigh(), 0.0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_plans(monkeypatch, case):
    rate, power, subband, limit, fading, *apart = case

    def run():
        air = {"subband": subband, "limit": limit, "doppler": 20.0, "fading": fading}
        return served(rate, power, **air, apart=apart[0] if apart else 0.06)

    steps = []
    alone = OfdmaBand._plan_step
    monkeypatch.setattr(OfdmaBand, "_plan_step", lambda *one: steps.append(0) or alone(*one))
    monkeypatch.setenv("WFL_SIM_COMPILED", "always")
    compiled = run()
    assert not steps, "no step is left to NumPy"
    monkeypatch.setenv("WFL_SIM_COMPILED", "never")
    plain = run()
    assert steps
    assert compiled == plain
    assert all(end is not None for end, *_ in plain)


class FirstTakesAll(ProportionalFair):
    """Gives all blocks to the first transfer."""

    def holders(self, demands):
        return np.zeros(demands.efficiency.shape[1], dtype=np.intp)


class HalfShannon(cm.ShannonGap):
    """Half of the rate."""

    def spectral_efficiency(self, sinr):
        return 0.5 * super().spectral_efficiency(sinr)


class HalfMcs(cm.McsRate):
    """Half of the rate of transport blocks."""

    def transport_efficiency(self, *entries):
        return 0.5 * super().transport_efficiency(*entries)


@pytest.mark.parametrize(
    "own", [{"allocator": FirstTakesAll()}, {"rate": HalfShannon(gap=3.0)}, {"rate": HalfMcs()}]
)
def test_methods_of_derived_classes_are_asked(monkeypatch, own):
    air = {"subband": 1, "limit": None, "doppler": 20.0, "fading": cm.Rayleigh()}
    given = {"rate": RATES[1], "power": DEVICES} | air | own
    compiled, plain = both(monkeypatch, lambda: served(**given))
    assert compiled == plain
