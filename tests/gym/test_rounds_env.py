"""The environment keeps the contract of Gymnasium, and its rounds are those of a scenario."""

import copy
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("gymnasium")

from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from ruamel.yaml import YAML

from tests.fixtures.runs import BASE
from tests.simulation.test_training_runs import LIAR, TRAINING
from wfl_sim.config.errors import ScenarioError
from wfl_sim.gym import RoundsEnv
from wfl_sim.learning.privacy_accounting import gaussian_epsilon
from wfl_sim.results import Run, digest_spans
from wfl_sim.rounds import Deadline, Synchronous
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.simulation import Simulation

SCENARIO = {
    **YAML(typ="safe", pure=True).load(BASE),
    "rounds": {"kind": "synchronous", "count": 2},
    "devices": [{"count": 3, "hardware": "jetson-orin-nano", "area": {"radius": "200 m"}}],
}
ACTS = ["selection", "shares", "power", "frequency"]


def played(env, actions, **reset):
    env.reset(**reset)
    return [env.step(action) for action in actions]


@pytest.mark.parametrize("act", [*ACTS, ("selection", "power")])
def test_the_contract_of_gymnasium_is_kept(act):
    check_env(RoundsEnv(SCENARIO, act=act), skip_render_check=True)


def test_equal_seeds_give_equal_episodes_and_another_episode_is_another():
    env = RoundsEnv(SCENARIO, act="selection")
    everyone = np.ones(3, np.int8)
    first = played(env, [everyone] * 2, seed=4)
    again = played(env, [everyone] * 2, seed=4)
    other = played(env, [everyone] * 2)
    times = [[step[4]["seconds"] for step in each] for each in (first, again, other)]
    assert times[0] == times[1] != times[2]


def test_everyone_at_full_speed_is_the_run_of_the_scenario(tmp_path):
    """The same spans, to the bit, as synchronous rounds that ask all."""
    one = Simulation(Scenario.from_dict(SCENARIO), network_only=True).run()
    env = RoundsEnv(SCENARIO, act="selection", out=tmp_path)
    steps = played(env, [np.ones(3, np.int8)] * 2, options={"seed": SCENARIO["seed"]})
    run = Run.open(steps[-1][4]["run"])
    run.verify()
    assert run.manifest["digests"]["spans"] == digest_spans(one.spans)
    assert sum(step[4]["seconds"] for step in steps) == pytest.approx(run.seconds)
    assert sum(step[4]["joules"] for step in steps) == pytest.approx(run.joules)
    assert [step[2] for step in steps] == [False, True]


def test_a_device_that_is_away_at_the_beginning_is_not_asked(tmp_path):
    (group,) = SCENARIO["devices"]
    away = {"kind": "diurnal", "start": "1 s", "duration": "1 h", "spread": "1 s"}
    scenario = {**SCENARIO, "devices": [group, {**group, "count": 2, "availability": away}]}
    one = Simulation(Scenario.from_dict(scenario), network_only=True).run()
    env = RoundsEnv(scenario, act="selection", out=tmp_path)
    seen, _ = env.reset(options={"seed": SCENARIO["seed"]})
    assert seen["available"].tolist() == [1, 1, 1, 0, 0]
    steps = [env.step(np.ones(5, np.int8)) for _ in range(2)]
    assert steps[0][4]["asked"] == [0, 1, 2]
    run = Run.open(steps[-1][4]["run"])
    assert run.manifest["digests"]["spans"] == digest_spans(one.spans)


def test_users_beside_the_federation_count_until_the_end(tmp_path):
    (cell,) = SCENARIO["cells"]
    scenario = {**SCENARIO, "cells": [{**cell, "traffic": [{"direction": "uplink", "users": 2}]}]}
    one = Simulation(Scenario.from_dict(scenario), network_only=True).run()
    env = RoundsEnv(scenario, act="selection", out=tmp_path)
    steps = played(env, [np.ones(3, np.int8)] * 2, options={"seed": SCENARIO["seed"]})
    run = Run.open(steps[-1][4]["run"])
    assert run.manifest["digests"]["spans"] == digest_spans(one.spans)
    assert run.manifest["background"] == one.totals["background"]


def test_rounds_may_be_a_component_of_which_the_number_alone_is_used():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what is not written, is not said to have no effect
        for scenario in (
            {**SCENARIO, "rounds": Synchronous(count=2)},
            Scenario.from_dict(SCENARIO),
        ):
            env = RoundsEnv(scenario, act="selection")
            assert [each[2] for each in played(env, [np.ones(3)] * 2)] == [False, True]
    with pytest.warns(
        UserWarning, match=r"^rounds\.(kind|clients|deadline): has no effect"
    ) as said:
        RoundsEnv({**SCENARIO, "rounds": Deadline(count=2, clients=2, deadline=3)}, act="power")
    assert len(said) == 3


