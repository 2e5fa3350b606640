"""Groups against one by one: the same batches, and values that differ by the order of sums alone.

Stacked products sum in another order, so gradients agree to a few units of 1e-7. SGD passes that on
as it is. AdamW divides by the root of the second moment: an entry whose gradient is near zero moves
by up to lr either way, so single entries may be lr x steps apart although the model is the same.
Hence two tolerances: 1e-5 for SGD, and for AdamW 1e-3 of the distance that was travelled.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wfl_sim.codecs import Float32
from wfl_sim.data import Instruct
from wfl_sim.data.examples import Shards
from wfl_sim.data.instruct import Preferences
from wfl_sim.execution.task import InitialPrivate, InitialShared, LocalUpdate, Result, StateRef
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.learning.phase_requests import PhaseRequest
from wfl_sim.methods import PFIT, PFTT, PWFF, FedIT, FedMOA, LocalOnly
from wfl_sim.methods.local_update import Train
from wfl_sim.methods.objectives import DPO, GRPO, PPO, PREFERENCES, RULES, Rewards, Sparsity
from wfl_sim.methods.parts import Adapter, Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State

Folder = Callable[[str], Pretrained]
LOCAL = Local(steps=5, batch=4, lr=5e-3)


def learner(model: Pretrained, shards: Shards, method: Any, **options: Any) -> PeftLearner:
    settings = {"tokens": 12, "codec_up": Float32(), "codec_down": Float32(), **options}
    return PeftLearner(model=model, method=method, shards=shards, **settings)


def tasks_of(learner: PeftLearner, seed: int = 3) -> tuple[list[LocalUpdate], list[Any]]:
    """Return a local update of every device, and what goes into each."""
    shared = learner.run(InitialShared(recipe=learner.recipe, seed=1), []).states
    tasks, inputs = [], []
    for device, examples in enumerate(learner.shards.train):
        private = InitialPrivate(recipe=learner.recipe, device=device, seed=device)
        inputs.append([shared, learner.run(private, []).states])
        tasks.append(
            LocalUpdate(
                recipe=learner.recipe,
                device=device,
                shard=examples.fingerprint(),
                seed=seed + device,
                shared=StateRef("s", "shared"),
                private=StateRef("p", "private"),
            )
        )
    return tasks, inputs


def both(learner: PeftLearner) -> tuple[list[Result], list[Result]]:
    tasks, inputs = tasks_of(learner)
    alone = [learner.run(task, given) for task, given in zip(tasks, inputs, strict=True)]
    return alone, list(learner.run_group(tasks, inputs))


def trained_as_group(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that the size of each group is added to."""
    from wfl_sim.learning.grouped import training as group

    sizes, train = [], group.train_together
    monkeypatch.setattr(
        group,
        "train_together",
        lambda b, requests: sizes.append(len(requests)) or train(b, requests),
    )
    return sizes


def farthest(one: State, other: State) -> float:
    assert list(one) == list(other)
    assert all(one[name].shape == other[name].shape for name in one)
    return max((float(np.abs(one[n] - other[n]).max()) for n in one), default=0.0)


def apart(one: State, other: State) -> float:
    """Return the root mean square difference."""
    squares = [np.square(one[name] - other[name]).ravel() for name in one]
    return float(np.sqrt(np.mean(np.concatenate(squares)))) if squares else 0.0


