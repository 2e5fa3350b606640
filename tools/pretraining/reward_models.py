"""Reward models of tiny-gpt2, trained on votes between two answers to a request.

They begin as the pretrained network, with a linear score at the last word. The loss is the cross
entropy between sigmoid(r(first) - r(second)) and the share of votes for the first: L. Ouyang et
al., Training language models to follow instructions with human feedback, 2022, arXiv:2203.02155,
equation 1, averaged over many voters. The votes follow Bradley and Terry's law at a known
sharpness, by which the score is divided, so that differences of rewards are in units of the true
scores.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import GPT2ForSequenceClassification, GPT2LMHeadModel, PreTrainedTokenizerFast

from tools.pretraining.exercises import requests
from tools.pretraining.stages import Recipe, conversations, padded, rounded, train
from wfl_sim.data.instruct import Demonstrator
from wfl_sim.data.instruct_rules import SHARES, score_answer, solution
from wfl_sim.randomness import derived_seed, stream


def reward_model(
    base: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerFast,
    name: str,
    recipe: Recipe,
    every: int = 0,
) -> GPT2ForSequenceClassification:
    """Train on votes for the answer with the higher true score `name`."""
    config = copy.deepcopy(base.config)
    config.num_labels = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(recipe.seed, "rewarding", "initial-weights"))
        model = GPT2ForSequenceClassification(config)
    model.transformer.load_state_dict(base.transformer.state_dict())
    rng = stream(recipe.seed, "rewarding", name)

    def loss() -> Tensor:
        prompts, first, second = answer_pairs(recipe.rewarding.batch, rng)
        difference = _score_differences(prompts, first, second, name)
        votes = torch.from_numpy(difference * recipe.sharpness).sigmoid().float()
        rewards = _reward_differences(model, tokenizer, prompts, first, second)
        return functional.binary_cross_entropy_with_logits(rewards, votes)

    train(model, recipe.rewarding, loss, name, every)
    with torch.no_grad():
        model.score.weight /= recipe.sharpness
    return rounded(model)


def agreement(
    model: GPT2ForSequenceClassification, tokenizer: PreTrainedTokenizerFast, name: str
) -> dict[str, float]:
    """Return how well a reward model ranks two unseen answers, and how its differences scale.

    `pair_accuracy` is the share of pairs of unequal scores that are ranked right; `slope` is that
    of the line through differences of reward over differences of true score.
    """
    prompts, first, second = answer_pairs(1500, stream(1, "held-out", "pairs"))
    with torch.inference_mode():
        rewards = _reward_differences(model, tokenizer, prompts, first, second).numpy()
    scores = _score_differences(prompts, first, second, name)
    differ = np.abs(scores) > 0.05
    return {
        "pair_accuracy": float(np.mean(np.sign(rewards[differ]) == np.sign(scores[differ]))),
        "slope": float(np.polyfit(scores, rewards, 1)[0]),
        "correlation": float(np.corrcoef(scores, rewards)[0, 1]),
    }


def answer_pairs(count: int, rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """Draw requests and two answers to each.

    One in three second answers is a right one, and another one in six is borrowed from another
    request, so that a reward model has seen what a policy may learn to answer.
    """
    prompts = requests(count, rng, SHARES)
    demonstrator = Demonstrator(mistakes=0.5, careless=0.5)
    answers = [demonstrator.answer(text, rng) for text in prompts]
    others = [demonstrator.answer(text, rng) for text in prompts]
    for i, text in enumerate(prompts):
        draw = rng.random()
        if draw < 1 / 3:
            others[i] = solution(text)
        elif draw < 0.5:
            others[i] = answers[int(rng.integers(count))]
    return prompts, answers, others


def _reward_differences(
    model: GPT2ForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    first: Sequence[str],
    second: Sequence[str],
) -> Tensor:
    rows = conversations(tokenizer, [*prompts, *prompts], [*first, *second])
    ids, _ = padded(rows, tokenizer.pad_token_id, 1.0)
    return torch.sub(*model(input_ids=ids).logits[:, 0].chunk(2))


def _score_differences(
    prompts: Sequence[str], first: Sequence[str], second: Sequence[str], name: str
) -> np.ndarray:
    scores = [
        [float(getattr(score_answer(x, y), name)) for x, y in zip(prompts, answers, strict=True)]
        for answers in (first, second)
    ]
    return np.subtract(*scores)
