"""Background traffic: processor sharing, shares of time, slices, conservation, energy apart."""

import re
from itertools import pairwise

import numpy as np
import pytest
import simpy

import channel_models as cm
from tests.fixtures.runs import scenario
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.device_models.energy import EnergyLedger
from wfl_sim.device_models.radio_power import radio_of
from wfl_sim.execution.plan import NetworkOnly
from wfl_sim.network.carriers.background import BackgroundTraffic
from wfl_sim.network.carriers.radio_access import RadioAccess
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.network.context import RunContext
from wfl_sim.radio.allocation.channel_unaware import EqualShare
from wfl_sim.radio.bands.band import expected_rate
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.channel.propagation import ChannelConfig
from wfl_sim.radio.directions import UplinkConfig
from wfl_sim.radio.traffic import Traffic, sources
from wfl_sim.simulation.build import run_federation
from wfl_sim.simulation.placement import place
from wfl_sim.simulation.simulation import Simulation

GAIN = 1e-10


def cell_of(*traffic, **keys):
    channel = ChannelConfig(fading=cm.Static())
    return CellConfig(channel=channel, traffic=traffic, ideal_blocks=10, **keys)


def network(cell, devices=1):
    """A cell on a channel that stands still, with equal gains, and its traffic."""
    env = simpy.Environment()
    found = list(sources([cell.traffic], devices))
    count = found[-1].links.stop
    access = RadioAccess(
        env,
        [cell],
        np.full((1, count), GAIN),
        seed=1,
        watts=np.full(count, 0.2),
        speeds=np.zeros(count),
        interference="none",
        load_memory=0.0,
        sources=found,
    )
    context = RunContext(env, 1, None, EnergyLedger(devices))
    background = [
        BackgroundTraffic(
            context,
            each,
            "cell-0",
            access.carriers[0][each.traffic.direction],
            radio_of(each.traffic.hardware),
        )
        for each in found
    ]
    return context, access, background


def finished(access, background):
    """Close the spans under way; return the bits left of each transfer of the uplink."""
    left = dict(access.carriers[0]["uplink"].carrier.finish())
    background[0].finish(left)
    return left


def rate_of(cell, blocks):
    """bit/s of a device of 0.2 W on so many blocks."""
    snr = 0.2 / blocks * GAIN / cell.noise("uplink")
    return blocks * cell.symbol_rate("uplink") * float(cell.uplink.rate.spectral_efficiency(snr))


def processor_sharing(arrivals, bits, capacity):
    """When jobs end that share a capacity equally, one event after the other."""
    ends, left, now, coming = np.full(len(bits), np.nan), {}, 0.0, 0
    while coming < len(bits) or left:
        first = min(left, key=left.get) if left else None
        end = now + left[first] * len(left) / capacity if left else np.inf
        arrival = arrivals[coming] if coming < len(bits) else np.inf
        until = min(end, arrival)
        for job in left:
            left[job] -= (until - now) * capacity / len(left)
        now = until
        if end <= arrival:
            ends[first] = now
            del left[first]
        else:
            left[coming] = bits[coming]
            coming += 1
    return ends


@pytest.mark.parametrize("spread", ["constant", "exponential"])
def test_files_share_the_cell_as_m_g_1_processor_sharing(spread):
    """Mean sojourn E[S] / (1 - rho) whatever the sizes (Kleinrock 1976, vol. 2, section 4.4)."""
    load, size = 0.6, 4e6
    capacity = expected_rate(cell_of(), "downlink", GAIN, 0.2)
    gap = size / capacity / load
    traffic = Traffic(interval=gap, spread=spread, users=100)
    context, _, _ = network(cell_of(traffic))
    context.env.run(until=300 * gap)
    spans = sorted(context.spans, key=lambda span: span.start)
    start, end, bits = (np.array([getattr(s, k) for s in spans]) for k in ("start", "end", "bits"))
    early = start < 0.9 * start.max()  # all that came until then have ended
    exact = processor_sharing(start, bits, capacity)
    assert end[early] == pytest.approx(exact[early], abs=1e-5 * size / capacity)
    assert len(spans) == pytest.approx(300, abs=3 * 300**0.5)
    assert occupied(spans) / context.env.now == pytest.approx(load, abs=0.1)
    # The same recursion over many more files has the mean of the law.
    rng = np.random.default_rng(4)
    arrivals = rng.exponential(gap, 20_000).cumsum()
    sizes = np.array([traffic.file(rng) for _ in arrivals])
    mean = (processor_sharing(arrivals, sizes, capacity) - arrivals).mean()
    assert mean == pytest.approx(size / capacity / (1 - load), rel=0.05)


def test_an_on_off_user_takes_half_of_the_band_while_it_is_on():
    traffic = Traffic(direction="uplink", users=1, on=0.2, off=0.6)
    cell = cell_of(traffic, uplink=UplinkConfig(allocator=EqualShare()))
    context, access, background = network(cell)
    carrier = access.carriers[0]["uplink"]
    transfer = carrier.send(TransferRequest([0], 1e12))
    context.env.run(until=100.0)
    left = finished(access, background)
    on = sum(span.end - span.start for span in context.spans)
    assert on / 100 == pytest.approx(0.25, abs=0.07)  # 3 standard errors
    alone, half = (rate_of(cell, blocks) for blocks in (10, 5))
    assert 1e12 - left[transfer] == pytest.approx(alone * (100 - on) + half * on, rel=1e-9)