def test_an_episode_has_a_number_of_rounds():
    scenario = {**SCENARIO, "rounds": {"kind": "synchronous", "until": "60 s"}}
    with pytest.raises(ValueError, match=r"rounds must be 1 or more: .* no `rounds.count`"):
        RoundsEnv(scenario, act="selection")
    with pytest.warns(UserWarning, match=r"^rounds\.until: has no effect"):
        env = RoundsEnv(scenario, act="selection", rounds=1)
    assert played(env, [np.ones(3)])[0][2]


def test_only_those_who_are_chosen_take_part():
    env = RoundsEnv(SCENARIO, act="selection", pause=3.0)
    one, nobody = played(env, [np.array([0, 1, 0], np.int8), np.zeros(3, np.int8)], seed=1)
    assert (one[4]["asked"], one[4]["arrived"]) == ([1], [1])
    assert (nobody[4]["asked"], nobody[4]["seconds"]) == ([], 3.0)


def uploads(tmp_path, act, action):
    env = RoundsEnv(SCENARIO, act=act, out=tmp_path, rounds=1)
    (step,) = played(env, [action], options={"seed": 5})
    rows = Run.open(step[4]["run"]).spans.to_pylist()
    return {
        kind: [row["end"] - row["start"] for row in rows if row["activity"] == kind]
        for kind in ("compute", "upload")
    }


@pytest.mark.parametrize("act", ["power", "shares"])
def test_less_power_takes_longer_and_a_larger_share_is_faster(tmp_path, act):
    full = uploads(tmp_path / "full", act, np.ones(3, np.float32))["upload"]
    less = uploads(tmp_path / "less", act, np.array([0.02, 1, 1], np.float32))["upload"]
    if act == "power":
        assert max(less) > 1.2 * max(full)
    else:  # two go first, and the third has the band alone afterwards
        assert sorted(less)[1] < 0.8 * min(full) < min(full) < max(less)


def test_what_is_expected_of_the_next_round_is_not_at_the_power_of_the_last():
    env = RoundsEnv(SCENARIO, act="power")
    before, _ = env.reset(seed=1)
    after, *_ = env.step(np.full(3, 0.01, np.float32))
    assert after["upload_seconds"] == pytest.approx(before["upload_seconds"])


def test_half_the_frequency_takes_twice_as_long(tmp_path):
    full = uploads(tmp_path / "full", "frequency", np.ones(3, np.float32))["compute"]
    half = uploads(tmp_path / "half", "frequency", np.full(3, 0.5, np.float32))["compute"]
    overhead = 4 * Scenario.from_dict(SCENARIO).devices[0].hardware.step_overhead
    assert np.array(half) - overhead == pytest.approx(2 * (np.array(full) - overhead))


def test_uploads_that_a_robust_rule_leaves_out_are_said(tmp_path):
    (tmp_path / "liar.py").write_text(LIAR)
    scenario = {
        **YAML(typ="safe", pure=True).load(TRAINING),
        "method": {"kind": f"{tmp_path}/liar.py:Liar", "local": {"steps": 1, "batch": 4}},
        "rounds": {"kind": "synchronous", "count": 1},
        "server": {"robust": "median"},
    }
    env = RoundsEnv(scenario, act="selection", rounds=1, out=tmp_path / "runs", allow_plugins=True)
    with pytest.warns(UserWarning, match="not finite were left out: device-1 in round 0; dev"):
        (step,) = played(env, [np.ones(4, np.int8)], seed=1)
    manifest = Run.open(step[4]["run"]).manifest
    assert manifest["uploads_left_out"] == {"device-1": [0], "device-3": [0]}


def test_a_reward_of_ones_own_and_the_accuracy_of_a_run_that_trains(tmp_path):
    """It loads torch and trains for real: that the accuracy is that of the action needs it."""
    scenario = {
        **YAML(typ="safe", pure=True).load(TRAINING),
        "execution": "inline",
        "method": {"kind": "fedit", "lora": {"rank": 2}, "local": {"steps": 1, "batch": 4}},
        "evaluation": {"every": 2, "global_examples": 0, "personal_examples": 4},
        "devices.0.count": 2,
        "rounds.clients": 1,
    }
    with pytest.warns(UserWarning, match=r"^rounds\.clients: has no effect: rounds here are sync"):
        env = RoundsEnv(
            scenario,
            act="selection",
            rounds=2,
            out=tmp_path,
            reward=lambda info: info.get("personal_mean/accuracy", 0.0),
        )
    _, before = env.reset(seed=1)
    other, step = [env.step(np.array([1, 0], np.int8)) for _ in range(2)]
    run = Run.open(step[4]["run"])
    curve = run.series("accuracy", "personal_mean")
    assert curve.round.tolist() == [-1, 1]
    assert [before["personal_mean/accuracy"], step[1]] == curve.value.tolist()
    assert other[1] == 0.0  # no accuracy of before, in a round that is not evaluated
    assert "shared" in run.states()
    del scenario["rounds.clients"]
    scenario["rounds"] = {"kind": "synchronous", "count": 1}
    with pytest.warns(UserWarning, match=r"^nothing is trained: neither `out` nor `store` says"):
        RoundsEnv(scenario, act="selection")


