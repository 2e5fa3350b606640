"""The learner's contract: five tasks, their costs, and what may never happen."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from wfl_sim.codecs import Float16, Float32, Int4, Int8, RandomMask, TopK
from wfl_sim.config.answers import AnswerError
from wfl_sim.data.examples import Examples, Shards
from wfl_sim.data.newswire import Newswire
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
    Result,
    StateRef,
    key_of,
)
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods import PFTT, FedAvg, FedIT, LocalOnly
from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.parts import Adapter, Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State

Folder = Callable[[str], Pretrained]
LOCAL = Local(steps=4, batch=8, lr=5e-3)
PFTT_SMALL = PFTT(adapter=Adapter(bottleneck=4), lora=LoRA(rank=2), local=LOCAL)
METHODS = {
    "pftt": PFTT_SMALL,
    "fedit": FedIT(lora=LoRA(rank=2, dropout=0.1), local=LOCAL),
    "local-only": LocalOnly(lora=LoRA(rank=2), local=LOCAL),
}


def learner(
    model: Pretrained, shards: Shards, method: Any = PFTT_SMALL, **options: Any
) -> PeftLearner:
    settings = {"tokens": 12, "codec_up": Float32(), "codec_down": Float32(), **options}
    return PeftLearner(model=model, method=method, shards=shards, **settings)


class Device:
    """Runs tasks of one learner as a simulation would, carrying results by hand."""

    def __init__(self, learner: PeftLearner, seed: int = 1) -> None:
        self.learner = learner
        self.shared = learner.run(InitialShared(recipe=learner.recipe, seed=seed), [])
        self.private = learner.run(InitialPrivate(recipe=learner.recipe, device=-1, seed=seed), [])

    def update(self, device: int = 0, seed: int = 5) -> Result:
        task = LocalUpdate(
            recipe=self.learner.recipe,
            device=device,
            shard=self.learner.shards.train[device].fingerprint(),
            seed=seed,
            shared=StateRef("s", "shared"),
            private=StateRef("p", "private"),
        )
        return self.learner.run(task, [self.shared.states, self.private.states])

    def evaluate(self, device: int = -1) -> dict[str, float]:
        shards = self.learner.shards
        held_out = shards.pooled if device == -1 else shards.test[device]
        task = Evaluate(
            recipe=self.learner.recipe,
            device=device,
            shard=held_out.fingerprint(),
            shared=StateRef("s", "shared"),
            private=StateRef("p", "private"),
        )
        return dict(self.learner.run(task, [self.shared.states, self.private.states]).values)

    def average(self, updates: Sequence[Result], weights: Sequence[float]) -> Result:
        task = Aggregate(
            recipe=self.learner.recipe,
            shared=StateRef("s", "shared"),
            uploads=tuple(StateRef(f"u{i}", "upload") for i in range(len(updates))),
            weights=tuple(weights),
            devices=tuple(range(len(updates))),
            bases=(StateRef("s", "shared"),) * len(updates),
            staleness=(0,) * len(updates),
        )
        return self.learner.run(task, [self.shared.states, *(update.states for update in updates)])


def same(one: State, other: State) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[n], other[n]) for n in one)


@pytest.fixture
def pftt(pretrained: Folder, shards: Shards) -> Device:
    return Device(learner(pretrained("bert"), shards))


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2", "llama"])
def test_every_architecture_learns(pretrained: Folder, shards: Shards, kind: str) -> None:
    local = Local(steps=30, batch=16, lr=5e-3)
    method = PFTT(adapter=Adapter(bottleneck=4), lora=LoRA(rank=2), local=local)
    run = Device(learner(pretrained(kind), shards, method))
    before = run.evaluate(0)["loss"]
    first = run.update()
    run.shared, run.private = Result({"shared": first.states["upload"]}), first
    second = run.update(seed=6)
    assert second.values["train_loss"] < first.values["train_loss"]
    run.shared, run.private = Result({"shared": second.states["upload"]}), second
    assert run.evaluate(0)["loss"] < before


@pytest.mark.parametrize("name", METHODS)
def test_payload_and_shapes_are_as_announced(pretrained: Folder, shards: Shards, name: str) -> None:
    method = METHODS[name]
    run = Device(learner(pretrained("bert"), shards, method, codec_up=Float16()))
    workload = run.learner.workload(0)
    update = run.update()
    shared, upload = run.shared.states["shared"], update.states["upload"]
    assert {n: a.shape for n, a in upload.items()} == {n: a.shape for n, a in shared.items()}
    if shared:
        assert workload.upload_bits == 8 * len(Float16().encode(upload))
        assert workload.download_bits == 8 * len(Float32().encode(shared))
    else:
        assert workload.upload_bits == workload.download_bits == 0
    assert workload.aggregate_flops == 2 * sum(array.size for array in shared.values())
    assert workload.steps == 4
    assert workload.update_flops > 0
    assert workload.memory > 4 * 20_000


@pytest.mark.parametrize("name", METHODS)
def test_nothing_private_is_in_an_upload(pretrained: Folder, shards: Shards, name: str) -> None:
    run = Device(learner(pretrained("bert"), shards, METHODS[name]))
    update = run.update()
    shared = {part.name for part in METHODS[name].parts if part.shared}
    owners = {output: {n.split("/")[0] for n in s} for output, s in update.states.items()}
    assert owners["upload"] == shared
    assert owners["private"] == {part.name for part in METHODS[name].parts} - shared
    assert all(a.dtype == np.float32 for s in update.states.values() for a in s.values())


@pytest.mark.parametrize("name", METHODS)
def test_two_runs_are_equal_to_the_bit(pretrained: Folder, shards: Shards, name: str) -> None:
    results = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        np.random.seed(noise)  # noqa: NPY002 - it must not matter
        before = torch.get_rng_state()
        run = Device(learner(pretrained("bert"), shards, METHODS[name]))
        results.append((run.shared, run.private, run.update(), run.evaluate()))
        assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(*results, strict=True):
        if isinstance(one, Result):
            assert one.values == other.values
            assert all(same(one.states[o], other.states[o]) for o in one.states)
        else:
            assert one == other


def test_an_update_does_not_depend_on_what_ran_before(pretrained: Folder, shards: Shards) -> None:
    run = Device(learner(pretrained("bert"), shards, METHODS["fedit"]))
    alone = run.update(device=1, seed=9)
    run.update(device=0, seed=3)
    run.evaluate(2)
    Device(run.learner, seed=2).update(device=2)
    again = run.update(device=1, seed=9)
    assert alone.values == again.values
    assert same(alone.states["upload"], again.states["upload"])


def test_an_evaluation_does_not_depend_on_what_was_trained_before() -> None:
    """Torch multiplies in another order where a weight requires a gradient."""
    model = Pretrained(pretrained="builtin:tiny-bert")
    texts = Newswire(examples=20).shards(4, 0)
    run = Device(learner(model, texts, FedAvg(local=Local(steps=1, batch=2)), tokens=32))
    fresh = [run.evaluate(device) for device in range(4)]
    adapted = run.learner.adapted_model(0)
    encoded = run.learner.examples.placed("test", 0, texts.test[0].fingerprint())
    described = adapted.describe(encoded)
    run.update()
    assert any(each.requires_grad for each in adapted.model.parameters())
    assert [run.evaluate(device) for device in range(4)] == fresh
    adapted.load(run.shared.states["shared"])
    np.testing.assert_array_equal(adapted.describe(encoded), described)
    assert any(each.requires_grad for each in adapted.model.parameters())


def test_seeds_and_devices_matter(pftt: Device) -> None:
    base = pftt.update().states["upload"]
    assert not same(base, pftt.update(seed=6).states["upload"])
    assert not same(base, pftt.update(device=1).states["upload"])


def test_inputs_are_never_written_to(pftt: Device) -> None:
    for result, output in ((pftt.shared, "shared"), (pftt.private, "private")):
        for array in result.states[output].values():
            array.setflags(write=False)
    update = pftt.update()
    kept = {name: array.copy() for name, array in update.states["private"].items()}
    pftt.update(seed=8)
    assert same(kept, update.states["private"])


def test_a_coarse_codec_is_felt(pretrained: Folder, shards: Shards) -> None:
    fine = Device(learner(pretrained("bert"), shards))
    up = Device(learner(pretrained("bert"), shards, codec_up=Float16()))
    down = Device(learner(pretrained("bert"), shards, codec_down=Float16()))
    exact, rounded = fine.update().states, up.update().states
    assert same(exact["private"], rounded["private"])
    for name, array in exact["upload"].items():
        assert np.array_equal(rounded["upload"][name], array.astype(np.float16).astype(np.float32))
    assert not same(exact["private"], down.update().states["private"])


def test_aggregation_is_the_methods(pftt: Device) -> None:
    updates = [pftt.update(device=device) for device in (0, 1)]
    mean = pftt.average(updates, (40.0, 30.0)).states["shared"]
    uploads = [Upload(u.states["upload"], w) for u, w in zip(updates, (40.0, 30.0), strict=True)]
    assert same(mean, weighted_mean(uploads))


def test_global_evaluation_leaves_a_fresh_lora_out(pretrained: Folder, shards: Shards) -> None:
    """With the untrained private LoRA, PFTT is its adapter and head alone."""
    run = Device(learner(pretrained("bert"), shards))
    update = run.update()
    run.shared = Result({"shared": update.states["upload"]})
    fresh = run.evaluate()
    zero = {n: np.zeros_like(a) for n, a in run.private.states["private"].items()}
    run.private = Result({"private": zero})
    assert run.evaluate() == fresh
    run.private = update
    assert run.evaluate() != fresh


def test_evaluation_values(pftt: Device, shards: Shards) -> None:
    for device, examples in ((-1, shards.pooled), (0, shards.test[0])):
        values = pftt.evaluate(device)
        assert set(values) == {"accuracy", "loss"}
        hits = values["accuracy"] * len(examples)
        assert hits == pytest.approx(round(hits))
        assert values["loss"] == pytest.approx(np.log(3), rel=0.2)


@dataclass(frozen=True, kw_only=True)
class TwoPhases:
    """Head first, then LoRA; the adapter is never trained."""

    local: Local = field(default_factory=lambda: LOCAL)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (
            Part(name="adapter", config=Adapter(bottleneck=2), shared=True),
            Part(name="lora", config=LoRA(rank=2), shared=True),
            Part(name="head", config=Head(), shared=False),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase(trains=("head",), local=self.local),
            Phase(trains=("lora",), local=replace(self.local, optimizer="sgd", momentum=0.9)),
        )

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        return {name: array.astype(np.float64) for name, array in weighted_mean(uploads).items()}


def test_phases_train_what_they_name(pretrained: Folder, shards: Shards) -> None:
    run = Device(learner(pretrained("bert"), shards, TwoPhases()))
    update = run.update()
    moved = {
        name.split("/")[0]
        for states in (update.states["upload"], update.states["private"])
        for name, array in states.items()
        if not np.array_equal(
            array, {**run.shared.states["shared"], **run.private.states["private"]}[name]
        )
    }
    assert moved == {"lora", "head"}
    assert run.learner.workload(0).steps == 8
    base = run.learner.adapted_model(0).model.base_model.embeddings.word_embeddings.weight
    fresh = Device(learner(pretrained("bert"), shards, TwoPhases()))
    assert torch.equal(
        base, fresh.learner.adapted_model(0).model.base_model.embeddings.word_embeddings.weight
    )
    mean = run.average([update], [1.0])
    assert all(array.dtype == np.float32 for array in mean.states["shared"].values())


def test_a_wrong_payload_length_is_an_error(pretrained: Folder, shards: Shards) -> None:
    @dataclass(frozen=True)
    class Padded(Float32):
        def encode(self, state: State) -> bytes:
            return Float32().encode(state) + b"x"

    run = Device(learner(pretrained("bert"), shards, codec_up=Padded()))
    bits = run.learner.workload(0).upload_bits
    with pytest.raises(
        AnswerError, match=f"upload: Padded announced {bits} bit and made {bits + 8}"
    ):
        run.update()


def test_aggregation_keeps_names_and_shapes(pretrained: Folder, shards: Shards) -> None:
    @dataclass(frozen=True)
    class Forgetful(TwoPhases):
        def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
            return {name: array for name, array in shared.items() if "layer.1" not in name}

    run = Device(learner(pretrained("bert"), shards, Forgetful()))
    with pytest.raises(
        ValueError, match=r"Forgetful.aggregate must return 'adapter/encoder.layer.1.* got nothing$"
    ):
        run.average([run.update()], [1.0])


def test_unknown_part_in_a_phase(pretrained: Folder, shards: Shards) -> None:
    @dataclass(frozen=True)
    class Misspelt(TwoPhases):
        @property
        def phases(self) -> tuple[Phase, ...]:
            return (Phase(trains=("loar",), local=LOCAL),)

    with pytest.raises(ValueError, match="a phase trains 'loar', which is no part"):
        learner(pretrained("bert"), shards, Misspelt()).workload(0)


def test_tasks_of_others_are_refused(pftt: Device, shards: Shards) -> None:
    run = pftt.learner.run
    with pytest.raises(ValueError, match="of recipe other"):
        run(InitialShared(recipe="other", seed=1), [])
    evaluate = Evaluate(
        recipe=pftt.learner.recipe,
        device=0,
        shard="another",
        shared=StateRef("s", "shared"),
        private=StateRef("p", "private"),
    )
    states = [pftt.shared.states, pftt.private.states]
    with pytest.raises(ValueError, match="other test examples of device 0"):
        run(evaluate, states)
    with pytest.raises(ValueError, match="there are 3 devices, no device 3"):
        run(replace(evaluate, device=3), states)


def test_states_of_another_method_are_refused(pftt: Device, shards: Shards) -> None:
    shared = dict(pftt.shared.states["shared"])
    name = "head/classifier.weight"
    shared[name] = shared[name].T
    pftt.shared = Result({"shared": shared})
    with pytest.raises(ValueError, match=r"shape \(3, 32\), got \(32, 3\)"):
        pftt.evaluate()


def test_divergence_is_reported(pretrained: Folder, shards: Shards) -> None:
    method = FedIT(local=Local(steps=30, batch=4, lr=1e30, optimizer="sgd"))
    run = Device(learner(pretrained("bert"), shards, method))
    with pytest.raises(FloatingPointError, match=r"training diverged: the loss is .* lr 1e\+30"):
        run.update()


def test_an_empty_shard_is_an_error(pretrained: Folder) -> None:
    none = Examples((), np.empty(0, np.int64))
    shards = Shards((none,), (none,), none, ("a", "b"))
    run = Device(learner(pretrained("bert"), shards))
    with pytest.raises(ValueError, match="shard is empty"):
        run.update()
    with pytest.raises(ValueError, match="no held-out examples"):
        run.evaluate()


@pytest.mark.parametrize(("kind", "limit"), [("bert", 32), ("roberta", 31), ("gpt2", 32)])
def test_a_text_must_fit(pretrained: Folder, shards: Shards, kind: str, limit: int) -> None:
    learner(pretrained(kind), shards, tokens=limit).workload(0)
    Device(learner(pretrained(kind), shards, tokens=limit)).evaluate()
    with pytest.raises(ValueError, match=f"tokens must be at most {limit} for .*, got {limit + 1}"):
        learner(pretrained(kind), shards, tokens=limit + 1).workload(0)


@pytest.mark.parametrize("name", ["tokens", "threads"])
def test_counts_must_be_positive(pretrained: Folder, shards: Shards, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        learner(pretrained("bert"), shards, **{name: 0})


def test_the_recipe_names_what_decides_a_result(pretrained: Folder, shards: Shards) -> None:
    base = learner(pretrained("bert"), shards)
    assert base.recipe == learner(pretrained("bert"), shards).recipe
    fewer = replace(shards, train=shards.train[:1], test=shards.test[:1])
    assert base.recipe == learner(pretrained("bert"), fewer).recipe
    others = [
        learner(pretrained("roberta"), shards),
        learner(pretrained("bert"), shards, replace(PFTT_SMALL, lora=LoRA(rank=3))),
        learner(pretrained("bert"), shards, replace(PFTT_SMALL, local=Local(lr=1e-4))),
        learner(pretrained("bert"), shards, FedIT()),
        learner(pretrained("bert"), shards, tokens=13),
        learner(pretrained("bert"), shards, threads=2),
        learner(pretrained("bert"), shards, codec_up=Float16()),
        learner(pretrained("bert"), shards, codec_down=Float16()),
        learner(pretrained("bert"), replace(shards, classes=("a", "b", "c", "d"))),
    ]
    assert len({base.recipe, *(other.recipe for other in others)}) == 1 + len(others)


def test_a_learner_travels_to_another_process(pftt: Device) -> None:
    update = pftt.update()
    copy = pickle.loads(pickle.dumps(pftt.learner))
    assert len(copy.models) == 0 < len(pftt.learner.models)
    assert not copy.examples._encoded
    assert "tokenizer" not in vars(copy.examples)
    assert copy.recipe == pftt.learner.recipe
    pftt.learner = copy
    assert same(update.states["upload"], pftt.update().states["upload"])


def test_workload_loads_no_weights(pretrained: Folder, shards: Shards) -> None:
    """Costs and keys need no base model in memory: a stored or network-only run never has one."""
    lazy = learner(pretrained("bert"), shards)
    assert lazy.workload(0) == lazy.workload(2)
    key_of(InitialShared(recipe=lazy.recipe, seed=0))
    assert len(lazy.models) == 0
    assert "tokenizer" not in vars(lazy.examples)


def test_learner_and_recipe_are_torch_free_until_a_task_runs(pretrained: Folder) -> None:
    code = (
        "import sys, numpy as np\n"
        "from wfl_sim.learning.learner import PeftLearner\n"
        "from wfl_sim.data.examples import Examples, Shards\n"
        "from wfl_sim.learning.base_models.pretrained_model import Pretrained\n"
        "from wfl_sim.methods import PFTT\n"
        "from wfl_sim.codecs import Float32\n"
        "none = Examples((), np.empty(0, np.int64))\n"
        f"model = Pretrained(pretrained={pretrained('bert').pretrained!r})\n"
        "shards = Shards((none,), (none,), none, ('a', 'b'))\n"
        "PeftLearner(model=model, method=PFTT(), shards=shards, tokens=8,\n"
        "            codec_up=Float32(), codec_down=Float32()).recipe\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_repr_names_model_and_method(pftt: Device) -> None:
    assert "PFTT" in repr(pftt.learner)
    assert "bert with adapter, lora, head" in repr(pftt.learner.adapted_model(0))


def test_steps_are_timed_for_each_phase(pretrained: Folder, shards: Shards) -> None:
    timed = learner(pretrained("bert"), shards)
    times = timed.step_seconds(0.0)
    assert len(times) == len(timed.method.phases) == len(timed.workload(0).batches)
    assert all(0 < each < 5 for each in times)


@pytest.mark.parametrize(
    "codec",
    [
        Int8(),
        Int4(updates=True),
        Int4(updates=True, error_feedback=True),
        TopK(share=0.1),
        TopK(share=0.1, error_feedback=False),
        RandomMask(share=0.2),
    ],
    ids=repr,
)
def test_every_codec_sends_what_it_announced(
    pretrained: Folder, shards: Shards, codec: Any
) -> None:
    run = Device(learner(pretrained("bert"), shards, codec_up=codec))
    update = run.update().states
    upload, shared = update["upload"], run.shared.states["shared"]
    assert {n: a.shape for n, a in upload.items()} == {n: a.shape for n, a in shared.items()}
    assert run.learner.workload(0).upload_bits == codec.bits(
        {name: array.shape for name, array in shared.items()}
    )
    kept = [n for n in update["private"] if n.startswith("error-feedback/")]
    assert bool(kept) == codec.feedback
    assert run.evaluate(0)["loss"] > 0


def test_what_a_codec_loses_is_sent_later(pretrained: Folder, shards: Shards) -> None:
    """Upload plus rest is what lossless uploads bring, in the first round and in the second."""
    exact = Device(learner(pretrained("bert"), shards))
    sparse = Device(learner(pretrained("bert"), shards, codec_up=TopK(share=0.05)))
    truth, first = exact.update().states, sparse.update().states
    shared = sparse.shared.states["shared"]
    for name, trained in truth["upload"].items():
        rest = first["private"][f"error-feedback/{name}"]
        np.testing.assert_allclose(first["upload"][name] + rest, trained, atol=1e-6)
    assert set(first["unacknowledged"]) == {n for n in first["private"] if "feedback" not in n}
    # From the same shared state once more: what was lost comes on top of the new update.
    sparse.private = Result({"private": first["private"]})
    own = {n: a for n, a in first["private"].items() if not n.startswith("error-feedback/")}
    exact.private = Result({"private": own})
    truth, second = exact.update(seed=6).states, sparse.update(seed=6).states
    for name, trained in truth["upload"].items():
        rest = second["private"][f"error-feedback/{name}"]
        before = first["private"][f"error-feedback/{name}"]
        # An upload that is not used has not brought what was lost before.
        assert np.array_equal(second["unacknowledged"][f"error-feedback/{name}"], before)
        sent = second["upload"][name] - shared[name]
        np.testing.assert_allclose(sent + rest, trained - shared[name] + before, atol=1e-5)
