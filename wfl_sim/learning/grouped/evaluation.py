"""Evaluation of many devices in shared passes, each on its own held-out examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from channel_models.validation import FloatArray
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.grouped.layers import GroupLayers, scales_of, stacked
from wfl_sim.learning.objectives import ROWS, logits
from wfl_sim.learning.tokenized import TokenizedTexts, joined
from wfl_sim.learning.torch_settings import in_precision
from wfl_sim.methods.parts import Part
from wfl_sim.state import State


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationItem:
    """What one device evaluates."""

    parts: tuple[Part, ...]
    state: State
    """Values of all parts."""
    examples: TokenizedTexts


def evaluate_together(
    adapted: AdaptedModel, items: Sequence[EvaluationItem]
) -> list[dict[str, float]]:
    """Return accuracy in [0, 1], loss in nat and metrics of each device over all its examples.

    Args:
        adapted: a network with the parts of any of the devices; its values do not matter, and stay.
        items: what is evaluated; their parts differ in nothing but ranks.

    Raises:
        ValueError: a device has no examples.
    """
    # In descending order of examples: the devices that still have some are the first of a stack.
    order = sorted(range(len(items)), key=lambda each: -len(items[each].examples))
    found: dict[int, dict[str, float]] = {}
    with adapted.evaluating(None), torch.inference_mode():
        for first in range(0, len(order), ROWS):
            here = order[first : first + ROWS]
            sizes = np.array([len(items[each].examples) for each in here])
            some = [items[each] for each in here]
            correct, loss, predicted = _sums(adapted, some, sizes)
            for each, right, nats in zip(here, correct / sizes, loss / sizes, strict=True):
                found[each] = {"accuracy": float(right), "loss": float(nats)}
            if adapted.judge is not None:
                for each, item, said in zip(here, some, predicted, strict=True):
                    found[each] |= adapted.judge.of_labels(item.examples.labels.tolist(), said)
    return [found[each] for each in range(len(items))]


def _sums(
    adapted: AdaptedModel, items: Sequence[EvaluationItem], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], FloatArray, list[list[int]]]:
    """Return how many are right and the summed loss, both (devices,), and what is predicted."""
    if not sizes.all():
        raise ValueError("nothing to evaluate on: no held-out examples")
    model, layers = adapted.model.eval(), GroupLayers(adapted.model, adapted.parameters)
    states = [item.state for item in items]
    stacks = {name: stacked(states, name, model.device) for name in adapted.parameters}
    scales = scales_of([item.parts for item in items], model.device)
    examples, firsts = joined([item.examples for item in items]), sizes.cumsum() - sizes
    correct, loss = np.zeros(len(items), np.int64), np.zeros(len(items))
    predicted: list[list[int]] = [[] for _ in items]
    begin = 0
    while begin < sizes[0]:
        devices = int((sizes > begin).sum())
        end = min(begin + ROWS // devices, int(sizes[devices - 1]))
        rows = firsts[:devices, None] + np.arange(begin, end)
        begin = end
        batch = examples.take(torch.from_numpy(rows.ravel()).to(model.device))
        now = {name: stack[:devices] for name, stack in stacks.items()}
        strength = {part: scale[:devices] for part, scale in scales.items()}
        with adapted.cls_token_only(), in_precision(model), layers.on(now, strength):
            scores = logits(model, batch)
            losses = functional.cross_entropy(scores, batch.labels, reduction="none")
        said = scores.argmax(-1)
        for one, more in zip(predicted, said.view(rows.shape).tolist(), strict=False):
            one += more
        right = (said == batch.labels).cpu().numpy()
        correct[:devices] += right.reshape(rows.shape).sum(axis=1)
        loss[:devices] += losses.double().cpu().numpy().reshape(rows.shape).sum(axis=1)
    return correct, loss, predicted