def test_what_cannot_be_is_one_line(tmp_path):
    fixed = {**SCENARIO, "devices": [{"count": 1, "hardware": "raspberry-pi-5"}]}
    with pytest.raises(ScenarioError, match=r"^devices\.0\.hardware: .* has no `dvfs`"):
        RoundsEnv(fixed, act="frequency")
    with pytest.raises(ScenarioError, match=r"^sweep: an environment has one scenario, got 2"):
        RoundsEnv({**SCENARIO, "sweep": {"seeds": [1, 2]}}, act="power")
    for act in ("speed", (), ("power", "power"), None, 3):
        with pytest.raises(ValueError, match="act must"):
            RoundsEnv(SCENARIO, act=act)
    with pytest.raises(ValueError, match="rounds must be 1 or more"):
        RoundsEnv(SCENARIO, act="power", rounds=-1)
    for pause in (float("nan"), "1 s", None):
        with pytest.raises(ValueError, match="pause a number of seconds"):
            RoundsEnv(SCENARIO, act="power", pause=pause)
    with pytest.raises(ValueError, match="reward must be a function of `info`, got 3"):
        RoundsEnv(SCENARIO, act="power", reward=3)
    (tmp_path / "file").touch()
    with pytest.raises(ScenarioError, match="file: cannot be written"):
        RoundsEnv(SCENARIO, act="power", out=tmp_path / "file")


@pytest.mark.parametrize("act", ["power", "shares"])
def test_what_an_agent_cannot_decide_on_a_wire_is_refused(act):
    with pytest.raises(ScenarioError, match=rf"^cells\.0\.wired: leaves an agent no {act}"):
        RoundsEnv({**SCENARIO, "cells": [{"wired": "10 Mbit/s"}]}, act=act)


def test_wifi_has_no_shares():
    cell = {"wifi": {}, "carrier": "5.5 GHz", "bandwidth": "20 MHz"}
    with pytest.raises(ScenarioError, match=r"^cells\.0\.wifi: has no shares"):
        RoundsEnv({**SCENARIO, "cells": [cell]}, act="shares")


def test_a_reset_that_cannot_be_is_one_line():
    env = RoundsEnv(SCENARIO, act="selection")
    for options in ({"sed": 3}, {"seed": -1}, {"seed": "x"}, {"seed": 3.0}, {"seed": 2**63}):
        with pytest.raises(ValueError, match="options may have a `seed`"):
            env.reset(options=options)
    far = {"count": 1, "hardware": "jetson-orin-nano", "area": {"radius": "90 km"}}
    with pytest.raises(ScenarioError, match=r"^devices\.0: device-0 is out of reach"):
        RoundsEnv({**SCENARIO, "devices": [far]}, act="selection").reset(seed=1)


def test_a_round_without_an_end_truncates_the_episode(tmp_path):
    """An agent that tries little power far away ended its own training in an error."""
    ring = {"kind": "ring", "radius": "3 km", "min_distance": "2.9 km"}
    far = {"count": 1, "hardware": "jetson-orin-nano", "area": ring, "reach": "outage"}
    scenario = {**SCENARIO, "devices": [*SCENARIO["devices"], far], "stall": "20 s"}
    env = RoundsEnv(scenario, act=("selection", "power"), out=tmp_path)
    env.reset(options={"seed": 3})
    least = {"selection": np.array([0, 0, 0, 1]), "power": np.full(4, 0.01)}
    observation, reward, over, cut, info = env.step(least)
    assert (over, cut, info["arrived"]) == (False, True, [])
    assert info["stalled"].startswith("stall: nothing has completed since")
    assert -reward == info["seconds"] > 20
    assert env.observation_space.contains(observation)
    with pytest.raises(ResetNeeded):
        env.step(least)
    env.reset(options={"seed": 3})
    assert not env.step({**least, "selection": np.array([1, 1, 1, 0]), "power": np.ones(4)})[3]
    assert not [*tmp_path.iterdir()]


