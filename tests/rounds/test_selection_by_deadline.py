"""FedCS: the largest set by the deadline, against all subsets in all orders."""

from dataclasses import dataclass, field
from itertools import combinations, permutations
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.churn import of, simulated
from wfl_sim.rounds.selection import FedCS
from wfl_sim.rounds.selection.fedcs import exact, greedy

jobs_of_any_size = st.lists(
    st.tuples(st.integers(0, 30).map(float), st.integers(1, 12).map(float)),
    min_size=1,
    max_size=6,
)


def one_after_the_other(order):
    end = 0.0
    for ready, upload in order:
        end = max(end, ready) + upload
    return end


def largest(jobs, deadline):
    """Return the size of the largest set that some order brings through: brute force."""
    for size in range(len(jobs), 0, -1):
        for subset in combinations(jobs, size):
            if any(one_after_the_other(order) <= deadline for order in permutations(subset)):
                return size
    return 0


@given(jobs=jobs_of_any_size)
def test_the_order_of_readiness_is_the_best(jobs):
    first = one_after_the_other(sorted(jobs))
    assert first == min(one_after_the_other(order) for order in permutations(jobs))


@given(jobs=jobs_of_any_size, deadline=st.integers(1, 50).map(float))
@settings(max_examples=200)
def test_exact_is_as_large_as_brute_force_finds(jobs, deadline):
    chosen = exact(jobs, deadline)
    assert len(chosen) == largest(jobs, deadline)
    assert chosen == sorted(set(chosen))
    assert one_after_the_other(sorted(jobs[i] for i in chosen)) <= deadline


@given(jobs=jobs_of_any_size, deadline=st.integers(1, 50).map(float))
@settings(max_examples=100)
def test_greedy_fits_and_is_never_larger(jobs, deadline):
    chosen = greedy(jobs, deadline)
    assert one_after_the_other(sorted(jobs[i] for i in chosen)) <= deadline
    assert len(chosen) <= len(exact(jobs, deadline))


def test_greedy_can_be_beaten():
    # The long upload ends first, and takes the place of two short ones that are ready later.
    jobs = [(0.0, 6.0), (4.0, 3.0), (4.0, 3.0)]
    assert greedy(jobs, 10.0) == [0, 1]
    assert exact(jobs, 10.0) == [1, 2]
    jobs = [(0.0, 6.0), (6.5, 1.0), (1.0, 6.0), (6.6, 1.0), (7.0, 1.0)]
    assert len(greedy(jobs, 9.6)) <= len(exact(jobs, 9.6)) == 4


@dataclass
class Estimate:
    """A device as FedCS sees it."""

    index: int
    expected_download: float
    expected_compute: float
    expected_upload: float
    cell: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(name="cell-0"))


def test_fewer_places_keep_the_quickest_and_none_fits_keeps_one():
    devices = [Estimate(3, 1.0, 4.0, 1.0), Estimate(5, 1.0, 0.5, 1.0), Estimate(8, 0.0, 2.0, 2.0)]
    chosen = FedCS(deadline=20.0).select(devices, 3, None)
    assert [device.index for device in chosen] == [3, 5, 8]
    chosen = FedCS(deadline=20.0).select(devices, 2, None)
    assert [device.index for device in chosen] == [5, 8]
    chosen = FedCS(deadline=0.1).select(devices, 2, None)
    assert [device.index for device in chosen] == [5]


@pytest.mark.parametrize("solve", ["greedy", "exact"])
def test_each_cell_has_a_band_of_its_own(solve):
    """Three uploads of 2 s fit 7 s one after the other, in each of two cells."""
    cells = [SimpleNamespace(name=f"cell-{i}") for i in range(2)]
    devices = [Estimate(i, 0.5, 0.5, 2.0, cells[i % 2]) for i in range(8)]
    chosen = FedCS(deadline=7.0, solve=solve).select(devices, 8, None)
    assert [sum(device.index % 2 == i for device in chosen) for i in range(2)] == [3, 3]


STILL = """
name: still
seed: 1
model: {kind: synthetic, payload: 4 Mbit, flops_per_step: 20 GFLOP}
method: {kind: pftt, local: {steps: 4}}
rounds: {kind: synchronous, count: 1, clients: 1}
cells:
  - bandwidth: 10 MHz
    channel: {pathloss: macro, shadowing: {sigma: 0 dB}, fading: static}
    downlink: {broadcast: false}
devices:
  - {count: 1, hardware: jetson-orin-nano, area: {radius: 300 m}}
"""


