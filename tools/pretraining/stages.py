"""Training of tiny-gpt2: the recipe of all stages, batches, loss, optimiser and its schedule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from tools.pretraining.chat_tokenizer import BOT, END, USER

Network = TypeVar("Network", bound=PreTrainedModel)

Rows = Sequence[tuple[list[int], list[int]]]
"""Token ids of each row: its prompt and its completion."""


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
    """How the four networks are trained; the defaults are those of the shipped ones."""

    width: int = 96
    layers: int = 4
    heads: int = 4
    pretraining: Stage = Stage(steps=4500, batch=96, lr=2e-3)
    tuning: Stage = Stage(steps=500, batch=64, lr=1e-3)
    rewarding: Stage = Stage(steps=600, batch=32, lr=1e-3)
    sharpness: float = 4.0
    """Sharpness of the choice between two answers (Bradley and Terry)."""
    seed: int = 0


def conversations(
    tokenizer: PreTrainedTokenizerFast, requests: Sequence[str], answers: Sequence[str]
) -> Rows:
    """Return requests and answers as rows."""
    before = tokenizer([f"{USER} {text} {BOT}" for text in requests])["input_ids"]
    after = tokenizer([f"{text} {END}" for text in answers])["input_ids"]
    return list(zip(before, after, strict=True))


def padded(rows: Rows, pad: int, prompt_weight: float) -> tuple[Tensor, Tensor]:
    """Return ids and the weight of each id in the loss, both (rows, longest)."""
    longest = max(len(before) + len(after) for before, after in rows)
    ids = torch.full((len(rows), longest), pad)
    weights = torch.zeros(len(rows), longest)
    for row, (before, after) in enumerate(rows):
        both = torch.tensor(before + after)
        ids[row, : len(both)] = both
        weights[row, : len(both)] = 1.0
        weights[row, : len(before)] = prompt_weight
    return ids, weights


def language_loss(
    model: PreTrainedModel, ids: Tensor, weights: Tensor, first_position: int = 0
) -> Tensor:
    """Return the weighted mean cross entropy of each id given those before it, in nat."""
    positions = torch.arange(ids.shape[1]) + first_position
    # rows are padded on the right, which no earlier word attends to
    logits = model(input_ids=ids, position_ids=positions[None]).logits[:, :-1]
    losses = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (losses * weights[:, 1:]).sum() / weights[:, 1:].sum()


def warmup_and_decay(optimizer: Optimizer, steps: int) -> LambdaLR:
    """Return a schedule that rises over the first tenth and then falls to zero, both linearly."""
    rise = max(1, steps // 10)
    return LambdaLR(
        optimizer, lambda step: min((step + 1) / rise, (steps - step) / max(1, steps - rise))
    )


def train(
    model: PreTrainedModel, stage: Stage, loss: Callable[[], Tensor], name: str, every: int
) -> None:
    """Take the steps of a stage in place; print the mean loss of every `every` steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.lr, weight_decay=stage.weight_decay)
    schedule = warmup_and_decay(optimizer, stage.steps)
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


def rounded(model: Network) -> Network:
    """Return the network with its weights as they are stored: float16, read as float32."""
    return model.half().float()
