"""Coupled cells planned by compiled loops against NumPy: equal to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import simpy

import channel_models as cm
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.cell_carrier import CellCarrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.allocation import MaxCI, ProportionalFair
from wfl_sim.radio.bands import interference
from wfl_sim.radio.bands.block_groups import BlockLimit
from wfl_sim.radio.bands.coupled_cells import CoupledCells
from wfl_sim.radio.bands.ofdma import OfdmaBand
from wfl_sim.radio.channel.sampled_channel import SampledChannel
from wfl_sim.radio.power.transmit_power import CellPower, DevicePower

pytest.importorskip("numba", reason="numba is not installed: NumPy alone works")

CELLS, DEVICES, BLOCKS, NOISE = 3, 12, 13, 1e-20 * 360e3
OFFSETS = cm.resource_block_offsets(BLOCKS, 30e3)
POWER = DevicePower(np.linspace(0.05, 0.2, DEVICES), np.append(np.full(11, np.inf), 0.01))
LIMIT = BlockLimit(3e3, POWER.largest)
CAP = cm.ShannonGap(gap=0.0, cap=2.0)
UPLINK = {"rate": cm.ShannonGap(gap=3.0), "power": POWER, "subband": 1, "limit": None}
DOWNLINK = UPLINK | {"power": CellPower(20.0, BLOCKS)}
CASES = {
    "uplink": ("uplink", UPLINK),
    "downlink": ("downlink", DOWNLINK),
    "subbands": ("uplink", UPLINK | {"subband": 4}),
    "limit": ("uplink", UPLINK | {"limit": LIMIT, "rate": CAP}),
    "limit of subbands": ("uplink", UPLINK | {"limit": LIMIT, "rate": CAP, "subband": 4}),
    "ties": ("uplink", UPLINK | {"rate": CAP}),
    "ties downlink": ("downlink", DOWNLINK | {"rate": CAP}),
    "mcs": ("uplink", UPLINK | {"rate": cm.McsRate()}),
    "mcs downlink": ("downlink", DOWNLINK | {"rate": cm.McsRate(), "subband": 4}),
}


def coupled(direction, apart=60.0, **options):
    """Return cells in which each third device is near; others are so many dB farther."""
    rng, doppler = np.random.default_rng(2), 20.0
    near = np.arange(DEVICES) % CELLS == np.arange(CELLS)[:, None]
    loss = rng.uniform(85, 115, (CELLS, DEVICES)) + np.where(near, 0.0, apart / 10)
    bands = []
    for number, gains in enumerate(cm.db_to_linear(-loss)):
        streams = [np.random.default_rng([number, device]) for device in range(DEVICES)]
        process = cm.Rayleigh(profile="tdl-c").realise(streams, np.full(DEVICES, doppler))
        step = 0.1 / doppler
        bands.append(
            OfdmaBand(
                channel=SampledChannel(gains, process, OFFSETS, step),
                known=SampledChannel(gains, process.delayed(0.004), OFFSETS, step),
                allocator=ProportionalFair(),
                noise_density=NOISE / 360e3,
                blocks=BLOCKS,
                block_bandwidth=360e3,
                symbol_rate=300e3,
                averaging=0.2,
                **options,
            )
        )
    return CoupledCells(tuple(bands), DEVICES, direction)


def served(medium, apart=0.05):
    """Return what came of transfers that begin so many seconds apart."""
    env, sent = simpy.Environment(), []
    carrier = Carrier(env, "air", medium)
    cells = [CellCarrier(carrier, number * DEVICES) for number in range(CELLS)]

    def arrivals():
        for device in range(DEVICES):
            request = TransferRequest([device], 1e6 + 5e4 * device)
            sent.append(cells[device % CELLS].send(request))
            yield env.timeout(apart)

    env.process(arrivals())
    env.run(200.0)
    return [(each.end, each.radiated, each.airtime, each.mean_sinr_db, each.bits) for each in sent]


def in_both_ways(monkeypatch, run):
    """Return what compiled loops and NumPy give, and of each the cells in every plan by NumPy."""
    results, steps = [], []
    alone = CoupledCells._plan_steps
    monkeypatch.setattr(
        CoupledCells, "_plan_steps", lambda *each: steps.append(len(each[1])) or alone(*each)
    )
    for wish in ("always", "never"):
        monkeypatch.setenv("WFL_SIM_COMPILED", wish)
        steps.clear()
        results.append((run(), [*steps]))
    return results


@pytest.mark.parametrize(("direction", "options"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("apart", [0.01, 0.0])
def test_plans(monkeypatch, direction, options, apart):
    (compiled, left), (plain, steps) = in_both_ways(
        monkeypatch, lambda: served(coupled(direction, **options), apart)
    )
    assert not left
    assert steps.count(CELLS) > 3
    assert compiled == plain
    assert all(end is not None for end, *_ in plain)


@pytest.mark.parametrize(("direction", "options"), [CASES["uplink"], CASES["downlink"]])
@pytest.mark.parametrize("most", [0, 9])
def test_of_many_links_few_fade(monkeypatch, direction, options, most):
    monkeypatch.setattr(interference, "MOST_FADING", most)
    monkeypatch.setattr(interference, "_warn_of_means", lambda: None)
    (compiled, left), (plain, _) = in_both_ways(
        monkeypatch, lambda: served(coupled(direction, **options))
    )
    assert not left
    assert compiled == plain


def test_cells_that_differ_are_left_to_numpy(monkeypatch):
    def run(**change):
        medium = coupled("uplink", **UPLINK)
        first, *others = medium.bands
        return served(replace(medium, bands=(replace(first, **change), *others)))

    for change in ({"rate": CAP}, {"subband": 4}, {"allocator": MaxCI()}, {"symbol_rate": 2e5}):
        (mixed, left), (plain, _) = in_both_ways(monkeypatch, lambda each=change: run(**each))
        assert CELLS in left
        assert mixed == plain