def test_a_reward_that_is_no_number_is_named():
    env = RoundsEnv(SCENARIO, act="selection", reward=lambda info: None)
    env.reset(seed=1)
    with pytest.raises(TypeError, match="`reward` must return a number, got None"):
        env.step(np.ones(3))


def test_a_step_needs_an_episode_and_a_value_for_each_device():
    env = RoundsEnv(SCENARIO, act="selection")
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        env.step(env.action_space.sample())
    env.reset(seed=1)
    for action in (np.ones(1), {"selction": np.ones(3)}, 1, None):
        with pytest.raises(InvalidAction, match=r"must have the shapes {'selection': \(3,\)}"):
            env.step(action)
    with pytest.raises(InvalidAction, match="must be of numbers"):
        env.step(["all", "of", "them"])
    env.step({"selection": np.ones(3)})
    env.close()
    with pytest.raises(ResetNeeded, match=r"call reset\(\)"):
        env.step(np.ones(3))
    env.reset(seed=1)
    env.step(np.ones(3))


@pytest.mark.parametrize(
    ("act", "wrong"), [("selection", 0.5), *((act, x) for act in ACTS for x in (-0.1, 1.1, np.nan))]
)
def test_an_action_beyond_its_space_changes_nothing(act, wrong):
    """Five times the highest power was radiated, and NaN was a device that is asked."""
    env, other = RoundsEnv(SCENARIO, act=act), RoundsEnv(SCENARIO, act=act)
    for each in (env, other):
        each.reset(seed=1)
    with pytest.raises(InvalidAction, match=f"{act} must be .*, got {wrong:g}"):
        env.step([1, 1, wrong])
    ones = np.ones(3)
    assert env.step(ones)[4] == other.step(ones)[4]


def test_what_is_shown_of_an_empty_battery_is_in_the_space():
    device = {**SCENARIO["devices"][0], "battery": "30 J"}
    env = RoundsEnv({**SCENARIO, "devices": [device]}, act="selection", rounds=9)
    env.reset(seed=1)
    over = False
    while not over:
        observation, _, over, _, info = env.step(np.ones(3))
        assert env.observation_space.contains(observation)
    assert info["arrived"] == []


def test_another_course_of_one_seed_has_a_folder_of_its_own(tmp_path):
    env = RoundsEnv({**SCENARIO, "name": "long" * 50}, act="selection", out=tmp_path, rounds=1)
    folders = [
        played(env, [np.array(chosen)], options={"seed": 3})[0][4]["run"]
        for chosen in ([1, 1, 1], [1, 0, 1], [1, 1, 1])
    ]
    assert folders[0] == folders[2] != folders[1]
    assert [len(Run.open(each).manifest["digests"]) > 0 for each in folders] == [True] * 3


def test_a_file_of_ones_own_runs_where_that_is_allowed(tmp_path):
    (tmp_path / "mine.py").write_text("from wfl_sim.radio.allocation import EqualShare as Mine\n")
    uplink = {"allocator": f"{tmp_path / 'mine.py'}:Mine"}
    scenario = {**SCENARIO, "cells": [{"bandwidth": "20 MHz", "uplink": uplink}]}
    with pytest.raises(ScenarioError, match="allow-plugins"):
        RoundsEnv(scenario, act="selection")
    RoundsEnv(scenario, act="selection", allow_plugins=True).reset(seed=1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_is_an_environment_before_its_first_reset(copied):
    env = RoundsEnv(SCENARIO, act="selection")
    env.reset(seed=1)
    other = copied(env)
    with pytest.raises(ResetNeeded):
        other.step(np.ones(3))
    other.reset(seed=1)
    assert other.step(np.ones(3))[4] == env.step(np.ones(3))[4]


def test_what_an_agent_asks_is_no_uniform_sample(tmp_path):
    """Epsilon is that of the devices asked most: three, each with a third of the noise, twice."""
    pytest.importorskip("opacus")
    scenario = {
        **YAML(typ="safe", pure=True).load(TRAINING),
        "rounds": {"kind": "synchronous", "count": 2, "clients": 3},
        "server": {"weights": "equal"},
        "privacy": {"clip": 1.0, "noise_multiplier": 2.0, "accountant": "pld"},
    }
    env = RoundsEnv(scenario, act="selection", out=tmp_path / "runs")
    steps = played(env, 2 * [np.array([1, 1, 1, 0], np.int8)], seed=1)
    spent = Run.open(steps[-1][4]["run"]).manifest["privacy"]
    assert (spent["amplified"], spent["releases"]) == (False, 2)
    assert spent["epsilon"] == pytest.approx(gaussian_epsilon(2 / np.sqrt(2), 1e-5))
