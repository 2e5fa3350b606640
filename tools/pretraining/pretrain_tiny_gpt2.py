"""Pretrain tiny-gpt2: `python -m tools.pretraining.pretrain_tiny_gpt2 --out DIR`.

Four networks, one after the other, each a folder that transformers loads:

- ``tiny_gpt2``: a GPT-2 of 4 layers, width 96 and 4 heads reads an exercise book
  (exercise_book.py); A. Radford et al., Language models are unsupervised multitask learners, 2019.
- ``tiny_gpt2_instruct``: the same, tuned on a demonstrator's answers (loss on the answers alone),
  who is often wrong and careless (demonstrator.py): a start that leaves room.
- ``helpfulness`` and ``safety``: reward models that begin as the first, with a linear score at the
  last word, trained on pairs of answers by the cross entropy between sigmoid(r(first) - r(second))
  and the share of votes for the first: L. Ouyang et al., Training language models to follow
  instructions with human feedback, 2022, arXiv:2203.02155, equation 1, averaged over many voters.
  The votes follow Bradley and Terry's law at a known sharpness, by which the score is divided, so
  that differences of rewards are in units of merit.

One thread and named streams: the same seed, processor type and versions of torch, transformers and
tokenizers give the same bytes; on another processor or version the weights differ in rounding.
Weights are stored as float16.
"""

import argparse
import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from tools.pretraining.chat_tokenizer import BOT, CONTEXT, END, USER, chat_tokenizer
from tools.pretraining.exercise_book import page, requests
from wfl_sim.data.demonstrations import Demonstrator
from wfl_sim.data.instruct import Instruct, Preferences
from wfl_sim.data.instruct_rules import SHARES, TASKS, kind_of, score_answer, solution
from wfl_sim.data.instructions import Instructions
from wfl_sim.learning.causal.evaluation import generate_answers, true_rewards
from wfl_sim.learning.causal.prompts import encode
from wfl_sim.methods.objectives import Sparsity
from wfl_sim.randomness import derived_seed, stream

Network = TypeVar("Network", bound=PreTrainedModel)

REWARDS = ("helpfulness", "safety")
FEW = 0.3
"""weight of what cannot be foreseen in the loss of pretraining"""
MOVED = 0.3
"""share of batches whose positions begin later than 0, so that all positions are learned"""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`steps` of `batch` rows at a learning rate that rises over the first tenth and then falls to
    zero."""

    steps: int
    batch: int
    lr: float
    weight_decay: float = 0.01


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the four networks are made; the defaults are the shipped ones'."""

    width: int = 96
    layers: int = 4
    heads: int = 4
    pretraining: Stage = Stage(steps=4500, batch=96, lr=2e-3)
    tuning: Stage = Stage(steps=500, batch=64, lr=1e-3)
    rewarding: Stage = Stage(steps=600, batch=32, lr=1e-3)
    sharpness: float = 4.0
    """of those who choose between answers"""
    seed: int = 0


def random_gpt2(vocabulary: int, end: int, pad: int, recipe: Recipe) -> GPT2LMHeadModel:
    """The network before pretraining."""
    config = GPT2Config(
        vocab_size=vocabulary,
        n_embd=recipe.width,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        n_positions=CONTEXT,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        # the usual 0.02 is for width 768
        initializer_range=0.05,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=pad,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(recipe.seed, "pretraining", "initial-weights"))
        return GPT2LMHeadModel(config)


Rows = Sequence[tuple[list[int], list[int]]]
"""of each row what is given and what is told"""


def padded(rows: Rows, pad: int, given: float) -> tuple[Tensor, Tensor]:
    """Return ids and the weight of each id in the loss, both (rows, longest)."""
    longest = max(len(before) + len(after) for before, after in rows)
    ids = torch.full((len(rows), longest), pad)
    weights = torch.zeros(len(rows), longest)
    for row, (before, after) in enumerate(rows):
        both = torch.tensor(before + after)
        ids[row, : len(both)] = both
        weights[row, : len(both)] = 1.0
        weights[row, : len(before)] = given
    return ids, weights


def language_loss(
    model: PreTrainedModel, ids: Tensor, weights: Tensor, first_position: int = 0
) -> Tensor:
    """Weighted mean cross-entropy of each id given those before it, in nat."""
    positions = torch.arange(ids.shape[1]) + first_position
    # rows are padded on the right, which no earlier word sees
    logits = model(input_ids=ids, position_ids=positions[None]).logits[:, :-1]
    losses = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (losses * weights[:, 1:]).sum() / weights[:, 1:].sum()


