"""Plug-ins that answer what their contract does not allow: one line that names their key."""

import pickle

import numpy as np
import pytest

import wfl_sim
from tests.fixtures.runs import BASE
from tests.simulation.test_training_runs import TRAINING
from wfl_sim.codecs import Float32
from wfl_sim.config.answers import AnswerError, numbers, one_number, state
from wfl_sim.config.errors import ScenarioError

HEAD = """\
from dataclasses import dataclass, replace
from typing import ClassVar
import numpy as np
import channel_models as cm
from wfl_sim.data.partition import IID
from wfl_sim.device_models.mobility import Static
from wfl_sim.methods.fedit import FedIT
from wfl_sim.protocols import LocalResult, train_phases
from wfl_sim.radio.deployment.areas import Ring
from wfl_sim.radio.power.base_station_power import EarthModel
from wfl_sim.radio.deployment.layouts import Hexagonal

"""
BOTH = "    def {}\n        return {}\n"
GRID = """\
    class P:
        def power_grid(self, first, count, step, offsets, links):
            return {}
        def delayed(self, seconds):
            return self
"""
LOS = "los_probability(self, distance, *, terminal_height=1.5):"
LOSS = "loss_db(self, distance, frequency, *, base_height=1, terminal_height=1, los=None):"
KEEPS = """local_update(self, received, kept, client):
        end = yield from train_phases(self.phases, {**received, **kept})"""
JOULES = "joules(self, *, down, up, both, radiated):"

NETWORK = [
    ("availability", "devices.0.availability", "", "intervals(self, member, rng):", "[(3, 1)]",
     "W.intervals must return intervals (start, end) that rise and do not overlap, got (3, 1)"),
    ("availability", "devices.0.availability", "", "intervals(self, member, rng):", "None",
     "that rise and do not overlap, got None"),
    ("jitter", "devices.0.compute.jitter", "    def cdf(self, x): ...\n", "draw(self, rng):", "-1",
     "W.draw must return a number of at least 0, got -1"),
    ("frequency", "devices.0.compute.frequency", "", "share(self, job, dvfs):", "None",
     "W.share must return a number from 1e-09 to 1, got None"),
    ("selector", "rounds.select", "", "select(self, devices, count, rng):", "None",
     "W.select must return at most 4 distinct devices of the 6 it was given, got None"),
    ("selector", "rounds.select", "", "select(self, devices, count, rng):", "devices",
     "W.select must return at most 4 distinct devices of the 6 it was given, got [Device("),
    ("loss", "cells.0.uplink.loss", "", "probability(self, sinr_db):", "float('nan')",
     "W.probability must return a number from 0 to 1, got nan"),
    ("station", "cells.0.station", "(EarthModel)", JOULES, "-1.0",
     "W.joules must return a number of at least 0, got -1.0"),
    ("allocator", "cells.0.uplink.allocator", "", "shares(self, demands):", "None",
     "on the uplink of cell-0: `shares` must be of shape (transfers, blocks)"),
    ("allocator", "cells.0.uplink.allocator", "", "shares(self, demands):",
     "np.full(demands.efficiency.shape, None)", "`shares` must be numbers, got object"),
    ("rate", "cells.0.uplink.rate", "", "spectral_efficiency(self, sinr):", "2.0",
     "W.spectral_efficiency must return finite numbers of at least 0 of shape ("),
    ("rate", "cells.0.uplink.rate", "", "spectral_efficiency(self, sinr):", "list(sinr)",
     "W.spectral_efficiency must return an array of NumPy, got ["),
    ("rate", "cells.0.uplink.rate", "", "spectral_efficiency(self, sinr):", "sinr + 0j",
     "W.spectral_efficiency must return finite numbers of at least 0 of shape ("),
    ("antenna", "cells.0.antenna", "", "gain_db(self, azimuth, zenith):", "None",
     "W.gain_db must return finite numbers of shape ("),
    ("pathloss", "cells.0.channel.pathloss", BOTH.format(LOS, "1.0"), LOSS, "None",
     "W.loss_db must return finite numbers of shape ("),
    ("pathloss", "cells.0.channel.pathloss", BOTH.format(LOSS, "90.0"), LOS, "2.0",
     "W.los_probability must return finite numbers from 0 to 1 of shape ("),
    ("shadowing", "cells.0.channel.shadowing", "", "realise(self, streams, map_stream):", "None",
     "W.realise must return a process with `at`, got None"),
    ("fading", "cells.0.channel.fading", "", "realise(self, streams, doppler):", "None",
     "W.realise must return a FadingProcess, got None"),
    ("fading", "cells.0.channel.fading", GRID.format("np.ones(3)"),
     "realise(self, streams, doppler):", "self.P()",
     "W.realise(...).power_grid must return powers of shape ("),
    ("fading", "cells.0.channel.fading",
     GRID.format("np.full((len(links), count, len(offsets)), np.nan if first else 1)"),
     "realise(self, streams, doppler):", "self.P()",
     "W.realise(...).power_grid must return powers of shape ("),
    ("area", "devices.0.area", "(Ring)", "drop(self, member, rng, layout):", "(1.0, 2.0, 3.0)",
     "W.drop must return finite numbers of shape (2,), got (1.0, 2.0, 3.0)"),
    ("area", "devices.0.area", "(Ring)", "drop(self, member, rng, layout):", "3.0",
     "W.drop must return finite numbers of shape (2,), got 3.0"),
    ("mobility", "devices.0.mobility", "(Static)", "track(self, member, region, rng):", "None",
     "W.track must return a Track, got None"),
    ("rounds", "rounds", "", "run(self, federation):", "None",
     "W.run must return a generator: let it yield events, got None"),
]  # fmt: skip
"""Family, key, members before or base class, the member that is wrong, and what it returns."""


