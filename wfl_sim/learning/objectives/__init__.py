"""Objectives in torch: the loss of a batch, for each objective that a phase may name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from torch import Tensor
from transformers import PreTrainedModel

from wfl_sim.learning.causal.conversations import Conversations
from wfl_sim.learning.encoding import Encoded
from wfl_sim.learning.objectives import classification, instruction
from wfl_sim.methods.phases import Classification, Objective

Loss = Callable[[PreTrainedModel, Any], Tensor]
"""From network and batch to a scalar, the mean over the batch."""


def _supervised(model: PreTrainedModel, batch: Encoded | Conversations) -> Tensor:
    if isinstance(batch, Conversations):
        return instruction.loss(model, batch.texts)
    return classification.loss(model, batch)


_LOSSES: Final[Mapping[type, Loss]] = MappingProxyType({Classification: _supervised})


Losses = Callable[[PreTrainedModel, Encoded], Tensor]
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
