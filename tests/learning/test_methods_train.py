"""Every registered method on a real network: what is sent, what stays, and runs that can stop."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fixtures.networks import written
from wfl_sim.codecs import Float32, TopK
from wfl_sim.data import Instruct
from wfl_sim.data.examples import Shards
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
    StateRef,
)
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods.method import METHODS, hook, is_weighted_mean
from wfl_sim.methods.objectives import Alignment, Rewards
from wfl_sim.methods.parts import Adapter, LoRA
from wfl_sim.methods.phases import Local
from wfl_sim.results.digests import digest_states
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.learner_cache import LearnerCache
from wfl_sim.simulation.simulation import Simulation

Folder = Callable[[str], Pretrained]
KINDS = [kind for kind in sorted(METHODS.kinds()) if METHODS.find(kind)().parts]
"""train something"""
SHARING = [kind for kind in KINDS if any(part.shared for part in METHODS.find(kind)().parts)]
BY_DEVICE = [k for k in KINDS if any(part.by_device for part in METHODS.find(k)().parts)]
ALIGNING = [
    kind for kind in KINDS if isinstance(METHODS.find(kind)().phases[0].objective, Alignment)
]
"""learn to answer, so they have a language model and instructions"""
SENDS_ITS_OWN = {"fedalt": "its own LoRA is the others' world, and goes up under that name"}


def method_of(kind: str) -> Any:
    """A small one."""
    cls = METHODS.find(kind)
    plain = {"optimizer": "sgd", "lr": 0.1} if kind == "scaffold" else {"lr": 1e-3}
    wanted = {
        "local": Local(steps=2, batch=4, **plain),
        "lora": LoRA(rank=2),
        "adapter": Adapter(bottleneck=4),
        "layers": 1,
        "rewards": Rewards(helpfulness="rules", safety="rules"),
    }
    return cls(**{name: each for name, each in wanted.items() if name in cls.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class Spy(Float32):
    """Keeps the payloads."""

    seen: list[bytes] = field(default_factory=list)

    def encode(self, state: Any) -> bytes:
        self.seen.append(super().encode(state))
        return self.seen[-1]


class Round:
    """Two devices train once, and the server aggregates."""

    def __init__(self, learner: PeftLearner) -> None:
        self.learner, recipe = learner, {"recipe": learner.recipe}
        self.shared = learner.run(InitialShared(**recipe, seed=1), []).states
        self.private = [
            learner.run(InitialPrivate(**recipe, device=d, seed=d), []).states for d in (0, 1)
        ]
        s, p = StateRef("s", "shared"), StateRef("p", "private")
        self.tasks = [
            LocalUpdate(
                **recipe,
                device=d,
                shard=learner.shards.train[d].fingerprint(),
                seed=d,
                shared=s,
                private=p,
            )
            for d in (0, 1)
        ]
        self.inputs = [[self.shared, private] for private in self.private]
        self.updates = [learner.run(t, i) for t, i in zip(self.tasks, self.inputs, strict=True)]
        task = Aggregate(
            **recipe,
            shared=s,
            uploads=(StateRef("0", "upload"), StateRef("1", "upload")),
            weights=(1.0, 3.0),
            devices=(0, 1),
            bases=(s, s),
            staleness=(0, 0),
        )
        self.after = learner.run(task, [self.shared, *(u.states for u in self.updates)]).states


@pytest.fixture(scope="module", params=KINDS)
def a_round(request: pytest.FixtureRequest, pretrained: Folder, shards: Shards) -> Round:
    kind = request.param
    speaks = kind in ALIGNING
    learner = PeftLearner(
        model=Pretrained(pretrained="builtin:tiny-gpt2-instruct") if speaks else pretrained("bert"),
        method=method_of(kind),
        shards=Instruct(examples=24).shards(2, 0) if speaks else shards,
        tokens=36 if speaks else 12,
        codec_up=Spy(),
        codec_down=Spy(),
        ranks=(None, 3) if kind in BY_DEVICE else (),
    )
    return Round(learner)


def test_nothing_private_is_in_the_bytes_of_an_upload(a_round: Round) -> None:
    learner = a_round.learner
    private = {part.name for part in learner.method.parts if not (part.shared or part.known)}
    for payload, update in zip(learner.codec_up.seen, a_round.updates, strict=False):
        kept = update.states["private"]
        assert private <= {name.partition("/")[0] for name in kept}
        for name, array in kept.items():
            own = array.size >= 8 and len(np.unique(array)) > 4
            exception = METHODS.name_of(learner.method) in SENDS_ITS_OWN and name.startswith("own/")
            if own and name.partition("/")[0] in private and not exception:
                assert array.tobytes() not in payload
                assert f'"{name}"'.encode() not in payload


def test_payloads_are_as_long_as_was_said(a_round: Round) -> None:
    learner = a_round.learner
    up = [8 * len(payload) for payload in learner.codec_up.seen[:2]]
    down = [8 * len(payload) for payload in learner.codec_down.seen]
    if not up:
        assert learner.workload(0).upload_bits == learner.workload(0).download_bits == 0
        return
    assert up == [learner.workload(device).upload_bits for device in (0, 1)]
    assert set(down[:2]) == {learner.download_bits(device, []) for device in (0, 1)}
    # What the next download brings, by shapes before anything is trained, and by bytes.
    learner.codec_down.seen.clear()
    learner.payloads.received(0, StateRef("next", "shared"), a_round.after["shared"])
    announced = learner.download_bits(0, [(0, 1)] if learner.sends_news else [])
    assert [8 * len(payload) for payload in learner.codec_down.seen] == [announced]


def test_a_series_learns_what_each_does_alone_to_the_bit(a_round: Round) -> None:
    series = a_round.learner.run_series(a_round.tasks, a_round.inputs)
    for one, other in zip(a_round.updates, series, strict=True):
        assert one.values == other.values
        assert one.states.keys() == other.states.keys()
        for output, state in one.states.items():
            assert list(state) == list(other.states[output])
            for name, array in state.items():
                np.testing.assert_array_equal(array, other.states[output][name])


@pytest.mark.filterwarnings("ignore")
def test_a_group_learns_what_each_would_alone(a_round: Round) -> None:
    """Also where a method asks for more than its phases in turn, and where ranks differ."""
    together = a_round.learner.run_group(a_round.tasks, a_round.inputs)
    for one, other in zip(a_round.updates, together, strict=True):
        assert one.values == pytest.approx(other.values, abs=1e-5)
        for output, state in one.states.items():
            assert list(state) == list(other.states[output])
            for name, array in state.items():
                apart = np.abs(array - other.states[output][name])
                if name.endswith("c_attn.bias"):
                    # A bias of all keys changes no attention: its gradient is rounding alone, and
                    # AdamW makes steps of it.
                    apart = np.delete(apart, np.s_[len(apart) // 3 : 2 * len(apart) // 3])
                assert apart.max() < 2e-4


OLD_NAMES = {
    "initial_server_state": "begin",
    "upload_shapes": "uplink",
    "download_shapes": "downlink",
    "local_update": "update",
    "personal_model": "personal",
    "mixing_weights": "blend",
    "is_weighted_mean": "averages",
}


def under_old_names(method: Any) -> Any:
    """The same method as a plug-in of an earlier release, which knows only the old names."""
    members: dict[str, Any] = {}
    for cls in reversed(type(method).__mro__[:-1]):
        members |= {OLD_NAMES.get(name, name): each for name, each in vars(cls).items()}
    plain = {name: members[name] for name in members if name not in ("__dict__", "__weakref__")}
    plain["__post_init__"] = lambda _: None  # that of the method calls those of its bases
    old = type(type(method).__name__, (), plain)
    return old(**{each.name: getattr(method, each.name) for each in fields(method)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["fedit", "ditto", "scaffold", "feddpa", "flora"])
def test_old_names_of_hooks_give_the_same_results(
    kind: str, pretrained: Folder, shards: Shards
) -> None:
    new = method_of(kind)
    old = under_old_names(new)
    assert {name for name in OLD_NAMES if hasattr(new, name)}
    assert not {name for name in OLD_NAMES if hasattr(old, name)}
    assert is_weighted_mean(old) == is_weighted_mean(new)
    results = []
    for method in (new, old):
        codecs = {"codec_up": Float32(), "codec_down": Float32()}
        learner = PeftLearner(
            model=pretrained("bert"), method=method, shards=shards, tokens=12, **codecs
        )
        trained = Round(learner)
        task = Evaluate(
            recipe=learner.recipe,
            device=0,
            shard=shards.test[0].fingerprint(),
            shared=StateRef("s", "shared"),
            private=StateRef("p", "private"),
        )
        states = [trained.after, trained.updates[0].states]
        results.append(
            {
                "digests": [digest_states(state) for state in states],
                "values": dict(learner.run(task, states).values),
                "bits": (learner.workload(0), learner.download_bits(0, [(0, 1)])),
                "remembers": (learner.keeps, learner.sends_news),
            }
        )
    assert results[0] == results[1]


def test_the_nearest_class_decides_which_name_of_a_hook_counts() -> None:
    ditto = METHODS.find("ditto")

    class Former(ditto):  # type: ignore[misc, valid-type]
        averages = False

        def personal(self, received: Any, kept: Any, shapes: Any) -> Any:
            return "former"

    class Latter(Former):
        def personal_model(self, received: Any, kept: Any, shapes: Any) -> Any:
            return "latter"

    former, latter = hook(Former(), "personal_model"), hook(Latter(), "personal_model")
    assert former is not None
    assert latter is not None
    assert (former({}, {}, {}), latter({}, {}, {})) == ("former", "latter")
    assert is_weighted_mean(ditto())
    assert not is_weighted_mean(Former())
    assert hook(METHODS.find("fedit")(), "personal_model") is None


SCENARIO = """
name: stop
model: {{pretrained: {folder}}}
data: {{kind: csv, path: texts.csv, tokens: 16, partition: {{kind: iid}}}}
method: {method}
rounds: {{kind: synchronous, count: 3, clients: 2}}
evaluation: {{every: 2, global_examples: 8, personal_examples: 3}}
cells: [{{bandwidth: 5 MHz, subcarrier_spacing: 15 kHz}}]
devices:
  - {{count: 2, hardware: jetson-orin-nano}}
  - {{count: 1, hardware: raspberry-pi-5{rank}}}
