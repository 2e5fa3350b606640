"""Supervised losses of a batch, and accuracy and loss on held-out examples."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from wfl_sim.config.errors import LocatedError
from wfl_sim.data.metrics import Judge
from wfl_sim.learning.causal.evaluation import Around
from wfl_sim.learning.causal.log_probabilities import log_probabilities, mean_over_words
from wfl_sim.learning.causal.prompts import Conversations, PromptBatch
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.learning.torch_settings import in_precision
from wfl_sim.methods.objectives import Sparsity
from wfl_sim.methods.phases import Classification, NextWord, Objective

ROWS: Final = 128
"""Texts of one forward pass of an evaluation."""

Loss = Callable[[PreTrainedModel, Any], Tensor]
"""From network and batch to a scalar, the mean over the batch."""

Losses = Callable[[PreTrainedModel, Any], tuple[Tensor, Tensor]]
"""From network and batch to the loss of each example, summed over its terms, and their number, both
(batch,). The loss of the batch is the mean over terms."""


def logits(model: PreTrainedModel, batch: TokenizedTexts) -> Tensor:
    """Return the head's output, (batch, classes)."""
    return model(**batch.inputs).logits


def cross_entropies(
    model: PreTrainedModel, batch: TokenizedTexts | PromptBatch
) -> tuple[Tensor, Tensor]:
    """Return the cross entropy of each example in nat, and its terms: one label, or its words."""
    if isinstance(batch, PromptBatch):
        chosen = log_probabilities(model, batch, Sparsity()).log_probabilities
        return -(chosen * batch.answer_mask).sum(1), batch.answer_mask.sum(1)
    each = functional.cross_entropy(logits(model, batch), batch.labels, reduction="none")
    return each, torch.ones_like(each)


def word_cross_entropy(model: PreTrainedModel, texts: PromptBatch) -> Tensor:
    """Return the mean cross entropy in nat over all words of the given answers.

    The end of each text is one of its words.
    """
    chosen = log_probabilities(model, texts, Sparsity()).log_probabilities
    return -mean_over_words(chosen, texts.answer_mask)


def text_loss(model: PreTrainedModel, batch: Conversations) -> Tensor:
    """Return the mean cross entropy in nat over all words of the texts but the first of each."""
    return next_word_cross_entropy(model, batch.texts)


def next_word_cross_entropy(model: PreTrainedModel, texts: PromptBatch) -> Tensor:
    """Return the mean cross entropy in nat over all words that have a word before them."""
    whole = texts.whole()
    chosen = log_probabilities(model, whole, Sparsity()).log_probabilities
    return -mean_over_words(chosen, whole.mask[:, 1:] * whole.mask[:, :-1])


def supervised_loss(model: PreTrainedModel, batch: TokenizedTexts | Conversations) -> Tensor:
    """Return the mean cross entropy: over labelled texts, or over the words of answers."""
    if isinstance(batch, Conversations):
        return word_cross_entropy(model, batch.texts)
    return functional.cross_entropy(logits(model, batch), batch.labels)


_LOSSES: Final[Mapping[type, Loss]] = MappingProxyType(
    {Classification: supervised_loss, NextWord: text_loss}
)
_EACH: Final[Mapping[type, Losses]] = MappingProxyType({Classification: cross_entropies})


def loss_of(objective: Objective) -> Loss:
    """Return the loss function of an objective.

    Raises:
        ValueError: the objective has no torch side.
    """
    if callable(getattr(objective, "loss", None)):
        return partial(_own_loss, objective)
    if type(objective) not in _LOSSES:
        raise ValueError(
            f"no loss for the objective {type(objective).__name__}: give it a method "
            "loss(model, batch)"
        )
    return _LOSSES[type(objective)]


def _own_loss(objective: Any, model: PreTrainedModel, batch: Any) -> Tensor:
    name = type(objective).__name__
    try:
        loss = objective.loss(model, batch)
    except (RuntimeError, ValueError) as error:
        if model.device.type != "meta":
            raise
        text = f"{name}.loss is counted on shapes alone, where it fails ({error})"
        raise LocatedError(f"{text}: it must look at no values", "method") from error
    if not isinstance(loss, Tensor) or loss.dim():
        raise LocatedError(f"{name}.loss must return a tensor of shape (), got {loss!r}", "method")
    return loss


def terms_of(objective: Objective, batch: Any) -> float:
    """Return how many terms the loss of a batch is the mean of: words, or examples."""
    if isinstance(batch, Conversations) and isinstance(objective, NextWord):
        mask = batch.texts.mask
        return float((mask[:, 1:] * mask[:, :-1]).sum())
    if isinstance(batch, Conversations) and type(objective) in _LOSSES:
        return float(batch.texts.answer_mask.sum())
    return float(len(batch))


def losses_of(objective: Objective) -> Losses | None:
    """Return the loss of each example; None where a loss is not a mean over their terms."""
    return _EACH.get(type(objective))


def evaluate(
    model: PreTrainedModel,
    examples: TokenizedTexts,
    judge: Judge | None = None,
    around: Around = nullcontext,
) -> dict[str, float]:
    """Return accuracy in [0, 1], loss in nat and the metrics of a judge over all examples.

    Raises:
        ValueError: there are no examples.
    """
    count = len(examples)
    if not count:
        raise ValueError("nothing to evaluate on: no held-out examples")
    if model.training:
        model.eval()
    correct, loss, predicted = 0, 0.0, list[int]()
    with torch.inference_mode(), in_precision(model):
        for first in range(0, count, ROWS):
            here = slice(first, first + ROWS)
            batch = examples.take(here)
            with around(here):
                scores = logits(model, batch)
            said = scores.argmax(-1)
            predicted += [] if judge is None else said.tolist()
            correct += int((said == batch.labels).sum())
            loss += float(functional.cross_entropy(scores, batch.labels, reduction="sum"))
    more = {} if judge is None else judge.of_labels(examples.labels.tolist(), predicted)
    return {"accuracy": correct / count, "loss": loss / count, **more}