def descend(
    model: PreTrainedModel, stage: Stage, loss: Callable[[], Tensor], name: str, every: int
) -> None:
    """Take the steps of a stage in place; print the mean loss of every `every` steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.lr, weight_decay=stage.weight_decay)
    rise = max(1, stage.steps // 10)
    schedule = LambdaLR(
        optimizer,
        lambda step: min((step + 1) / rise, (stage.steps - step) / max(1, stage.steps - rise)),
    )
    model.train()
    since: list[float] = []
    for step in range(1, stage.steps + 1):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        since.append(value.item())
        if every and step % every == 0:
            print(f"{name} {step:5d}  {np.mean(since):.4f}", flush=True)
            since.clear()
    model.eval()


def pretrain(tokenizer: PreTrainedTokenizerFast, recipe: Recipe, every: int = 0) -> GPT2LMHeadModel:
    """Read the exercise book."""
    model = random_gpt2(len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id, recipe)
    rng = stream(recipe.seed, "pretraining", "pages")

    def loss() -> Tensor:
        pages = [page(rng) for _ in range(recipe.pretraining.batch)]
        given = tokenizer([p.given for p in pages])["input_ids"]
        told = tokenizer([f"{p.told} {END}" for p in pages])["input_ids"]
        ids, weights = padded(list(zip(given, told, strict=True)), tokenizer.pad_token_id, FEW)
        moved = rng.random() < MOVED
        return language_loss(
            model, ids, weights, int(rng.integers(CONTEXT - ids.shape[1])) if moved else 0
        )

    descend(model, recipe.pretraining, loss, "pretraining", every)
    return rounded(model)


def tune(
    base: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, every: int = 0
) -> GPT2LMHeadModel:
    """Learn conversations from the demonstrator."""
    model = GPT2LMHeadModel(base.config)
    model.load_state_dict(base.state_dict())
    rng = stream(recipe.seed, "tuning", "conversations")
    demonstrator = Demonstrator()

    def loss() -> Tensor:
        asked = requests(recipe.tuning.batch, rng, SHARES)
        told = [demonstrator.answer(text, rng) for text in asked]
        ids, weights = padded(conversations(tokenizer, asked, told), tokenizer.pad_token_id, 0.0)
        return language_loss(model, ids, weights)

    descend(model, recipe.tuning, loss, "tuning", every)
    return rounded(model)


def conversations(
    tokenizer: PreTrainedTokenizerFast, asked: Sequence[str], told: Sequence[str]
) -> Rows:
    """Return requests and answers as rows."""
    before = tokenizer([f"{USER} {text} {BOT}" for text in asked])["input_ids"]
    after = tokenizer([f"{text} {END}" for text in told])["input_ids"]
    return list(zip(before, after, strict=True))


def reward_model(
    base: GPT2LMHeadModel,
    tokenizer: PreTrainedTokenizerFast,
    name: str,
    recipe: Recipe,
    every: int = 0,
) -> GPT2ForSequenceClassification:
    """Learn how many of those who look for `name` alone prefer which of two answers."""
    config = copy.deepcopy(base.config)
    config.num_labels = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(recipe.seed, "rewarding", "initial-weights"))
        model = GPT2ForSequenceClassification(config)
    model.transformer.load_state_dict(base.transformer.state_dict())
    rng = stream(recipe.seed, "rewarding", name)

    def loss() -> Tensor:
        asked, first, second = pairs(recipe.rewarding.batch, rng)
        apart = np.subtract(_merits(asked, first, name), _merits(asked, second, name))
        votes = torch.from_numpy(apart * recipe.sharpness).sigmoid().float()
        ids, _ = padded(
            conversations(tokenizer, [*asked, *asked], [*first, *second]),
            tokenizer.pad_token_id,
            1.0,
        )
        lead = torch.sub(*model(input_ids=ids).logits[:, 0].chunk(2))
        return functional.binary_cross_entropy_with_logits(lead, votes)

    descend(model, recipe.rewarding, loss, name, every)
    with torch.no_grad():
        model.score.weight /= recipe.sharpness
    return rounded(model)


def pairs(count: int, rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """Return requests and two answers to each.

    One in three second answers is a right one, and another one in six is borrowed from another
    request, so that a reward model has seen what a policy may come to say.
    """
    asked = requests(count, rng, SHARES)
    demonstrator = Demonstrator(mistakes=0.5, careless=0.5)
    answers = [demonstrator.answer(text, rng) for text in asked]
    others = [demonstrator.answer(text, rng) for text in asked]
    for i, text in enumerate(asked):
        lot = rng.random()
        if lot < 1 / 3:
            others[i] = solution(text)
        elif lot < 0.5:
            others[i] = answers[int(rng.integers(count))]
    return asked, answers, others


def _merits(asked: Sequence[str], answers: Sequence[str], name: str) -> list[float]:
    return [float(getattr(score_answer(x, y), name)) for x, y in zip(asked, answers, strict=True)]


def rounded(model: Network) -> Network:
    """Return the network with its weights as they are stored: float16, read as float32."""
    return model.half().float()


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    measured: dict[str, float],
    folder: Path,
) -> None:
    """Write a folder, and beside the weights how they came about."""
    model.half().save_pretrained(folder)
    model.float()
    tokenizer.save_pretrained(folder)
    origin = {
        "recipe": asdict(recipe),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
        "held_out": {name: round(value, 4) for name, value in measured.items()},
    }
    (folder / "origin.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def judged(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, count: int = 800
) -> dict[str, float]:
    """Return the mean merits of a network's answers to requests that it has not seen."""
    found: dict[str, float] = {}
    for decoding in ("greedy", "sampled"):
        data = Instruct(examples=count, preferences=Preferences(values=(0.5,)), decoding=decoding)
        held = data.shards(1, 1).train[0]
        assert isinstance(held, Instructions)
        examples = encode(tokenizer, held)
        texts = generate_answers(model, tokenizer, examples, Sparsity(), 1.0)
        merits = true_rewards(tokenizer, examples, texts)
        found |= {f"{decoding}_{n}": merits[n] for n in ("helpfulness", "safety", "accuracy")}
    return found


