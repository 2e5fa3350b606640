"""Cells that hear one another: rates by hand, laws of the SIR, averages, and conservation."""

import warnings

import numpy as np
import pytest
import simpy

import channel_models as cm
from tests.fixtures.runs import outcome, scenario
from tests.radio.test_ofdma import BLOCK, BLOCKS, NOISE, make_band
from tests.simulation.test_simulation import check_laws
from wfl_sim.config.errors import ScenarioError
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.cell_carrier import CellCarrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.bands.coupled_cells import CoupledCells
from wfl_sim.radio.bands.load_interference import AverageLoadInterference
from wfl_sim.radio.bands.medium import ActiveTransfers
from wfl_sim.radio.power.transmit_power import CellPower, DevicePower

GAINS = np.array([[1e-11, 4e-13], [2e-13, 3e-11]])
"""of cells 0 and 1 to devices 0 and 1, each served by the cell of its number"""
SEVEN = (
    "layout={kind: hexagonal, rings: 1, spacing: 500 m}",
    "devices.0.area=cells",
    "devices.1.area=cells",
    "devices.0.count=16",
    "rounds.clients=18",
    "rounds.count=2",
)


def coupled(direction, gains=GAINS, **options):
    bands = tuple(
        make_band(row, direction=direction, seed=number, **options)
        for number, row in enumerate(gains)
    )
    return CoupledCells(bands, gains.shape[1], direction)


def send(medium, transfers):
    """Send (cell, devices, bits) at once; return the transfers when all have ended."""
    env = simpy.Environment()
    carrier = Carrier(env, "air", medium)
    carriers = [
        CellCarrier(carrier, number * medium.devices) for number in range(len(medium.bands))
    ]
    sent = [
        carriers[cell].send(TransferRequest(devices, bits)) for cell, devices, bits in transfers
    ]
    env.run(env.all_of([each.done for each in sent]))
    return sent


def rate(power, own, other):
    """Shannon over the whole band: power and interference spread evenly over it."""
    band = BLOCKS * BLOCK
    return band * np.log2(1 + power * own / (NOISE * band + power * other))


@pytest.mark.parametrize(
    ("direction", "heard"), [("uplink", (4e-13, 2e-13)), ("downlink", (2e-13, 4e-13))]
)
def test_two_cells_with_fixed_gains_have_the_rates_of_the_formula(direction, heard):
    """Uplink: cell 0 hears device 1. Downlink: device 0 hears cell 1. Until one is through."""
    first = rate(0.2, 1e-11, heard[0])
    second = rate(0.2, 3e-11, heard[1])
    bits = 2.0 * first, 5.0 * second
    one, two = send(coupled(direction), [(0, [0], bits[0]), (1, [1], bits[1])])
    assert one.end == pytest.approx(2.0, rel=1e-6)
    alone = rate(0.2, 3e-11, 0.0)
    assert two.end == pytest.approx(2.0 + (bits[1] - 2.0 * second) / alone, rel=1e-6)
    band = BLOCKS * BLOCK
    sinr = 0.2 * 1e-11 / (NOISE * band + 0.2 * heard[0])
    assert one.mean_sinr_db == pytest.approx(10 * np.log10(sinr), rel=1e-6)