"""


SPEAKING = (
    SCENARIO.replace("{folder}", "builtin:tiny-gpt2-instruct")
    .replace(
        "{{kind: csv, path: texts.csv, tokens: 16, partition: {{kind: iid}}}}",
        "{{kind: instruct, examples: 12, answer_tokens: 6}}",
    )
    .replace("count: 3", "count: 2", 1)
)


def write_texts(folder: Path) -> None:
    """Write labelled texts of words that the tiny networks know."""
    few = written(48, 3, 0)
    rows = [f"{text},{label}" for text, label in zip(few.texts, few.labels, strict=True)]
    (folder / "texts.csv").write_text("\n".join(["text,label", *rows]))


class Stop(Exception):  # noqa: N818 - somebody pulls the plug
    pass


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_ends_as_a_straight_one(
    kind: str, tmp_path: Path, pretrained: Folder
) -> None:
    local = "{steps: 2, batch: 4" + (", optimizer: sgd}" if kind == "scaffold" else "}")
    small = ", lora: {rank: 2}" if "lora" in METHODS.find(kind).__dataclass_fields__ else ""
    small += ", rewards: {helpfulness: rules, safety: rules}" if kind in ALIGNING else ""
    scenario = SCENARIO if kind not in ALIGNING else SPEAKING
    write_texts(tmp_path)
    (tmp_path / "a.yaml").write_text(
        scenario.format(
            folder=pretrained("bert").pretrained,
            method=f"{{kind: {kind}, local: {local}{small}}}",
            rank=", rank: 3" if kind in BY_DEVICE else "",
        )
    )
    (loaded,) = load(tmp_path / "a.yaml")

    def pulled(task: Any, done: int, needed: int) -> None:
        if done == needed // 2:
            raise Stop

    cache = LearnerCache()  # counts the costs once
    straight = Simulation(loaded.scenario, cache=cache).run(Store(tmp_path / "straight"))
    with pytest.raises(Stop):
        Simulation(loaded.scenario, cache=cache).run(Store(tmp_path / "stopped"), pulled)
    resumed = Simulation(loaded.scenario).run(Store(tmp_path / "stopped"))
    assert resumed.metrics == straight.metrics
    assert resumed.spans == straight.spans
    assert digest_states(resumed.states) == digest_states(straight.states)
    assert 0 < resumed.totals["tasks_executed"] < straight.totals["tasks_executed"]
    network = Simulation(loaded.scenario, network_only=True, cache=cache)
    assert network.run().spans == straight.spans


def test_a_central_server_learns_from_everybody(tmp_path: Path) -> None:
    write_texts(tmp_path)
    text = SCENARIO.format(
        folder="builtin:tiny-bert", method="{kind: fedit, local: {lr: 5e-3}}", rank=""
    )
    central = text.replace("synchronous, count: 3, clients: 2", "centralised, count: 4, clients: 2")
    central = central.replace("examples: 12", "examples: 60").replace(
        "global_examples: 8", "global_examples: 40"
    )
    (tmp_path / "a.yaml").write_text(central)
    (loaded,) = load(tmp_path / "a.yaml")
    asked = []
    outcome = Simulation(loaded.scenario).run(
        Store(tmp_path / "store"), lambda task, done, needed: asked.append(task)
    )
    updates = [task for task in asked if isinstance(task, LocalUpdate)]
    assert [task.device for task in updates] == [-1] * 8
    assert len({task.seed for task in updates}) == 8
    assert outcome.totals["bits"]["sent_up"] == 0
    losses = [m.value for m in outcome.metrics if (m.scope, m.metric) == ("global", "loss")]
    assert losses[-1] < losses[0]
    # Nothing is sent, so no codec has a say.
    sparse = replace(loaded.scenario.payload, upload=TopK(share=0.01))
    (same,) = load(tmp_path / "a.yaml")
    learner = LearnerCache().learner(replace(same.scenario, payload=sparse))
    assert learner.recipe == Simulation(loaded.scenario).learner.recipe


def test_a_central_server_has_no_drift_to_correct(tmp_path: Path, pretrained: Folder) -> None:
    """SCAFFOLD on one server is SGD."""
    write_texts(tmp_path)
    ends = []
    for kind in ("scaffold", "fedit"):
        method = f"{{kind: {kind}, lora: {{rank: 2}}, local: {{optimizer: sgd, lr: 0.1}}}}"
        text = SCENARIO.format(folder=pretrained("bert").pretrained, method=method, rank="")
        (tmp_path / "a.yaml").write_text(text.replace("synchronous", "centralised"))
        (loaded,) = load(tmp_path / "a.yaml")
        ends.append(Simulation(loaded.scenario).run(Store(tmp_path / kind)).states["shared"])
    for name, value in ends[1].items():
        np.testing.assert_array_equal(ends[0][name], value)


def test_a_run_with_noise_tells_what_it_has_spent(tmp_path: Path, pretrained: Folder) -> None:
    pytest.importorskip("opacus")
    text = SCENARIO.format(
        folder=pretrained("bert").pretrained, method="{kind: fedit, lora: {rank: 2}}", rank=""
    )
    write_texts(tmp_path)
    (tmp_path / "a.yaml").write_text(text + "server: {weights: equal}\n")
    noisy = "privacy={clip: 0.1, noise_multiplier: 1.0, secure_aggregation: {}}"
    outcomes = []
    for settings in ([], [noisy], [noisy]):
        (loaded,) = load(tmp_path / "a.yaml", settings=settings)
        outcomes.append(Simulation(loaded.scenario).run(Store(tmp_path / str(len(outcomes)))))
    plain, one, other = outcomes
    spent = one.totals["privacy"]
    assert spent["releases"] == 3
    assert spent["sampling_rate"] == pytest.approx(2 / 3)
    assert 1 < spent["epsilon"] < 20
    assert "privacy" not in plain.totals
    assert digest_states(one.states) == digest_states(other.states)
    assert digest_states(one.states) != digest_states(plain.states)
    extra = one.totals["bits"]["sent_up"] - plain.totals["bits"]["sent_up"]
    values = sum(array.size for array in one.states["shared"].values())
    assert extra == 3 * 2 * (2 * 256 + 4 * 256 + values)
