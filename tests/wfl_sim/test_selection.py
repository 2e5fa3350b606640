"""Who is asked: by lot, by channel, by what is left in the battery."""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.wfl_sim.churn import check_laws, simulated
from wfl_sim.randomness import stream
from wfl_sim.selection import EnergyAware


@dataclass(frozen=True)
class Standing:
    """A device as a selection sees it."""

    index: int
    charge_share: float
    charge_left: float
    round_joules: float = 1.0


def often(devices, count, draws=4000):
    chosen = np.zeros(len(devices))
    for number in range(draws):
        picked = EnergyAware().select(devices, count, stream(1, "selection", number))
        assert [d.index for d in picked] == sorted({d.index for d in picked})
        chosen[[d.index for d in picked]] += 1
    return chosen / draws


def test_the_fuller_are_likelier_by_their_odds():
    devices = [
        Standing(0, 0.8, 80.0, 0.0),
        Standing(1, 0.4, 40.0, 0.0),
        Standing(2, 0.4, 40.0, 0.0),
    ]
    # One of three by odds 2 : 1 : 1; the standard error is 0.008.
    assert often(devices, 1) == pytest.approx([0.5, 0.25, 0.25], abs=0.03)


def test_who_would_not_last_is_asked_only_when_others_are_too_few():
    devices = [Standing(0, 0.2, 1.0, 2.0), Standing(1, 0.9, 90.0), Standing(2, 1.0, np.inf)]
    assert often(devices, 2, 200).tolist() == [0, 1, 1]
    assert often(devices, 3, 20).tolist() == [1, 1, 1]


def test_energy_aware_rounds_lose_fewer_updates(tmp_path):
    text = """
name: fleet
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: pftt, local: {steps: 4}}
rounds: {kind: synchronous, count: 14, clients: 3}
cells: [{bandwidth: 5 MHz, channel: {pathloss: macro}}]
devices:
  - {count: 3, hardware: jetson-orin-nano, area: {radius: 300 m}}
  - {count: 5, hardware: phone-flagship, area: {radius: 300 m}, battery: 18 J}
"""
    lost = {}
    for kind in ("random", "energy-aware"):
        lost[kind] = 0
        for seed in range(4):
            federation = simulated(tmp_path, f"seed={seed}", f"rounds.select={kind}", text=text)
            check_laws(federation)
            lost[kind] += sum(span.outcome == "dropped" for span in federation.spans)
    assert lost["energy-aware"] < lost["random"]
