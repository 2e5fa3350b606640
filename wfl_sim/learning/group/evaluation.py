"""Evaluation of a group: what each of many devices holds, on its own held-out examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from wfl_sim.learning.encoding import Encoded, joined
from wfl_sim.learning.exact import exact
from wfl_sim.learning.first_token import first_token
from wfl_sim.learning.group.layers import GroupLayers
from wfl_sim.learning.group.stacks import scales_of, stacked
from wfl_sim.learning.objectives.classification import logits
from wfl_sim.learning.precision import in_precision
from wfl_sim.learning.workbench import Workbench
from wfl_sim.methods.aggregation import State
from wfl_sim.methods.parts import Part

_ROWS: Final = 256
"""texts that go through the network at a time; at least one of each device"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Exam:
    """What one device is asked."""

    parts: tuple[Part, ...]
    state: State
    """values of all parts"""
    examples: Encoded


def evaluate_together(bench: Workbench, exams: Sequence[Exam]) -> list[dict[str, float]]:
    """Return accuracy in [0, 1] and loss in nat of each device over all its examples.

    Args:
        bench: with the parts of any of the devices; what is on it does not matter, and stays.
        exams: whose parts differ in nothing but ranks.

    Raises:
        ValueError: a device has no examples.
    """
    # Who has fewest examples stands last, so that the rest of a stack is its beginning.
    order = sorted(range(len(exams)), key=lambda each: -len(exams[each].examples))
    with exact(seed=0, threads=bench.threads), torch.inference_mode():
        correct, loss = _sums(bench, [exams[each] for each in order])
    found = {}
    for place, each in enumerate(order):
        size = len(exams[each].examples)
        found[each] = {
            "accuracy": float(correct[place]) / size,
            "loss": float(loss[place]) / size,
        }
    return [found[each] for each in range(len(exams))]


def _sums(bench: Workbench, exams: Sequence[Exam]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how many answers are right and the summed loss of each device, both (devices,)."""
    model, sizes = bench.model.eval(), np.array([len(exam.examples) for exam in exams])
    if not sizes.all():
        raise ValueError("nothing to evaluate on: no held-out examples")
    layers = GroupLayers(model, bench.parameters)
    states = [exam.state for exam in exams]
    stacks = {name: stacked(states, name, model.device) for name in bench.parameters}
    scales = scales_of([exam.parts for exam in exams], model.device)
    examples, firsts = joined([exam.examples for exam in exams]), sizes.cumsum() - sizes
    correct, loss = np.zeros(len(exams), np.int64), np.zeros(len(exams))
    begin, most = 0, int(sizes[0])
    while begin < most:
        here = int((sizes > begin).sum())
        places = np.arange(begin, min(begin + max(1, _ROWS // here), most))
        begin += len(places)
        # A device with fewer examples than the others has some of its own twice, not counted.
        counts = places < sizes[:here, None]
        rows = firsts[:here, None] + places % sizes[:here, None]
        batch = examples.take(torch.from_numpy(rows.ravel()).to(model.device))
        now = {name: stack[:here] for name, stack in stacks.items()}
        strength = {part: scale[:here] for part, scale in scales.items()}
        with first_token(model), in_precision(model), layers.on(now, strength):
            scores = logits(model, batch)
            losses = functional.cross_entropy(scores, batch.labels, reduction="none")
        right = (scores.argmax(-1) == batch.labels).cpu().numpy().reshape(counts.shape)
        correct[:here] += (right & counts).sum(axis=1)
        each = losses.double().cpu().numpy().reshape(counts.shape)
        loss[:here] += each.sum(axis=1, where=counts)
    return correct, loss