def test_devices_may_be_chosen_as_an_array(tmp_path):
    text = "def select(self, devices, count, rng):\n        return np.array(devices)[:count]\n"
    (tmp_path / "w.py").write_text(f"{HEAD}@dataclass(frozen=True)\nclass W:\n    {text}")
    (tmp_path / "s.yaml").write_text(BASE)
    settings = f"rounds.select={tmp_path}/w.py:W"
    (run,) = wfl_sim.run(tmp_path / "s.yaml", settings=settings, allow_plugins=True, out=tmp_path)
    assert run.rounds > 0


def refused(folder, text, key, before, member, answer):
    base, before = (before, "") if before.startswith("(") else ("", before)
    more = "    count: int = 2\n    def check(self, devices): ...\n" if key == "rounds" else ""
    more += "    moves: ClassVar = True\n" if key.endswith("mobility") else ""
    body = more + before + BOTH.format(member, answer)
    (folder / "w.py").write_text(f"{HEAD}@dataclass(frozen=True)\nclass W{base}:\n{body}")
    (folder / "s.yaml").write_text(text)
    setting = f"{key}={folder}/w.py:W" if key != "evaluation.metrics" else ""
    setting = setting or f"{key}=[{folder}/w.py:W]"
    with pytest.raises(ScenarioError) as raised:
        wfl_sim.run(
            folder / "s.yaml",
            settings=[setting],
            out=folder / "runs",
            allow_plugins=True,
            network_only=text == BASE,
        )
    return str(raised.value)


@pytest.mark.parametrize(
    ("key", "before", "member", "answer", "sentence"),
    [case[1:] for case in NETWORK],
    ids=[f"{case[0]}-{number}" for number, case in enumerate(NETWORK)],
)
def test_a_wrong_answer_in_a_network_names_its_key(tmp_path, key, before, member, answer, sentence):
    said = refused(tmp_path, BASE, key, before, member, answer)
    assert f": {key}: " in said
    assert sentence in said


