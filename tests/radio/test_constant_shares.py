"""Bands divided once for a whole plan against bands divided step by step: equal to the bit."""

from dataclasses import dataclass

import numpy as np
import pytest
import simpy

import channel_models as cm
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.allocation.channel_unaware import Assigned, EqualShare, RoundRobin, Weighted
from wfl_sim.radio.bands import coupled_cells, ofdma
from wfl_sim.radio.bands.block_groups import BlockLimit
from wfl_sim.radio.bands.coupled_cells import CoupledCells
from wfl_sim.radio.bands.ofdma import OfdmaBand
from wfl_sim.radio.channel.sampled_channel import SampledChannel
from wfl_sim.radio.power.transmit_power import CellPower, DevicePower

DEVICES, BLOCKS, DOPPLER = 8, 13, 20.0
OFFSETS = cm.resource_block_offsets(BLOCKS, 30e3)
DEVICE_POWER = DevicePower(np.linspace(0.05, 0.2, DEVICES), np.full(DEVICES, np.inf))


@dataclass(frozen=True)
class StepByStep:
    """An allocator of which nobody knows that its shares stay the same."""

    allocator: object

    def shares(self, demands):
        return self.allocator.shares(demands)


def band(allocator, power=DEVICE_POWER, seed=0, **options):
    streams = [np.random.default_rng([seed, device]) for device in range(DEVICES)]
    process = cm.Rayleigh(profile="tdl-c").realise(streams, np.full(DEVICES, DOPPLER))
    gains = cm.db_to_linear(-np.random.default_rng(seed).uniform(85, 115, DEVICES))
    return OfdmaBand(
        channel=SampledChannel(gains, process, OFFSETS, 0.1 / DOPPLER),
        allocator=allocator,
        rate=cm.ShannonGap(),
        power=power,
        noise_density=1e-20,
        blocks=BLOCKS,
        block_bandwidth=360e3,
        symbol_rate=300e3,
        averaging=0.2,
        **options,
    )


def served(medium, links, weights=(1.0, 2.5)):
    """Return what came of transfers on the links, one after the other, and plans and steps."""
    env, sent = simpy.Environment(), []
    carrier = Carrier(env, "air", medium)

    def arrivals():
        for number, each in enumerate(links):
            bits, weight = 1e6 + 2e5 * number, weights[number % len(weights)]
            sent.append(carrier.send(TransferRequest(each, bits, weight=weight, share=0.1)))
            yield env.timeout(0.03)

    env.process(arrivals())
    env.run(300.0)
    assert all(each.end is not None for each in sent)
    return [(each.end, each.radiated, each.airtime, each.mean_sinr_db, each.bits) for each in sent]


@pytest.fixture
def at_once(monkeypatch):
    """Whether each plan was made at once."""
    made = []
    for module in (ofdma, coupled_cells):
        whole = module.planned_at_once
        monkeypatch.setattr(
            module, "planned_at_once", lambda *a, whole=whole: made.append(whole(*a)) or made[-1]
        )
    return made


@pytest.mark.parametrize("allocator", [EqualShare(), Weighted(), Assigned()])
@pytest.mark.parametrize("power", [DEVICE_POWER, CellPower(20.0, BLOCKS)])
@pytest.mark.parametrize(
    "links", [[[each] for each in range(DEVICES)], [[0, 1, 2], [3], [4, 5]], [[3]]]
)
def test_one_band(at_once, allocator, power, links):
    if power is DEVICE_POWER and any(len(each) > 1 for each in links):
        links = [each[:1] for each in links]
    quick = served(band(allocator, power), links)
    assert len(at_once) > 2
    assert all(at_once)
    at_once.clear()
    assert served(band(StepByStep(allocator), power), links) == quick
    assert not any(at_once)


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
@pytest.mark.parametrize("allocator", [EqualShare(), Weighted()])
def test_coupled_cells(at_once, direction, allocator):
    power = DEVICE_POWER if direction == "uplink" else CellPower(20.0, BLOCKS)

    def cells(scheme):
        bands = tuple(band(scheme, power, seed) for seed in range(3))
        return CoupledCells(bands, DEVICES, direction)

    links = [[device + DEVICES * (device % 3)] for device in range(DEVICES)]
    quick = served(cells(allocator), links)
    assert len(at_once) > 2
    assert all(at_once)
    assert served(cells(StepByStep(allocator)), links) == quick


@dataclass(frozen=True)
class Alternating(EqualShare):
    """One that is derived from a built-in one, with shares of its own."""

    def shares(self, demands):
        return super().shares(demands) * (demands.step % 2)


def test_a_derived_allocator_is_asked_in_every_step(at_once):
    ((end, *_),) = served(band(Alternating()), [[3]])
    ((alone, *_),) = served(band(EqualShare()), [[3]])
    assert at_once[0] is False
    assert end > 1.5 * alone


def test_what_a_step_changes_is_divided_anew(at_once):
    links, limit = [[each] for each in range(DEVICES)], BlockLimit(3e6, DEVICE_POWER.largest)
    for allocator, options in (
        (Weighted(by_bits=True), {}),
        (RoundRobin(), {}),
        (EqualShare(), {"limit": limit}),
        (EqualShare(), {"recorded": {"cell": "a"}}),
    ):
        served(band(allocator, **options), links)
        assert not all(at_once)
        at_once.clear()
    mcs = band(EqualShare())
    assert mcs.keeps_shares
    assert not OfdmaBand(**(vars_of(mcs) | {"rate": cm.McsRate()})).keeps_shares


def vars_of(medium):
    return {name: getattr(medium, name) for name in medium.__dataclass_fields__}