def test_a_slice_has_its_blocks_while_it_has_anything_to_carry():
    """Three of ten blocks are theirs and all they get; the federation has the rest, or all."""
    slice_ = Traffic(direction="uplink", users=2, on=1.0, off=1.0, reserved=0.3)
    cell = cell_of(slice_, uplink=UplinkConfig(allocator=EqualShare()))
    context, access, background = network(cell)
    carrier = access.carriers[0]["uplink"]
    transfer = carrier.send(TransferRequest([0], 1e12))
    context.env.run(until=50.0)
    alone, beside = rate_of(cell, 10), rate_of(cell, 7)
    left = finished(access, background)
    busy = occupied(context.spans)
    assert 1 < busy < 49
    assert 1e12 - left[transfer] == pytest.approx(alone * (50 - busy) + beside * busy, rel=1e-9)
    # One of them alone has three blocks, both together one and a half each.
    single = next(s for s in context.spans if overlaps(s, context.spans) == 0)
    assert single.mean_rate == pytest.approx(rate_of(cell, 3), rel=1e-6)


def occupied(spans):
    edges = sorted([(s.start, 1) for s in spans] + [(s.end, -1) for s in spans])
    total, count, since = 0.0, 0, 0.0
    for time, step in edges:
        total += (time - since) * (count > 0)
        count, since = count + step, time
    return total


def overlaps(span, spans):
    return sum(s is not span and s.start < span.end and span.start < s.end for s in spans)


BUSY = """cells=[{bandwidth: 10 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}},
    traffic: [
    {direction: uplink, interval: 50 ms, size: 200 kbit},
    {direction: downlink, users: 2, reserved: 20 %}, {direction: uplink, on: 1 s, off: 1 s,
    users: 1}]}]"""


def test_bits_and_joules_are_conserved_and_counted_apart(tmp_path):
    made = scenario(tmp_path, BUSY.replace("\n", " "))
    simulation = Simulation(made, network_only=True)
    federation = simulation.federation(NetworkOnly(simulation.learner, made.seed))
    run_federation(federation, made)
    totals = simulation.result(federation).totals
    carriers, background = federation.radio.carriers[0], totals["background"]
    users = [s for s in federation.context.spans if s.activity.startswith("user-")]
    own = [s for s in federation.context.spans if s.actor.startswith("device-")]
    for direction, bits in (("uplink", "bits_up"), ("downlink", "bits_down")):
        federated = totals["bits"]["sent_up" if direction == "uplink" else "sent_down"]
        delivered = carriers[direction].carrier.bits_delivered
        assert delivered == pytest.approx(federated + background[bits], rel=1e-9)
    assert background["joules"] == pytest.approx(sum(s.joules for s in users))
    assert sum(totals["joules"].values()) == pytest.approx(sum(s.joules for s in own))
    assert {s.outcome for s in users} == {"done", "cut"}
    for actor in {s.actor for s in users}:
        mine = sorted((s.start, s.end) for s in users if s.actor == actor)
        assert all(one[1] <= two[0] for one, two in pairwise(mine))


def test_it_slows_rounds_and_leaves_the_gains_of_devices_as_they_are(tmp_path):
    quiet = scenario(tmp_path, BUSY.splitlines()[0].rstrip(",") + "}]")
    busy = scenario(tmp_path, BUSY.replace("\n", " "))
    assert (place(quiet).gains == place(busy).gains).all()
    seconds = [
        Simulation(each, network_only=True).run().totals["simulated_seconds"]
        for each in (quiet, busy)
    ]
    assert seconds[1] > seconds[0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{on: 1 s}", "on: is given without the other"),
        ("{on: 1 us, off: 1 us}", "on: must be at least 0.001 s, got 1 us"),
        ("{interval: 1 s, on: 1 s, off: 1 s}", "on: is of files"),
        ("{reserved: 60 %}, {reserved: 40 %}", "traffic: reserves 24 of 24 resource blocks"),
        ("{radius: 300 km, min_distance: 290 km}", "user-6 is out of reach"),
        ("{radius: 30 m}", "min_distance: must be smaller than radius 30 m"),
    ],
)
def test_what_cannot_be_is_one_line_at_its_place(tmp_path, entry, message):
    with pytest.raises((ScenarioError, LocatedError), match=re.escape(message)):
        Simulation(scenario(tmp_path, f"cells.0.traffic=[{entry}]"), network_only=True)


def test_a_slice_of_a_band_in_one_piece_would_leave_nothing():
    with pytest.raises(LocatedError, match="reserves 1 of 1 resource blocks or subbands"):
        cell_of(Traffic(direction="uplink", reserved=0.1), uplink=UplinkConfig(subband=0))