LEARNED = [
    ("server.optimizer", "", "step(self, shared, mean, memory):", "mean",
     "W.step must return two mappings, the next state and what is remembered, got {"),
    ("server.optimizer", "", "step(self, shared, mean, memory):", "({}, {})",
     "W.step must return 'head/classifier.bias' of shape (8,), got nothing"),
    ("server.optimizer", "", "step(self, shared, mean, memory):", "mean, {'t': 'first'}",
     "W.step must return an array of numbers as 't', got 'first'"),
    ("server.robust", "", "combine(self, rows):", "0.0", "W.combine must return finite numbers of"),
    ("server.robust", "", "combine(self, rows):", "np.nan * rows[0]", "must return finite numbers"),
    ("method", "(FedIT)", "initial_server_state(self, shared, devices):",
     "shared | {'server/n': None}",
     "W.initial_server_state must return an array of numbers as 'server/n', got None"),
    ("method", "(FedIT)", KEEPS, "LocalResult(upload=end, kept={'turn': 'first'})",
     "W.local_update must return an array of numbers as 'turn', got 'first'"),
    ("method", "(FedIT)", "upload_shapes(self, shapes):", "dict.fromkeys(shapes, 8)",
     "W.upload_shapes must return a tuple of sizes as 'lora/"),
    ("data", "    tokens: ClassVar = None\n", "shards(self, devices, seed):", "None",
     "data: W.tokens must return a whole number of at least 1, got None"),
    ("data", "    tokens = 8\n    padding = 3\n", "shards(self, devices, seed):", "None",
     "data: W.padding must return one of ('fixed', 'longest', 'bucketed'), got 3"),
    ("method", "(FedIT)", "aggregate(self, shared, uploads):", "None",
     "W.aggregate must return a mapping of names, got None"),
    ("method", "(FedIT)", "local_update(self, received, kept, client):", "None",
     "W.local_update must return a generator: let it yield Train for each phase, got None"),
    ("method", "(FedIT)", "upload_shapes(self, shapes):", "None",
     "W.upload_shapes must return a mapping of names, got None"),
    ("evaluation.metrics", "", "value(self, given, predicted):", "'many'",
     "evaluation.metrics.0: W.value must return a number, got 'many'"),
    ("execution", "    mode = 'exact'\n", "session(self, learner, store):", "None",
     "W.session must return a context with a Session, got None"),
    ("data.partition", "", "split(self, labels, devices, rng):", "[np.arange(5)] * devices",
     "W.split must return 4 arrays of row numbers below 160, each at most once, got ["),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "before", "member", "answer", "sentence"), LEARNED, ids=[str(c[:3]) for c in LEARNED]
)
def test_a_wrong_answer_in_learning_names_its_key(tmp_path, key, before, member, answer, sentence):
    text = TRAINING.replace("kind: pftt, adapter: {bottleneck: 4}", "kind: fedit")
    text = text.replace("count: 2, clients: 3", "count: 1, clients: 2")
    said = refused(tmp_path, text, key, before, member, answer)
    assert f": {key}" in said
    assert sentence in said


def test_numbers_that_fit_are_returned():
    kind = Float32()
    assert one_number(kind, "draw", np.float32(0.5), least=0) == 0.5
    assert numbers(kind, "loss_db", 3, (2,)).tolist() == [3.0, 3.0]
    for wrong in (None, "a", float("nan"), float("inf"), [1, 2], -1):
        with pytest.raises(AnswerError, match=r"^Float32.draw must return a number of at least 0"):
            one_number(kind, "draw", wrong, least=0)
    with pytest.raises(AnswerError, match=r"must return finite numbers of shape \(2,\), got 3$"):
        numbers(kind, "combine", 3, (2,), broadcast=False)


def test_an_error_goes_through_processes_and_events_whole():
    """Pools pickle it, and SimPy makes it anew of its arguments."""
    error = AnswerError.of(Float32(), "draw", "a number", None)
    for again in (pickle.loads(pickle.dumps(error)), type(error)(*error.args)):
        assert (str(again), again.kind) == (str(error), error.kind)
        assert str(again) == "Float32.draw must return a number, got None"


def test_the_first_difference_of_a_state_is_named():
    kind, given = Float32(), {"a": np.zeros(2), "b": [1]}
    assert state(kind, "step", given) is given
    with pytest.raises(AnswerError, match=r"must return 'b' of shape \(1,\), got no array$"):
        state(kind, "step", given, {"a": (2,), "b": (1,)})
    with pytest.raises(AnswerError, match=r"must return no 'b', got no array$"):
        state(kind, "step", given, {"a": (2,)})
