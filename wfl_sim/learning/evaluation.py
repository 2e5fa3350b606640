"""Quality on held-out examples: accuracy and mean cross entropy."""

from typing import Final

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from wfl_sim.learning.encoding import Encoded
from wfl_sim.learning.objectives.classification import logits
from wfl_sim.learning.precision import in_precision

ROWS: Final = 128
"""texts that go through the network at a time"""


def evaluate(model: PreTrainedModel, examples: Encoded) -> dict[str, float]:
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
