"""What methods send over the air in studies of the network alone, where nothing is trained.

On the stand-in layer a LoRA of rank 8 has 2 x 512 values and the head 260; payloads are chosen so
that a value is 10 bit.
"""

import pytest

from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

TEXT = """
name: traffic
model: {{kind: synthetic, payload: {payload} bit, flops_per_step: 1 GFLOP}}
method: {method}
rounds: {{kind: synchronous, count: {count}, clients: {clients}, select: {select}}}
devices:
  - {{count: 2, hardware: jetson-orin-nano}}
  - {{count: 2, hardware: jetson-orin-nano{rank}}}
"""


def outcome(tmp_path, method, payload=12_840, clients=4, count=1, rank="", select="random"):
    (tmp_path / "t.yaml").write_text(
        TEXT.format(
            payload=payload, method=method, clients=clients, count=count, rank=rank, select=select
        )
    )
    (loaded,) = load(tmp_path / "t.yaml")
    return Simulation(loaded.scenario).run()


def bits(outcome, activity):
    """Bits of each device's transfers, by round and device."""
    found = {}
    for span in outcome.spans:
        if span.activity == activity and span.actor.startswith("device"):
            found[span.round, int(span.actor.split("-")[1])] = span.bits
    return found


@pytest.mark.parametrize(
    ("method", "payload", "up", "down"),
    [
        ("fedit", 12_840, 12_840, 12_840),
        ("ffa-lora", 12_840, 7_720, 7_720),
        ("fedsa-lora", 10_240, 5_120, 5_120),
        ("scaffold", 12_840, 25_680, 25_680),
        ("fedalt", 10_240, 10_240, 10_260),
        ("ditto", 12_840, 12_840, 12_840),
        ("flora", 12_840, 12_840, 2_600),
    ],
)
def test_payloads_are_multiples_of_what_is_shared(tmp_path, method, payload, up, down):
    seen = outcome(tmp_path, method, payload)
    assert set(bits(seen, "upload").values()) == {up}
    assert set(bits(seen, "download").values()) == {down}


def test_payloads_go_by_the_rank_of_the_device(tmp_path):
    """Rank 4 halves the LoRA; a broadcast is as large as its largest receiver needs."""
    seen = outcome(tmp_path, "hetlora", rank=", rank: 4")
    up = bits(seen, "upload")
    assert [up[0, device] for device in range(4)] == [12_840, 12_840, 7_720, 7_720]
    assert set(bits(seen, "download").values()) == {12_840}


def test_stacks_grow_with_the_cohort_and_with_what_was_missed(tmp_path):
    """Two devices a round, in turn: each has missed one stack of another two, but the first time.

    Round 1 is for devices that have nothing: the stack of round 0. Rounds 2 and 3 bring what the
    pair has sent itself two rounds ago, and what the other pair has sent since.
    """
    stack = 2 * 10_240
    seen = outcome(tmp_path, "flora", clients=2, count=4, select="round-robin")
    down = {}
    for (number, _), each in bits(seen, "download").items():
        down.setdefault(number, set()).add(each)
    assert down == {0: {2_600}, 1: {2_600 + stack}, 2: {2_600 + 2 * stack}, 3: {2_600 + 2 * stack}}


def test_a_download_of_its_own_is_sent_to_each(tmp_path):
    shared = outcome(tmp_path, "fedalt", 10_240).totals["bits"]
    apart = outcome(tmp_path, "{kind: fedalt, delivery: unicast}", 10_240).totals["bits"]
    assert shared["sent_down"] == 10_260
    assert apart["sent_down"] == 4 * 10_260
    assert apart["received_down"] == shared["received_down"] == 4 * 10_260
