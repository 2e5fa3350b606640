"""Options of local training: small passes, clipping, learning rates, epochs, layers anew."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import get_scheduler

from tests.fixtures.networks import language_model
from tests.learning.test_grouped import both, farthest, learner, tasks_of, trained_as_group
from wfl_sim.config.errors import LocatedError
from wfl_sim.data import Instruct
from wfl_sim.data.examples import Shards
from wfl_sim.execution.task import LocalUpdate, StateRef
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models.model_loading import load_model, load_on_meta, load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import encode
from wfl_sim.learning.costs.counting import count_step
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.learning.training import optimizer_of
from wfl_sim.methods import PFIT, FedIT, FedPEFT, FedProx, Scaffold, SplitLoRA
from wfl_sim.methods.objectives import DPO
from wfl_sim.methods.parts import LoRA, Tuner
from wfl_sim.methods.phases import Local
from wfl_sim.state import State

Folder = Callable[[str], Pretrained]
SGD = Local(steps=2, batch=8, lr=0.5, optimizer="sgd")


def fedit(**options: Any) -> FedIT:
    return FedIT(lora=LoRA(rank=2), local=replace(SGD, **options))


def trained(model: Pretrained, method: Any, examples: Any, **options: Any) -> State:
    adapted = AdaptedModel(load_model(model, 3, 0), method.parts, 1, **options)
    adapted.reset(adapted.parts, 0)
    adapted.train_phase(0, method.phases[0], examples, 4)
    return adapted.read(adapted.parts)


def test_small_passes_have_the_gradient_of_the_batch(quiet: Folder, shards: Shards) -> None:
    learn = learner(quiet("bert"), shards, fedit())
    texts = learn.examples.placed("train", 0, shards.train[0].fingerprint())
    whole = trained(quiet("bert"), fedit(), texts)
    start = trained(quiet("bert"), fedit(lr=1e-30), texts)
    for options in ({}, {"activations": 1e9}):
        parts = trained(quiet("bert"), fedit(micro_batch=3), texts, **options)
        assert farthest(whole, parts) < 1e-5 < 100 * farthest(whole, start)


@pytest.mark.parametrize("name", ["answers", "pairs"])
def test_small_passes_weigh_words_of_answers_and_pairs(name: str) -> None:
    """Answers differ in their words, so a mean of the means of passes would be another loss."""
    model = Pretrained(pretrained="builtin:tiny-gpt2-instruct")
    data = Instruct(examples=24, test_fraction=0.5).shards(1, 0).train[0]
    texts, ends, losses = encode(load_tokenizer(model), data), [], []  # type: ignore[arg-type]
    for micro in (0, 3):
        local = replace(SGD, steps=1, lr=0.05, micro_batch=micro)
        method = FedIT(local=local) if name == "answers" else PFIT(algorithm=DPO(), local=local)
        adapted = language_model(model, method, texts.examples.layout)
        losses += adapted.train_phase(0, method.phases[0], texts, 5)
        ends.append(adapted.read(adapted.parts))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert farthest(*ends) < 1e-6


def test_the_gradient_is_clipped(quiet: Folder, shards: Shards) -> None:
    learn = learner(quiet("bert"), shards, fedit())
    texts = learn.examples.placed("train", 0, shards.train[0].fingerprint())
    start = trained(quiet("bert"), fedit(steps=1, lr=1e-30), texts)
    end = trained(quiet("bert"), fedit(steps=1, lr=0.5, clip_norm=0.01), texts)
    squares = [np.square(end[name] - start[name], dtype=np.float64).sum() for name in end]
    assert np.sqrt(sum(squares)) == pytest.approx(0.5 * 0.01, rel=1e-3)


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warm_up", [0, 3])
def test_learning_rates_are_those_of_transformers(kind: Any, warm_up: int) -> None:
    local = Local(steps=8, lr=0.3, lr_scheduler_type=kind, warmup_steps=warm_up)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    name = "constant_with_warmup" if kind == "constant" else kind
    theirs, expected = get_scheduler(name, optimizer, warm_up, 8), []
    for _ in range(8):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert list(local.rates(8) or [0.3] * 8) == pytest.approx(expected, abs=1e-15)


def test_learning_rates_of_rounds_by_hand() -> None:
    local = Local(lr=0.8, round_scheduler_type="linear", warmup_rounds=2, decay_rounds=6)
    found = [local.of(10, number).lr for number in range(8)]
    assert found == pytest.approx([0.4, 0.8, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2])
    cosine = Local(lr=0.8, round_scheduler_type="cosine", decay_rounds=4)
    assert cosine.of(10, 2).lr == pytest.approx(0.4)


def test_a_round_has_its_own_rate(quiet: Folder, shards: Shards) -> None:
    """One step of SGD goes as far as the rate of its round says; the first task is of round 0."""
    plain = fedit(steps=1)
    falling = fedit(steps=1, round_scheduler_type="linear", decay_rounds=4)
    moved = []
    for method, number in ((plain, 3), (falling, 0), (falling, 3)):
        learn = learner(quiet("bert"), shards, method)
        (task, *_), (given, *_) = tasks_of(learn)
        upload = learn.run(replace(task, round=number), given).states["upload"]
        moved.append(farthest(upload, {name: given[0]["shared"][name] for name in upload}))
    assert moved[1] == pytest.approx(moved[0], rel=1e-4)
    assert moved[2] == pytest.approx(moved[0] / 4, rel=1e-3)
    state = StateRef("s", "shared")
    one = LocalUpdate(recipe="r", device=0, shard="x", seed=1, shared=state, private=state)
    assert one != replace(one, round=1)


def test_the_first_step_of_adamw_by_hand() -> None:
    """m = (1 - b1) g and v = (1 - b2) g^2, each without its bias; then the decay of weights."""
    place = torch.tensor([2.0], requires_grad=True)
    local = Local(lr=0.1, betas=(0.5, 0.25), eps=1.0, weight_decay=0.3)
    step = optimizer_of([place], local)
    values = [2.0]
    m = v = 0.0
    for number, gradient in enumerate((4.0, -1.0), start=1):
        place.grad = torch.tensor([gradient])
        step.step()
        m, v = 0.5 * m + 0.5 * gradient, 0.25 * v + 0.75 * gradient**2
        root = np.sqrt(v / (1 - 0.25**number)) + 1.0
        decayed = values[-1] * (1 - 0.1 * 0.3)
        values.append(decayed - 0.1 * m / (1 - 0.5**number) / root)
        assert place.item() == pytest.approx(values[-1], rel=1e-6)


GROUPED = {
    "clipped, warmed up": Local(
        steps=3, batch=4, lr=0.2, optimizer="sgd", clip_norm=0.05, warmup_steps=2
    ),
    "epochs": Local(epochs=1, batch=8, lr=0.1, optimizer="sgd", lr_scheduler_type="cosine"),
}


@pytest.mark.parametrize("name", GROUPED)
def test_a_group_has_the_same_options(
    quiet: Folder, shards: Shards, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sizes = trained_as_group(monkeypatch)
    method = FedIT(lora=LoRA(rank=2), local=GROUPED[name])
    learn = learner(replace(quiet("bert"), gradient_checkpointing=True), shards, method)
    for one, other in zip(*both(learn), strict=True):
        assert farthest(one.states["upload"], other.states["upload"]) < 1e-5
    assert max(sizes, default=0) > 1 or name == "epochs"


def test_a_group_says_that_it_has_no_small_passes(
    quiet: Folder, shards: Shards, caplog: pytest.LogCaptureFixture
) -> None:
    alone, group = both(learner(quiet("bert"), shards, fedit(micro_batch=2)))
    assert "one by one: micro_batch asks for passes smaller than a batch" in caplog.text
    assert farthest(alone[0].states["upload"], group[0].states["upload"]) == 0


def test_epochs_are_passes_over_the_own_examples(quiet: Folder, shards: Shards) -> None:
    learn = learner(quiet("bert"), shards, fedit(epochs=2, batch=7))
    counted = [learn.workload(device) for device in range(len(shards.train))]
    once = learner(quiet("bert"), shards, fedit(steps=1, batch=7)).workload(0)
    for examples, workload in zip(shards.train, counted, strict=True):
        steps = 2 * -(-len(examples) // 7)
        assert workload.steps == workload.batches[0].steps == steps
        assert workload.update_flops == steps * once.update_flops
        assert workload.memory == once.memory
    server = learn.drawn_workload(-1, 0)
    assert server.steps == 2 * -(-sum(map(len, shards.train)) // 7)
    tasks, inputs = tasks_of(learn)
    told = learner(quiet("bert"), shards, fedit(steps=counted[1].steps, batch=7))
    again, _ = tasks_of(told)
    one, other = learn.run(tasks[1], inputs[1]), told.run(again[1], inputs[1])
    assert farthest(one.states["upload"], other.states["upload"]) == 0


def test_layers_computed_anew_change_costs_and_no_result(quiet: Folder, shards: Shards) -> None:
    model, method = quiet("bert"), fedit()
    anew = replace(model, gradient_checkpointing=True)
    learn = learner(model, shards, method)
    texts = learn.examples.placed("train", 0, shards.train[0].fingerprint())
    assert farthest(trained(model, method, texts), trained(anew, method, texts)) == 0
    assert learn.recipe != learner(anew, shards, method).recipe

    batch, tokens, hidden, wide, heads = 8, 12, 32, 64, 2
    layer = 2 * batch * tokens * (4 * hidden**2 + 2 * hidden * wide)
    layer += 4 * batch * tokens**2 * hidden
    steps = []
    for each in (model, anew):
        adapted = AdaptedModel(load_on_meta(each, 3), method.parts)
        (phase,) = method.phases
        steps.append(count_step(adapted.model, adapted.trained(phase), phase, tokens))
    plain, saving = (step.footprint for step in steps)
    loras = 2 * 2 * batch * tokens * 2 * (2 * hidden * 2)  # A and B of query and value, rank 2
    assert steps[1].flops.total - steps[0].flops.total == 2 * layer + loras
    state = 4 * batch * tokens * hidden
    scores = 4 * batch * heads * tokens**2
    assert plain.held - saving.held > 0.6 * (8 * state + 2 * scores)
    assert saving.activations < 0.65 * plain.activations
    assert saving.anew == pytest.approx(0.5 * (saving.anew + saving.activations), rel=0.3)
    assert (plain.reads, saving.reads) == (2, 3)


def test_small_passes_need_less_memory(quiet: Folder) -> None:
    steps = []
    for method in (fedit(batch=8), fedit(batch=8, micro_batch=2), fedit(batch=2)):
        adapted = AdaptedModel(load_on_meta(quiet("bert"), 3), method.parts)
        (phase,) = method.phases
        steps.append(count_step(adapted.model, adapted.trained(phase), phase, 12))
    whole, parts, small = steps
    assert parts.flops == whole.flops
    # Gradients of earlier passes are there in later ones.
    earlier = small.footprint.trained
    assert parts.footprint.held == small.footprint.held + earlier < 0.8 * whole.footprint.held
    fixed, weights = small.footprint, small.footprint.frozen + small.footprint.trained
    assert parts.footprint.moved == 4 * 2 * (weights + fixed.activations) + 10 * fixed.trained


def test_a_smaller_last_pass_is_a_pass(quiet: Folder) -> None:
    """DoRA has the norms of whole matrices in each: 3, 3 and 2 examples are three passes."""
    flops = []
    for options in ({"batch": 8, "micro_batch": 3}, {"batch": 3}, {"batch": 2}):
        method = FedPEFT(tuner=Tuner(type="dora"), local=replace(SGD, **options))
        adapted = AdaptedModel(load_on_meta(quiet("bert"), 3), method.parts)
        (phase,) = method.phases
        flops.append(count_step(adapted.model, adapted.trained(phase), phase, 12).flops.total)
    assert flops[0] == 2 * flops[1] + flops[2] > 8 / 3 * flops[1]


def test_what_a_proximal_term_pulls_to_is_held(quiet: Folder, shards: Shards) -> None:
    pulled = FedProx(lora=LoRA(rank=2), local=SGD)
    methods = fedit(), replace(pulled, mu=0.0), pulled
    works = [learner(quiet("bert"), shards, method).workload(0) for method in methods]
    assert works[1].memory == works[0].memory
    assert works[2].memory - works[0].memory == 4 * works[0].upload_values


def test_every_option_is_in_the_recipe(quiet: Folder, shards: Shards) -> None:
    options: list[dict[str, Any]] = [
        {},
        {"epochs": 1},
        {"micro_batch": 4},
        {"clip_norm": 1.0},
        {"lr_scheduler_type": "linear"},
        {"warmup_steps": 1},
        {"warmup_rounds": 2},
        {"round_scheduler_type": "cosine", "decay_rounds": 9},
        {"optimizer": "adamw"},
        {"optimizer": "adamw", "betas": (0.9, 0.99)},
        {"optimizer": "adamw", "eps": 1e-6},
    ]
    recipes = {learner(quiet("bert"), shards, fedit(**each)).recipe for each in options}
    assert len(recipes) == len(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"micro_batch": 9}, "micro_batch must be at most batch, 8, got 9"),
        ({"epochs": -1}, "epochs must not be negative, got -1"),
        ({"clip_norm": -1.0}, "clip_norm must not be negative"),
        ({"eps": 0.0}, "eps must be greater than 0"),
        ({"betas": (0.9, 1.0)}, "betas must be less than 1"),
        ({"betas": (0.8, 0.9)}, "^betas belongs to optimizer: adamw"),
        ({"eps": 1e-6}, "^eps belongs to optimizer: adamw"),
        ({"round_scheduler_type": "linear"}, "decay_rounds must be more than warmup_rounds"),
        ({"decay_rounds": 4}, "decay_rounds must be more than warmup_rounds with"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SGD, **options)


def test_what_does_not_go_together_is_refused(pretrained: Folder, shards: Shards) -> None:
    with pytest.raises(ValueError, match="plain sgd at one lr, unclipped"):
        Scaffold(local=replace(SGD, clip_norm=1.0))
    with pytest.raises(LocatedError, match=f"less than the {SGD.steps} steps of the shortest"):
        learner(pretrained("bert"), shards, fedit(warmup_steps=SGD.steps))
    learner(pretrained("bert"), shards, fedit(warmup_steps=2, epochs=3))
    with pytest.raises(LocatedError, match="less than the 3 steps of the shortest"):
        learner(pretrained("bert"), shards, fedit(warmup_steps=3, epochs=3))  # five examples
    split = SplitLoRA(local=replace(SGD, micro_batch=2))
    with pytest.raises(LocatedError, match="micro_batch does not go with splitlora"):
        learner(pretrained("bert"), shards, split)
    anew = replace(pretrained("bert"), gradient_checkpointing=True)
    with pytest.raises(LocatedError, match="by the whole network, and splitlora does other"):
        learner(anew, shards, SplitLoRA())
    given = Synthetic(payload=1e6, flops_per_step=1e9)
    with pytest.raises(LocatedError, match="needs examples, and a synthetic model reads none"):
        SyntheticLearner(given, fedit(epochs=1)).workload(0)
    with pytest.raises(ValueError, match="compile does not go with gradient_checkpointing"):
        replace(anew, compile=True)