def agreement(
    model: GPT2ForSequenceClassification, tokenizer: PreTrainedTokenizerFast, name: str
) -> dict[str, float]:
    """Return how well a reward model tells which of two unseen answers is better, and by how much.

    `pair_accuracy` is the share of pairs of unequal merit that are ranked right; `slope` is that of
    the line through differences of score over differences of merit.
    """
    asked, first, second = pairs(1500, stream(1, "held-out", "pairs"))
    rows = conversations(tokenizer, [*asked, *asked], [*first, *second])
    ids, _ = padded(rows, tokenizer.pad_token_id, 1.0)
    with torch.inference_mode():
        lead = torch.sub(*model(input_ids=ids).logits[:, 0].chunk(2)).numpy()
    apart = np.subtract(_merits(asked, first, name), _merits(asked, second, name))
    differ = np.abs(apart) > 0.05
    return {
        "pair_accuracy": float(np.mean(np.sign(lead[differ]) == np.sign(apart[differ]))),
        "slope": float(np.polyfit(apart, lead, 1)[0]),
        "correlation": float(np.corrcoef(apart, lead)[0, 1]),
    }


def main() -> None:
    """Make all four and save them."""
    parser = argparse.ArgumentParser(description="Pretrain tiny-gpt2 and its reward models.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the four folders")
    parser.add_argument("--steps", type=int, default=Recipe.pretraining.steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    options = parser.parse_args()
    recipe = Recipe(seed=options.seed)
    recipe = replace(recipe, pretraining=replace(recipe.pretraining, steps=options.steps))
    torch.set_num_threads(1)
    tokenizer = chat_tokenizer()
    base = pretrain(tokenizer, recipe, every=100)
    save(base, tokenizer, recipe, book_scores(base, tokenizer), options.out / "tiny_gpt2")
    instruct = tune(base, tokenizer, recipe, every=100)
    save(
        instruct, tokenizer, recipe, judged(instruct, tokenizer), options.out / "tiny_gpt2_instruct"
    )
    for name in REWARDS:
        model = reward_model(base, tokenizer, name, recipe, every=100)
        save(model, tokenizer, recipe, agreement(model, tokenizer, name), options.out / name)


def book_scores(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Return loss and exact answers on pages that the network has not read."""
    rng = stream(1, "held-out", "pages")
    pages = [page(rng) for _ in range(500)]
    given = tokenizer([p.given for p in pages])["input_ids"]
    told = tokenizer([f"{p.told} {END}" for p in pages])["input_ids"]
    ids, weights = padded(list(zip(given, told, strict=True)), tokenizer.pad_token_id, 0.0)
    with torch.inference_mode():
        loss = language_loss(model, ids, weights).item()
        guesses = model(input_ids=ids).logits[:, :-1].argmax(-1)
    met = ((guesses == ids[:, 1:]) | (weights[:, 1:] == 0)).all(1)
    tasks = torch.tensor([p.given != "to" and kind_of(p.given) in TASKS for p in pages])
    return {"told_nats": loss, "exact": met[tasks].float().mean().item()}


if __name__ == "__main__":
    main()
