"""Classification: cross entropy between the head's logits and the labels, in nat."""

from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from wfl_sim.learning.tokenized import TokenizedTexts


def logits(model: PreTrainedModel, batch: TokenizedTexts) -> Tensor:
    """Return the head's output, (batch, classes)."""
    return model(input_ids=batch.ids, attention_mask=batch.mask).logits


def loss(model: PreTrainedModel, batch: TokenizedTexts) -> Tensor:
    """Return the mean cross entropy of a batch."""
    return functional.cross_entropy(logits(model, batch), batch.labels)


def losses(model: PreTrainedModel, batch: TokenizedTexts) -> Tensor:
    """Return the cross entropy of each example, (batch,)."""
    return functional.cross_entropy(logits(model, batch), batch.labels, reduction="none")
