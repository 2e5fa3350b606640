"""A head on the network before tuning learns from a device's pairs what its person prefers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.fixtures.networks import language_model
from wfl_sim.config.errors import LocatedError
from wfl_sim.data import Instruct
from wfl_sim.data.examples import PromptLengths, Shards
from wfl_sim.data.instruct import Preferences
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.language_model import LanguageModel
from wfl_sim.learning.alignment.preference_head import _PENALTY, fitted, preference_head
from wfl_sim.learning.base_models.model_loading import causal_shape, load_causal, load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import encode
from wfl_sim.learning.compatibility import check_compatible
from wfl_sim.learning.costs.alignment import phase_cost
from wfl_sim.methods import PFIT
from wfl_sim.methods.objectives import PPO, PREFERENCES, RULES, Rewards
from wfl_sim.methods.phases import Local

MODEL = Pretrained(pretrained="builtin:tiny-gpt2-instruct")
METHOD = PFIT(
    layers=1,
    rewards=Rewards(helpfulness=PREFERENCES, safety=RULES),
    algorithm=PPO(epochs=1, minibatches=1),
    local=Local(steps=1, batch=8, lr=2e-4),
)


def shards(preference: float = 0.5, count: int = 200) -> Shards:
    preferences = Preferences(values=(preference,))
    return Instruct(examples=count, test_fraction=0.5, preferences=preferences).shards(1, 2)


@pytest.fixture(scope="module")
def adapted() -> LanguageModel:
    return language_model(MODEL, METHOD, shards().pooled.layout)  # type: ignore[attr-defined]


def test_the_weights_are_where_the_penalised_likelihood_is_flat() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=6)
    x = rng.normal(size=(400, 6))
    x *= np.where(rng.random(400) < 1 / (1 + np.exp(-x @ truth)), 1, -1)[:, None]
    weights = fitted(torch.tensor(x, dtype=torch.float32)).double().numpy()
    scale = np.sqrt((x**2).sum(1).mean())
    scaled, own = x / scale, weights * scale
    gradient = -(scaled / (1 + np.exp(scaled @ own))[:, None]).mean(0) + _PENALTY * own
    assert np.abs(gradient).max() < 1e-4
    assert np.corrcoef(weights, truth)[0, 1] > 0.9


def test_it_finds_the_preferred_of_two_new_answers(adapted: AdaptedModel) -> None:
    held = shards(0.05)
    head = preference_head(adapted, load_tokenizer(MODEL), held.train[0])  # type: ignore[arg-type]
    test = held.test[0]
    liked, other = (
        head.rewards(test.requests, each, each)  # type: ignore[attr-defined]
        for each in (test.answers, test.rejected)  # type: ignore[attr-defined]
    )
    assert float((liked > other).float().mean()) > 0.7
    assert 0 < float(torch.cat([liked, other]).min()) < float(torch.cat([liked, other]).max()) < 1


def test_it_does_not_move_with_the_policy(adapted: AdaptedModel) -> None:
    held = shards()
    head = preference_head(adapted, load_tokenizer(MODEL), held.train[0])  # type: ignore[arg-type]
    asked, answers = held.pooled.texts[:4], held.pooled.answers[:4]  # type: ignore[attr-defined]
    before = head.rewards(asked, answers, answers)
    moved = {name: value + 0.1 for name, value in adapted.read(adapted.parts).items()}
    adapted.load(moved)
    torch.testing.assert_close(head.rewards(asked, answers, answers), before, rtol=0, atol=0)
    for name, value in adapted.read(adapted.parts).items():
        np.testing.assert_array_equal(value, moved[name])
    adapted.reset(adapted.parts, 0)


def test_a_device_learns_by_it_and_is_judged_without_it(adapted: AdaptedModel) -> None:
    texts = encode(load_tokenizer(MODEL), shards(count=48).train[0])  # type: ignore[arg-type]
    before = adapted.read(["layers"])
    losses = adapted.train_phase(0, METHOD.phases[0], texts, 1)
    assert np.isfinite(losses).all()
    assert any((before[name] != value).any() for name, value in adapted.read(["layers"]).items())
    found = adapted.evaluate(texts)
    assert {"helpfulness", "safety"} <= found.keys()
    assert "scored_helpfulness" not in found
    adapted.reset(adapted.parts, 0)


def test_each_step_costs_one_more_reading() -> None:
    layout = PromptLengths(request=8, answer=3)

    def flops(method: PFIT) -> float:
        model = AdaptedModel(causal_shape(MODEL), method.parts)
        return phase_cost(model, method.phases[0], layout, []).flops

    by_rule = replace(METHOD, rewards=Rewards(helpfulness=RULES, safety=RULES))
    network = load_causal(MODEL)
    weights = sum(p.numel() for n, p in network.named_parameters() if "wpe" not in n)
    products = 2 * 8 * layout.tokens * weights
    assert flops(METHOD) - flops(by_rule) == pytest.approx(products, rel=0.15)


def test_without_pairs_there_is_nothing_to_learn_from() -> None:
    held = shards(count=16)
    unpaired = replace(held, train=tuple(replace(each, rejected=()) for each in held.train))  # type: ignore[type-var]
    with pytest.raises(LocatedError, match="preferences are learned from pairs of answers"):
        check_compatible(MODEL, METHOD, unpaired)


def test_a_step_has_an_answer_for_each_minibatch() -> None:
    small = replace(METHOD, algorithm=PPO(minibatches=3), local=replace(METHOD.local, batch=2))
    with pytest.raises(LocatedError, match="must be at most 2, the answers of a step") as caught:
        check_compatible(MODEL, small, shards())
    assert caught.value.path == ("method", "algorithm", "minibatches")
    check_compatible(MODEL, replace(small, local=replace(METHOD.local, batch=3)), shards())
