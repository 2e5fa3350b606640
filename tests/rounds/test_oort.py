"""Oort: utilities by hand, exploration, and losses that are learned when they are asked for."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from tests.fixtures.runs import scenario
from tests.simulation.test_training_runs import TRAINING
from wfl_sim.config.errors import LocatedError
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import LocalUpdate
from wfl_sim.randomness import stream
from wfl_sim.rounds.selection import Oort
from wfl_sim.simulation.simulation import Simulation


@dataclass
class Client:
    """A device as Oort sees it."""

    index: int
    last_upload_round: int = -1
    examples: int = 100
    reported_loss: float = 1.0
    round_seconds: float = 1.0


def test_utility_by_hand():
    devices = [
        Client(0, last_upload_round=0, examples=50, reported_loss=2.0),
        Client(1, last_upload_round=3, examples=100, reported_loss=0.5),
        Client(2, last_upload_round=3, examples=100, reported_loss=1.0, round_seconds=20.0),
    ]
    # 100, 50 and 100 of 100 at most; R = 5, R_k = 1, 4, 4; the last is twice as slow: a quarter.
    bonus = np.sqrt(0.1 * np.log(5) / np.array([1, 4, 4]))
    expected = (np.array([1.0, 0.5, 1.0]) + bonus) * [1, 1, 0.25]
    assert Oort(preferred=10.0).utilities(devices, 5) == pytest.approx(expected)
    assert Oort().utilities(devices, 5)[2] == pytest.approx(1.0 + bonus[2])
    devices[0].reported_loss = -3.0  # of an objective of one's own
    below = Oort().utilities(devices, 4)
    devices[0].reported_loss = np.nan  # has diverged
    np.testing.assert_array_equal(below, Oort().utilities(devices, 4))
    assert Oort().utilities(devices, 4)[0] == pytest.approx(np.sqrt(0.1 * np.log(4)))


def test_a_slow_device_is_not_saved_by_its_age():
    """Four times slower: (1 + sqrt(0.1 ln 8)) / 16, not a sixteenth and the whole bonus."""
    slow = Client(0, last_upload_round=0, round_seconds=40.0)
    (utility,) = Oort(preferred=10.0).utilities([slow], 8)
    assert utility == pytest.approx((1 + np.sqrt(0.1 * np.log(8))) / 16)


def chosen(selector, devices, count, number):
    picked = selector.select(devices, count, stream(1, "selection", number))
    indices = [device.index for device in picked]
    assert indices == sorted(set(indices))
    assert len(indices) == min(count, len(devices))
    return indices


def test_a_single_place_explores_while_the_share_is_above_zero():
    """Of one place 0.2 are none when rounded, and the others would never be heard."""
    devices = [Client(i, last_upload_round=0 if i < 5 else -1) for i in range(8)]
    assert chosen(Oort(explore=0.2), devices, 1, 0)[0] >= 5
    assert chosen(Oort(explore=0.0, explore_least=0.0), devices, 1, 0)[0] < 5


def test_nobody_is_known_at_first_and_then_a_share_explores():
    devices = [Client(i) for i in range(10)]
    assert len(chosen(Oort(), devices, 4, 0)) == 4
    for device in devices[:5]:
        device.last_upload_round = 0
    fresh = [
        sum(i >= 5 for i in chosen(Oort(explore=0.5, decay=1.0), devices, 4, n)) for n in range(20)
    ]
    assert set(fresh) == {2}
    fresh = [
        sum(i >= 5 for i in chosen(Oort(explore=0.0, explore_least=0.0), devices, 4, n))
        for n in range(20)
    ]
    assert set(fresh) == {0}
    # Too few are known for the places that are left.
    assert sum(i >= 5 for i in chosen(Oort(explore=0.0, explore_least=0.0), devices, 8, 1)) == 3


def test_large_losses_are_drawn_by_their_odds_above_the_cutoff():
    losses = [4.0, 2.0, 2.0, 0.1]
    devices = [Client(i, last_upload_round=0, reported_loss=loss) for i, loss in enumerate(losses)]
    seen = Counter(
        chosen(Oort(explore=0.0, explore_least=0.0, cutoff=0.5), devices, 1, n)[0]
        for n in range(4000)
    )
    # In the second round, R = 2, all have the bonus of R_k = 1; half of the largest is admitted.
    utility = np.array([1.0, 0.5, 0.5, 0.025]) + np.sqrt(0.1 * np.log(2))
    odds = utility[:3] / utility[:3].sum()
    assert seen[3] == 0
    assert [seen[i] / 4000 for i in range(3)] == pytest.approx(odds, abs=0.02)


@pytest.mark.parametrize(
    ("option", "path", "message"),
    [
        ("alpha: -1", "alpha", "must not be negative, got -1"),
        ("explore: 0.1", "explore_least", "must be at most `explore`, 0.1, got 0.2"),
        ("preferred: 0 s", "preferred", "greater than 0"),
        ("cutoff: 2", "cutoff", "at most 1"),
    ],
)
def test_bad_input_is_one_located_line(tmp_path, option, path, message):
    with pytest.raises(ValueError, match=message) as caught:
        scenario(tmp_path, f"rounds.select={{kind: oort, {option}}}", text=TRAINING)
    assert f"rounds.select.{path}: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_learned_from_rewards_has_no_loss_to_choose_by(tmp_path):
    """Its steps minimise a negative reward; of pairs they have a loss."""
    method = "method={kind: fedrlhf, algorithm: ppo}"
    with pytest.raises(ValueError, match=r"rounds\.select: must not be oort for fedrlhf"):
        scenario(tmp_path, "rounds.select=oort", method, text=TRAINING)
    scenario(tmp_path, "rounds.select=oort", method.replace("ppo", "dpo"), text=TRAINING)


def test_without_training_it_is_refused(tmp_path):
    simulation = Simulation(
        scenario(tmp_path, "rounds.select=oort", text=TRAINING), network_only=True
    )
    with pytest.raises(LocatedError, match="oort looks at losses: the run must train") as caught:
        simulation.run()
    assert caught.value.path == ("rounds", "select")


def test_losses_are_learned_when_they_are_asked_for(tmp_path):
    settings = ["rounds.select={kind: oort, explore: 0.5}", "rounds.count=4", "rounds.clients=2"]
    done = []
    outcome = Simulation(scenario(tmp_path, *settings, text=TRAINING)).run(
        Store(tmp_path / "store"), lambda task, *_: done.append(task)
    )
    uploads = sorted((s.round, s.actor) for s in outcome.spans if s.activity == "upload")
    assert sum(isinstance(task, LocalUpdate) for task in done) == len(uploads) == 8
    again = Simulation(scenario(tmp_path, *settings, text=TRAINING)).run(Store(tmp_path / "store"))
    assert again.totals["tasks_executed"] == 0
    assert again.spans == outcome.spans
    assert again.metrics == outcome.metrics