def test_devices_on_different_blocks_do_not_hear_one_another():
    class Half:
        def __init__(self, first):
            self.first = first

        def shares(self, demands):
            shares = np.zeros_like(demands.efficiency)
            shares[:, self.first : self.first + BLOCKS // 2] = 1 / len(shares)
            return shares

    def ends(first):
        medium = coupled("uplink")
        for number, band in enumerate(medium.bands):
            object.__setattr__(band, "allocator", Half((0, first)[number]))
        return [each.end for each in send(medium, [(0, [0], 1e6), (1, [1], 1e6)])]

    width = BLOCKS * BLOCK / 2
    clean = [width * np.log2(1 + 0.2 * gain / (NOISE * width)) for gain in (1e-11, 3e-11)]
    assert ends(BLOCKS // 2) == pytest.approx([1e6 / each for each in clean], rel=1e-6)
    assert ends(0)[0] > 1.3 * ends(BLOCKS // 2)[0]


def test_a_silent_neighbour_changes_nothing():
    (alone,) = send(coupled("uplink"), [(0, [0], 1e6)])
    (single,) = send(coupled("uplink", GAINS[:1]), [(0, [0], 1e6)])
    assert alone.end == single.end


def test_the_sir_of_rayleigh_links_has_its_closed_form():
    """P(SIR > theta) = 1 / (1 + theta / Gamma) for exponential powers of mean ratio Gamma."""
    gains = np.array([[1e-8, 2e-9], [3e-9, 1e-8]])
    medium = coupled("uplink", gains, fading=cm.Rayleigh(), doppler=50.0, step=0.02, blocks=1)
    traffic = ActiveTransfers(
        links=np.array([0, 3]),
        first=np.array([0, 1]),
        bits_left=np.full(2, 1e15),
        weight=np.ones(2),
        average_rate=np.full(2, np.nan),
        start=np.zeros(2),
        deadline=np.full(2, np.inf),
    )
    # Samples lie 0.02 s apart, a coherence time of 1 / (50 Hz): nearly independent.
    sir_db = np.concatenate([medium.plan(traffic, 0.64 * k, 32).sinr_db for k in range(120)])
    for column, ratio in ((0, 1e-8 / 2e-9), (1, 1e-8 / 3e-9)):
        for theta_db in (-5.0, 0.0, 5.0, 10.0, 20.0):
            theta = 10 ** (theta_db / 10)
            share = np.mean(sir_db[:, column] > theta_db)
            assert share == pytest.approx(1 / (1 + theta / ratio), abs=0.03)


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
@pytest.mark.parametrize("most", [2, 3, 6])
def test_of_many_links_the_strongest_fade_and_the_others_count_by_their_mean(
    monkeypatch, direction, most
):
    """Each of three cells follows `most // 3` of its two interferers."""
    monkeypatch.setattr("wfl_sim.radio.bands.interference.MOST_FADING", most)
    gains = np.array([[1e-10, 2e-11, 5e-11], [3e-11, 1e-10, 4e-11], [6e-11, 7e-12, 1e-10]])
    medium = coupled(direction, gains, fading=cm.Rayleigh(), doppler=50.0, step=0.02, blocks=1)
    traffic = ActiveTransfers(
        links=np.array([0, 4, 8]),
        first=np.arange(3),
        bits_left=np.full(3, 1e15),
        weight=np.ones(3),
        average_rate=np.full(3, np.nan),
        start=np.zeros(3),
        deadline=np.full(3, np.inf),
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        plan = medium.plan(traffic, 0.0, 16)
    assert bool(said) == (most < 6)
    channels = [band.channel for band in medium.bands]
    fading = np.array([each.fading(np.arange(3), 0, 16)[:, 0].T for each in channels])
    for me, others in ((0, [2, 1]), (1, [0, 2]), (2, [0, 1])):
        links = [(me, other) if direction == "uplink" else (other, me) for other in others]
        links.sort(key=lambda link: -gains[link])
        heard = sum(
            0.2 * gains[link] * (fading[link] if rank < most // 3 else np.ones(16))
            for rank, link in enumerate(links)
        )
        own = 0.2 * gains[me, me] * fading[me, me]
        expected = 10 * np.log10(own / (heard + NOISE * BLOCK))
        np.testing.assert_allclose(plan.sinr_db[:, me], expected, atol=1e-4)


def test_full_load_on_a_hexagonal_grid_has_the_geometry_of_its_distances(tmp_path):
    """Downlink SINR of 57 places against d^-3.76 over 19 cells, noise aside."""
    from wfl_sim.radio.bands.band import build_band
    from wfl_sim.simulation.placement import place

    made = scenario(
        tmp_path,
        "layout={kind: hexagonal, rings: 2, spacing: 500 m}",
        "cells.0.channel={pathloss: macro, shadowing: {sigma: 0 dB}, fading: static}",
        "devices.0.count=55",
        "devices.0.area=cells",
        "devices.1.area=cells",
    )
    placed, cells = place(made), made.base_stations
    medium = CoupledCells(
        tuple(
            build_band("downlink", cell, f"cell-{n}", seed=1, gains=placed.gains[n],
                 speeds=np.zeros(57), power=CellPower(40.0, cell.blocks))
            for n, cell in enumerate(cells)
        ), 57, "downlink")  # fmt: skip
    away = made.layout.grid.distances(placed.positions)
    received = away**-3.76
    best = received.max(axis=1)
    expected = best / (received.sum(axis=1) - best)
    # Every cell sends: one transfer to each device, and one to device 0 from every other cell.
    own = placed.serving * 57 + np.arange(57)
    idle = [n * 57 for n in range(19) if n not in placed.serving]
    links = np.array([*own, *idle])
    traffic = ActiveTransfers(
        links=links,
        first=np.arange(len(links)),
        bits_left=np.full(len(links), 1e12),
        weight=np.ones(len(links)),
        average_rate=np.full(len(links), np.nan),
        start=np.zeros(len(links)),
        deadline=np.full(len(links), np.inf),
    )
    found = medium.plan(traffic, 0.0, 1).sinr_db[0, :57]
    assert found == pytest.approx(10 * np.log10(expected), abs=0.05)
    assert (found > -8).all()
    assert -1 < np.median(found) < 12


def loads(direction, clock):
    powers = (
        [DevicePower(np.full(2, 0.2), np.full(2, np.inf)) for _ in range(2)]
        if direction == "uplink"
        else [CellPower(0.2, BLOCKS) for _ in range(2)]
    )
    return AverageLoadInterference(direction, [0, 1], GAINS, powers, BLOCKS, 10.0, clock)


@pytest.mark.parametrize(("direction", "gain"), [("uplink", 4e-13), ("downlink", 2e-13)])
def test_an_average_load_rises_and_falls_exponentially(direction, gain):
    now = [5.0]
    held = loads(direction, lambda: now[0])
    held.changed(1, 1, True)
    full, link = 0.2 / BLOCKS * gain, np.array([0])
    for after in (0.0, 3.0, 10.0, 30.0):
        expected = full * (1 - np.exp(-after / 10))
        assert held.interference(0, link, 5.0 + after) == pytest.approx([expected])
    now[0] = 15.0
    held.changed(1, 1, False)
    peak = full * (1 - np.exp(-1))
    assert held.interference(0, link, 22.0) == pytest.approx([peak * np.exp(-0.7)])
    assert held.interference(1, link, 22.0) == pytest.approx([0.0])


def test_under_steady_load_the_average_is_what_is_sent(tmp_path):
    """Long after the start both ways of interference give the same rate on static channels."""
    now = [0.0]
    held = loads("uplink", lambda: now[0])
    held.changed(1, 1, True)
    heard = float(held.interference(0, np.array([0]), 500.0)[0])
    snr = 0.2 / BLOCKS * 1e-11 / (NOISE * BLOCK + heard)
    steady = BLOCKS * BLOCK * np.log2(1 + snr)
    assert steady == pytest.approx(rate(0.2, 1e-11, 4e-13), rel=1e-9)


@pytest.mark.parametrize("kind", ["coupled", "load-average", "none"])
def test_the_laws_hold_for_seven_cells(tmp_path, kind):
    result = outcome(tmp_path, *SEVEN, f"interference={kind}")
    check_laws(result)
    again = outcome(tmp_path, *SEVEN, f"interference={kind}")
    assert again.spans == result.spans


def test_interference_costs_time_and_reuse_buys_some_back(tmp_path):
    def seconds(*more):
        result = outcome(tmp_path, *SEVEN, *more)
        ups = [s for s in result.spans if s.activity == "upload"]
        return np.mean([s.end - s.start for s in ups]), np.mean([s.mean_sinr_db for s in ups])

    free = seconds("interference=none")
    coupled_, averaged = seconds(), seconds("interference=load-average", "load_memory=1 s")
    reuse = seconds("layout.wrap_around=false", "layout.reuse=3")
    assert coupled_[0] > 1.05 * free[0]
    assert coupled_[1] < free[1] - 1
    assert averaged[0] > 1.02 * free[0]
    assert reuse[1] > coupled_[1] + 1


def test_the_load_of_the_moment_knows_bursts(tmp_path):
    """All cells broadcast at once, for less than a second after long silence."""

    def downloads(*more):
        spans = outcome(tmp_path, *SEVEN, "rounds.count=1", *more).spans
        return np.mean([s.end - s.start for s in spans if s.activity == "download"])

    coupled_ = downloads()
    assert downloads("interference=load-average") < 0.75 * coupled_
    moment = downloads("interference=load-average", "load_memory=0 s")
    assert moment == pytest.approx(coupled_, rel=0.25)


def test_a_lone_cell_does_not_notice(tmp_path):
    assert outcome(tmp_path, "interference=none").spans == outcome(tmp_path).spans


def test_cells_on_other_carriers_do_not_notice(tmp_path):
    apart = "cells=[{position: [-400, 0]}, {position: [400, 0], carrier: 3.6 GHz}]"
    assert outcome(tmp_path, apart, "interference=none").spans == outcome(tmp_path, apart).spans


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("[{}, {carrier: 3.51 GHz}]", "cells.1.carrier: overlaps with the band of cell 0"),
        ("[{}, {bandwidth: 10 MHz}]", "cells.1.carrier: overlaps with the band of cell 0"),
        ("[{}, {tdd: {pattern: DDDSU}}]", "cells.1.tdd: must be that of cell 0"),
        ("[{}, {uplink: {averaging: 1 s}}]", "cells.1.uplink.averaging: must be that of cell 0"),
    ],
)
def test_bands_that_overlap_are_one_located_line(tmp_path, cells, message):
    with pytest.raises(ScenarioError) as caught:
        scenario(tmp_path, f"cells={cells}")
    assert message in str(caught.value)
    assert scenario(tmp_path, f"cells={cells}", "interference=none")
