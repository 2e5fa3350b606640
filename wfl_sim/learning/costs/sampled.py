"""Costs of local updates whose texts are padded to the longest text of their batch.

Which texts are in which batch is drawn from the update's seed, so the tokens of every batch are
known before anything is trained, and with them FLOPs and bytes moved.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wfl_sim.device_models.workload import Batches, Workload
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models.model_loading import load_on_meta
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.costs.counting import StepCost, count_step
from wfl_sim.learning.tokenized import TokenizedTexts, bucketed, padded
from wfl_sim.learning.training import batches
from wfl_sim.methods.parts import Part
from wfl_sim.methods.phases import Phase
from wfl_sim.randomness import stream


class SampledCosts:
    """Counts steps on the meta device, once for each number of tokens; no weights are loaded."""

    def __init__(
        self, model: Pretrained, classes: int, parts: Sequence[Part], phases: Sequence[Phase]
    ) -> None:
        self._adapted = AdaptedModel(load_on_meta(model, classes), parts)
        self._phases = phases
        self._steps: dict[tuple[int, int], StepCost] = {}

    def of(self, whole: Workload, examples: TokenizedTexts, seed: int) -> Workload:
        """Return the costs of one local update, given those with all texts at the full length."""
        counted = [
            (number, width, steps)
            for number, phase in enumerate(self._phases)
            for width, steps in sorted(self._widths(number, phase, examples, seed).items())
        ]
        costs = [self._step(number, width).times(steps) for number, width, steps in counted]
        return replace(
            whole,
            update_flops=sum(each.flops for each in costs),
            traffic=sum(each.traffic for each in costs),
            frozen_traffic=sum(each.frozen_traffic for each in costs),
            batches=tuple(
                Batches(steps, self._phases[number].local.batch, width)
                for number, width, steps in counted
            ),
        )

    def _widths(
        self, number: int, phase: Phase, examples: TokenizedTexts, seed: int
    ) -> Counter[int]:
        """Return how many batches of a phase have how many tokens."""
        lengths, most = examples.lengths(), examples.ids.shape[1]
        rng = stream(seed, "batches", number)
        local = phase.local.of(len(examples))
        drawn = batches(len(examples), local, rng, bucketed(examples))
        return Counter(padded(int(np.max(lengths[rows.numpy()])), most) for rows in drawn)

    def _step(self, number: int, tokens: int) -> StepCost:
        """Return the cost of a step of a phase."""
        if (number, tokens) not in self._steps:
            phase, adapted = self._phases[number], self._adapted
            with adapted.muted(phase):
                self._steps[number, tokens] = count_step(
                    adapted.model, adapted.trained(phase), phase, tokens
                )
        return self._steps[number, tokens]
