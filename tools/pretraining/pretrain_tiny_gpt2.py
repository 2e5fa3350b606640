"""Pretrain tiny-gpt2: `python -m tools.pretraining.pretrain_tiny_gpt2 --out DIR`.

Four networks, one after the other, each a folder that transformers loads:

- ``tiny_gpt2``: a GPT-2 of 4 layers, width 96 and 4 heads, pretrained on a corpus of exercises
  (exercises.py); A. Radford et al., Language models are unsupervised multitask learners, 2019.
- ``tiny_gpt2_instruct``: the same, tuned on demonstrations (loss on the answers alone), which are
  often wrong or careless (wfl_sim/data/instruct.py): a start that leaves room.
- ``helpfulness`` and ``safety``: reward models that begin as the first (reward_models.py).

One thread and named streams: the same seed, processor type and versions of torch, transformers and
tokenizers give the same bytes; on another processor or version the weights differ in rounding.
Weights are stored as float16.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from tools.pretraining.chat_tokenizer import CONTEXT, END, chat_tokenizer
from tools.pretraining.exercises import Document, document, requests
from tools.pretraining.reward_models import agreement, reward_model
from tools.pretraining.stages import (
    Recipe,
    Rows,
    conversations,
    language_loss,
    padded,
    rounded,
    train,
)
from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.data.examples import Instructions
from wfl_sim.data.instruct import Demonstrator, Instruct, Preferences
from wfl_sim.data.instruct_rules import SHARES, TASKS, kind_of
from wfl_sim.learning.causal.evaluation import generate_answers, true_rewards
from wfl_sim.learning.causal.prompts import encode
from wfl_sim.methods.objectives import Sparsity
from wfl_sim.randomness import derived_seed, stream

REWARDS = ("helpfulness", "safety")
PROMPT_WEIGHT = 0.3
"""Weight of prompts, which cannot be predicted, in the loss of pretraining."""
SHIFTED_SHARE = 0.3
"""Share of batches whose positions begin later than 0, so that all positions are learned."""


def random_gpt2(vocabulary: int, end: int, pad: int, recipe: Recipe) -> GPT2LMHeadModel:
    """Return the network before pretraining."""
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


def pretrain(tokenizer: PreTrainedTokenizerFast, recipe: Recipe, every: int = 0) -> GPT2LMHeadModel:
    """Pretrain on the corpus of exercises."""
    model = random_gpt2(len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id, recipe)
    rng = stream(recipe.seed, "pretraining", "pages")

    def loss() -> Tensor:
        documents = [document(rng) for _ in range(recipe.pretraining.batch)]
        ids, weights = padded(_rows(tokenizer, documents), tokenizer.pad_token_id, PROMPT_WEIGHT)
        shifted = rng.random() < SHIFTED_SHARE
        first = int(rng.integers(CONTEXT - ids.shape[1])) if shifted else 0
        return language_loss(model, ids, weights, first)

    train(model, recipe.pretraining, loss, "pretraining", every)
    return rounded(model)


def tune(
    base: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, every: int = 0
) -> GPT2LMHeadModel:
    """Tune on demonstrations: requests and answers of a demonstrator."""
    model = GPT2LMHeadModel(base.config)
    model.load_state_dict(base.state_dict())
    rng = stream(recipe.seed, "tuning", "conversations")
    demonstrator = Demonstrator()

    def loss() -> Tensor:
        prompts = requests(recipe.tuning.batch, rng, SHARES)
        answers = [demonstrator.answer(text, rng) for text in prompts]
        rows = conversations(tokenizer, prompts, answers)
        ids, weights = padded(rows, tokenizer.pad_token_id, 0.0)
        return language_loss(model, ids, weights)

    train(model, recipe.tuning, loss, "tuning", every)
    return rounded(model)


def _rows(tokenizer: PreTrainedTokenizerFast, documents: Sequence[Document]) -> Rows:
    prompts = tokenizer([each.prompt for each in documents])["input_ids"]
    completions = tokenizer([f"{each.completion} {END}" for each in documents])["input_ids"]
    return list(zip(prompts, completions, strict=True))


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    measured: dict[str, float],
    folder: Path,
) -> None:
    """Write the folder that transformers loads, and `origin.json`: how the weights were made."""
    model.half().save_pretrained(folder)
    model.float()
    tokenizer.save_pretrained(folder)
    origin = {
        "recipe": asdict(recipe),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
        "held_out": {name: round(value, 4) for name, value in measured.items()},
    }
    (folder / "origin.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")


def answer_quality(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, count: int = 800
) -> dict[str, float]:
    """Return the mean true scores of a network's answers to held-out requests."""
    found: dict[str, float] = {}
    for decoding in ("greedy", "sampled"):
        data = Instruct(examples=count, preferences=Preferences(values=(0.5,)), decoding=decoding)
        held = data.shards(1, 1).train[0]
        assert isinstance(held, Instructions)
        examples = encode(tokenizer, held)
        texts = generate_answers(model, tokenizer, examples, Sparsity(), 1.0)
        scores = true_rewards(tokenizer, examples, texts)
        found |= {f"{decoding}_{n}": scores[n] for n in ("helpfulness", "safety", "accuracy")}
    return found


def main() -> None:
    """Train all four networks and save them."""
    parser = script_options(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the four folders")
    parser.add_argument("--steps", type=int, default=Recipe.pretraining.steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    options = parser.parse_args()
    recipe = Recipe(seed=options.seed)
    recipe = replace(recipe, pretraining=replace(recipe.pretraining, steps=options.steps))
    torch.set_num_threads(1)
    tokenizer = chat_tokenizer()
    out = options.out
    base = pretrain(tokenizer, recipe, every=100)
    save(base, tokenizer, recipe, held_out_scores(base, tokenizer), out / "tiny_gpt2")
    instruct = tune(base, tokenizer, recipe, every=100)
    quality = answer_quality(instruct, tokenizer)
    save(instruct, tokenizer, recipe, quality, out / "tiny_gpt2_instruct")
    for name in REWARDS:
        model = reward_model(base, tokenizer, name, recipe, every=100)
        save(model, tokenizer, recipe, agreement(model, tokenizer, name), out / name)


def held_out_scores(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Return loss and exact answers on held-out documents."""
    rng = stream(1, "held-out", "pages")
    documents = [document(rng) for _ in range(500)]
    ids, weights = padded(_rows(tokenizer, documents), tokenizer.pad_token_id, 0.0)
    with torch.inference_mode():
        loss = language_loss(model, ids, weights).item()
        predicted = model(input_ids=ids).logits[:, :-1].argmax(-1)
    right = ((predicted == ids[:, 1:]) | (weights[:, 1:] == 0)).all(1)
    tasks = torch.tensor([d.prompt != "to" and kind_of(d.prompt) in TASKS for d in documents])
    return {"told_nats": loss, "exact": right[tasks].float().mean().item()}


if __name__ == "__main__":
    run_script(main)
