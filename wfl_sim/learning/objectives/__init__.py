"""Quality on held-out examples: accuracy and mean cross entropy."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from wfl_sim.learning.causal.prompts import Conversations
from wfl_sim.learning.objectives import classification, instruction
from wfl_sim.learning.objectives.classification import logits
from wfl_sim.learning.tokenized import TokenizedTexts
from wfl_sim.learning.torch_settings import in_precision
from wfl_sim.methods.phases import Classification, Objective

ROWS: Final = 128
"""texts that go through the network at a time"""


def evaluate(model: PreTrainedModel, examples: TokenizedTexts) -> dict[str, float]:
    """Return accuracy in [0, 1] and loss in nat over all examples.

    Raises:
        ValueError: there are no examples.
    """
    if not len(examples):
        raise ValueError("nothing to evaluate on: no held-out examples")
    if model.training:
        model.eval()
    correct, loss = 0, 0.0
    with torch.inference_mode(), in_precision(model):
        for first in range(0, len(examples), ROWS):
            batch = examples.take(slice(first, first + ROWS))
            scores = logits(model, batch)
            correct += int((scores.argmax(-1) == batch.labels).sum())
            loss += float(functional.cross_entropy(scores, batch.labels, reduction="sum"))
    return {"accuracy": correct / len(examples), "loss": loss / len(examples)}


Loss = Callable[[PreTrainedModel, Any], Tensor]
"""From network and batch to a scalar, the mean over the batch."""


def _supervised(model: PreTrainedModel, batch: TokenizedTexts | Conversations) -> Tensor:
    if isinstance(batch, Conversations):
        return instruction.loss(model, batch.texts)
    return classification.loss(model, batch)


_LOSSES: Final[Mapping[type, Loss]] = MappingProxyType({Classification: _supervised})


Losses = Callable[[PreTrainedModel, TokenizedTexts], Tensor]
"""From network and batch to the loss of each example, (batch,); their mean is the loss."""

_EACH: Final[Mapping[type, Losses]] = MappingProxyType({Classification: classification.losses})


def loss_of(objective: Objective) -> Loss:
    """Return the loss function of an objective.

    Raises:
        ValueError: the objective has no torch side.
    """
    if type(objective) not in _LOSSES:
        raise ValueError(f"no loss for the objective {type(objective).__name__}")
    return _LOSSES[type(objective)]


def losses_of(objective: Objective) -> Losses | None:
    """Return the loss of each example; None where a loss is not a mean over examples."""
    return _EACH.get(type(objective))