METHODS = {
    "lora": FedIT(lora=LoRA(rank=2), local=LOCAL),
    "lora-adapter": PFTT(adapter=Adapter(bottleneck=4), lora=LoRA(rank=2), local=LOCAL),
    "sgd": PFTT(
        adapter=Adapter(bottleneck=4, activation="relu", placement="pfeiffer"),
        local=replace(LOCAL, optimizer="sgd", momentum=0.9, weight_decay=0.01, lr=0.1),
    ),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2", "llama"])
def test_a_group_learns_what_each_learns_alone(
    quiet: Folder, shards: Shards, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    sizes = trained_as_group(monkeypatch)
    learn = learner(quiet(kind), shards, METHODS[name])
    _, inputs = tasks_of(learn)
    for (shared, private), alone, group in zip(inputs, *both(learn), strict=True):
        assert group.values["train_loss"] == pytest.approx(alone.values["train_loss"], rel=1e-4)
        for output, before in (("upload", shared["shared"]), ("private", private["private"])):
            one, other = alone.states[output], group.states[output]
            if name == "sgd":
                assert farthest(one, other) < 1e-5
            elif one:
                assert apart(one, other) < 1e-3 * apart(one, before)
    assert sizes == [len(shards.train)]


def parts_of(rank: int, alpha: float = 0.0) -> tuple[Part, ...]:
    return (
        Part(name="lora", config=LoRA(rank=rank, alpha=alpha), shared=True),
        Part(name="adapter", config=Adapter(bottleneck=4), shared=True),
        Part(name="head", config=Head(), shared=True),
    )


@pytest.fixture
def mixed(quiet: Folder, shards: Shards) -> Callable[..., list[tuple[Any, PhaseRequest]]]:
    """A function from a phase to models and requests whose ranks, steps and batches differ."""
    from wfl_sim.learning.adapted_model import AdaptedModel
    from wfl_sim.learning.base_models.model_loading import load_model, load_tokenizer
    from wfl_sim.learning.tokenized import encode

    model = quiet("bert")

    def made(phase: Phase, **terms: Callable[[State], State]) -> list[tuple[Any, PhaseRequest]]:
        found = []
        for device, (rank, alpha, steps, batch) in enumerate(
            [(2, 0.0, 3, 4), (5, 4.0, 6, 2), (2, 8.0, 6, 5), (1, 0.0, 1, 1)]
        ):
            parts = parts_of(rank, alpha)
            adapted = AdaptedModel(load_model(model, 3, 0), parts, 1)
            adapted.reset(adapted.parts, device)
            rng = np.random.default_rng(device)
            start = {
                name: array + rng.normal(0, 0.05, array.shape).astype(np.float32)
                for name, array in adapted.read(adapted.parts).items()
            }
            own = replace(phase, local=replace(phase.local, steps=steps, batch=batch))
            more = {name: make(start) for name, make in terms.items()}
            request = PhaseRequest(
                device=device,
                number=0,
                train=Train(phase=own, start=start, **more),
                parts=parts,
                examples=encode(load_tokenizer(model), shards.train[device % 3], 12),
                seed=device,
            )
            found.append((adapted, request))
        return found

    return made


def alone(adapted: Any, request: PhaseRequest) -> tuple[State, list[float]]:
    train = request.train
    adapted.load(train.start)
    losses = adapted.train_phase(
        request.number,
        train.phase,
        request.examples,
        request.seed,
        anchor=train.anchor,
        correction=train.correction,
    )
    return adapted.read(adapted.parts), losses


def agree(requests: Sequence[tuple[Any, PhaseRequest]], within: float) -> None:
    from wfl_sim.learning.grouped.training import train_together

    assert len({request.kind for _, request in requests}) == 1
    together = train_together(requests[0][0], [request for _, request in requests])
    for (adapted, request), (state, losses) in zip(requests, together, strict=True):
        expected, expected_losses = alone(adapted, request)
        assert losses == pytest.approx(expected_losses, rel=1e-4)
        assert farthest(expected, state) < within


SGD = Local(optimizer="sgd", momentum=0.5, weight_decay=0.1, lr=0.1)
ADAMW = Local(weight_decay=0.1, lr=1e-3)
ALL = ("lora", "adapter", "head")


@pytest.mark.parametrize(("local", "within"), [(SGD, 1e-5), (ADAMW, 1e-4)])
def test_ranks_steps_and_batches_may_differ(mixed: Any, local: Local, within: float) -> None:
    agree(mixed(Phase(trains=ALL, local=local)), within)


@pytest.mark.parametrize("trains", [("lora.B",), ("adapter", "head"), ("lora",)])
def test_a_phase_may_train_some_parts_or_one_factor(mixed: Any, trains: tuple[str, ...]) -> None:
    requests = mixed(Phase(trains=trains, local=SGD))
    agree(requests, 1e-5)


def test_a_muted_lora_is_muted_for_all(mixed: Any) -> None:
    agree(mixed(Phase(trains=("adapter", "head"), local=SGD, mutes=("lora",))), 1e-5)


def test_proximal_terms_and_corrections_are_each_devices_own(mixed: Any) -> None:
    def anchor(start: State) -> State:
        return {name: array + np.float32(0.01) for name, array in start.items()}

    def correction(start: State) -> State:
        return {n: np.full_like(a, a.std() + 0.01) for n, a in start.items() if "lora_A" in n}

    phase = Phase(trains=ALL, local=SGD, proximal=0.3)
    agree(mixed(phase, anchor=anchor, correction=correction), 1e-5)
    agree(mixed(phase), 1e-5)


def test_rows_of_one_device_do_not_reach_another(mixed: Any) -> None:
    """A device whose values are not finite says so, and nobody else's are touched."""
    from wfl_sim.learning.grouped.training import train_together

    requests = [request for _, request in mixed(Phase(trains=ALL, local=SGD))]
    adapted = mixed(Phase(trains=ALL, local=SGD))[0][0]
    before = train_together(adapted, requests[:3])
    other = {name: 3 * array for name, array in requests[3].train.start.items()}
    changed = replace(requests[3], train=replace(requests[3].train, start=other))
    after = train_together(adapted, [*requests[:3], changed])
    for (one, _), (two, _) in zip(before, after, strict=False):
        assert farthest(one, two) < 1e-5
    broken = {name: np.full_like(array, np.nan) for name, array in other.items()}
    diverged = replace(requests[3], train=replace(requests[3].train, start=broken))
    with pytest.raises(FloatingPointError, match=r"the loss is \w+ at local step 1; lr"):
        train_together(adapted, [*requests[:3], diverged])


def test_what_drops_out_is_trained_one_by_one_and_said_once(
    pretrained: Folder,
    quiet: Folder,
    shards: Shards,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sizes = trained_as_group(monkeypatch)
    noisy = FedIT(lora=LoRA(rank=2, dropout=0.1), local=LOCAL)
    for model, method in ((pretrained("bert"), METHODS["lora"]), (quiet("bert"), noisy)):
        learn = learner(model, shards, method)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            for alone, group in (*zip(*both(learn), strict=True), *zip(*both(learn), strict=True)):
                assert alone.values == group.values
                assert farthest(alone.states["upload"], group.states["upload"]) == 0
        assert sum("one by one" in record.message for record in caplog.records) == 1
    assert sizes == []


ANSWERS = Pretrained(pretrained="builtin:tiny-gpt2-instruct")


def answering(model: Pretrained, name: str) -> PeftLearner:
    shards = Instruct(examples=24, test_fraction=0.5).shards(3, 0)
    method = METHODS[name]
    method = replace(method, local=replace(method.local, steps=2, batch=2))
    return learner(model, shards, method, tokens=shards.pooled.layout.tokens)


@pytest.mark.parametrize("name", ["lora-adapter", "sgd"])
def test_answers_are_learned_in_groups_as_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Words of answers weigh as they do in each device's own batch."""
    sizes = trained_as_group(monkeypatch)
    learn = answering(ANSWERS, name)
    _, inputs = tasks_of(learn)
    for (shared, _), alone, group in zip(inputs, *both(learn), strict=True):
        assert group.values["train_loss"] == pytest.approx(alone.values["train_loss"], rel=1e-4)
        one, other = alone.states["upload"], group.states["upload"]
        if name == "sgd":
            assert farthest(one, other) < 1e-5
        else:
            assert apart(one, other) < 1e-3 * apart(one, shared["shared"])
    assert sizes == [3]


RULED = {"rewards": Rewards(helpfulness=RULES, safety=RULES)}
OWN = {"rewards": Rewards(helpfulness=PREFERENCES, safety=RULES)}
ALIGNED = {
    "pfit-ppo": PFIT(layers=1, algorithm=PPO(target_kl=0.1), **RULED),
    "pfit-dpo": PFIT(algorithm=DPO(), attention=Sparsity()),
    "pwff-mgda": PWFF(**OWN),
    "pwff-pcgrad": PWFF(combine="pcgrad", **RULED),
    "pwff-grpo": PWFF(algorithm=GRPO(group=2), **RULED),
    "fedmoa": FedMOA(weight=None, **RULED),
    "local-dpo": LocalOnly(algorithm=DPO()),
}


@pytest.mark.parametrize("name", ALIGNED)
def test_alignment_learns_in_groups_as_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each device writes its own answers, and learns from its own rewards and preference."""
    sizes = trained_as_group(monkeypatch)
    sgd = Local(optimizer="sgd", lr=1e-3, epochs=1, batch=2, clip_norm=1.0)
    method = replace(ALIGNED[name], local=sgd)
    data = Instruct(examples=24, test_fraction=0.5, preferences=Preferences(values=(0.9, 0.5, 0.1)))
    shards = data.shards(3, 0)
    first, *others = shards.train
    shards = replace(shards, train=(first.subset(range(2)), *others))  # takes fewer steps
    learn = learner(ANSWERS, shards, method, tokens=shards.pooled.layout.tokens)
    _, inputs = tasks_of(learn)
    for (shared, private), alone, group in zip(inputs, *both(learn), strict=True):
        assert group.values["train_loss"] == pytest.approx(alone.values["train_loss"], abs=1e-5)
        for output, before in (("upload", shared["shared"]), ("private", private["private"])):
            one, other = alone.states[output], group.states[output]
            begun = dict.fromkeys(one, np.float32(0)) | dict(before)
            assert apart(one, other) <= 1e-3 * apart(one, begun)
    assert sizes == [3]


@pytest.mark.gpu
@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="no accelerator")
@pytest.mark.parametrize("quantise", ["none", "int8", "nf4"])
def test_an_accelerator_learns_answers_in_groups(quantise: str) -> None:
    learn = answering(replace(ANSWERS, device="cuda", quantise=quantise), "lora-adapter")
    for alone, group in zip(*both(learn), strict=True):
        assert group.values["train_loss"] == pytest.approx(alone.values["train_loss"], rel=1e-3)