@pytest.mark.parametrize("control", [False, True])
def test_estimates_are_exact_without_fading_and_alone(tmp_path, control):
    more = [
        "cells.0.uplink.access_delay=20 ms",
        "cells.0.uplink.header=0.05",
        "cells.0.tdd={pattern: DDSUU}" if control else "cells.0.downlink.access_delay=5 ms",
        *(["cells.0.uplink.power_control={target: -70 dBm, alpha: 0.8}"] if control else []),
    ]
    federation = simulated(tmp_path, *more, text=STILL)
    device = federation.devices[0]
    lasted = {s.activity: s.end - s.start for s in of(federation, "device-0")}
    assert device.expected_upload == pytest.approx(lasted["upload"], rel=1e-9)
    assert device.expected_compute == pytest.approx(lasted["compute"], rel=1e-9)
    waited = 0.0 if control else 0.005
    assert device.expected_download - waited == pytest.approx(lasted["download"], rel=1e-9)


@pytest.mark.parametrize(
    ("radius", "keys"),
    [
        (300, ["uplink.power_reduction={}"]),
        (
            60,
            [
                "standard=nb-iot",
                "bandwidth=180 kHz",
                "carrier=900 MHz",
                "subcarrier_spacing=15 kHz",
            ],
        ),
        (60, ["carrier=28 GHz", "bandwidth=100 MHz", "tdd={pattern: DDDSU}"]),
        (60, ["carrier=5.2 GHz", "bandwidth=20 MHz", "channel.pathloss=umi", "wifi={}"]),
        (300, ["wired=20 Mbit/s"]),
        (300, ["ideal_blocks=10", "uplink.rate=layers", "antenna=panel"]),
    ],
    ids=["power reduction", "NB-IoT", "FR2", "Wi-Fi", "a wire", "layers"],
)
def test_estimates_are_exact_on_other_networks(tmp_path, radius, keys):
    more = ["model.payload=200 kbit", f"devices.0.area={{radius: {radius} m}}"]
    federation = simulated(tmp_path, *(f"cells.0.{key}" for key in keys), *more, text=STILL)
    device = federation.devices[0]
    for activity in ("upload", "download"):
        lasted = sum(s.end - s.start for s in of(federation, "device-0", activity))
        expected = getattr(device, f"expected_{activity}")
        assert lasted == pytest.approx(expected, rel=2e-6), activity


def test_estimates_count_the_steps_of_a_split_network(tmp_path):
    cut = STILL.replace(
        "flops_per_step: 20 GFLOP",
        "flops_per_step: 20 GFLOP, cut: {activations: 1 Mbit, device_share: 0.2}",
    )
    federation = simulated(tmp_path, "method={kind: splitlora, local: {steps: 3}}", text=cut)
    device = federation.devices[0]
    for activity, expected in (
        ("upload", device.expected_upload),
        ("compute", device.expected_compute),
        ("download", device.expected_download),
    ):
        lasted = sum(s.end - s.start for s in of(federation, "device-0", activity))
        assert lasted == pytest.approx(expected, rel=1e-9)


def test_most_of_those_who_were_chosen_are_in_time(tmp_path):
    text = STILL.replace("fading: static", "fading: rayleigh").replace(
        "count: 1, hardware: jetson-orin-nano", "count: 16, hardware: raspberry-pi-5"
    )
    taken = {}
    for select in ("fedcs", "random"):
        option = "{kind: fedcs, deadline: 2.5 s}" if select == "fedcs" else "random"
        federation = simulated(
            tmp_path,
            f"rounds={{kind: deadline, count: 6, deadline: 2.5 s, clients: 16, select: {option}}}",
            "cells.0.bandwidth=5 MHz",
            "cells.0.downlink.broadcast=true",
            text=text,
        )
        asked = sum(device.times_asked for device in federation.devices)
        taken[select] = len(federation.context.plan.named), asked
    # Whom FedCS asks comes through; of all who are asked together fewer do.
    assert taken["fedcs"][0] >= 0.8 * taken["fedcs"][1]
    assert taken["random"][0] < taken["fedcs"][0]
