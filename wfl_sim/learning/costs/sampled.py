"""Costs of local updates whose texts are padded to the longest of their batch.

Which texts are in which batch is drawn from the update's seed, so the tokens of every batch are
known before anything is trained, and with them FLOPs and bytes moved.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wfl_sim.device_models.workload import Batches, Workload
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.costs.counting import step_flops, step_footprint
from wfl_sim.learning.model_loading import load_on_meta
from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.learning.tokenized import TokenizedTexts, bucketed, padded
from wfl_sim.learning.training import batches
from wfl_sim.methods.parts import Part
from wfl_sim.methods.phases import Phase
from wfl_sim.randomness import stream


class SampledCosts:
    """Counts steps on the meta device, once for every number of tokens; no weights are loaded."""

    def __init__(
        self, model: Pretrained, classes: int, parts: Sequence[Part], phases: Sequence[Phase]
    ) -> None:
        """Build the network of devices with some parts, without values."""
        self._bench = AdaptedModel(load_on_meta(model, classes), parts)
        self._phases = phases
        self._steps: dict[tuple[int, int], tuple[float, float]] = {}

    def __repr__(self) -> str:
        return f"DrawnCosts({self._bench!r}, {len(self._steps)} steps counted)"

    def of(self, whole: Workload, examples: TokenizedTexts, seed: int) -> Workload:
        """Return the costs of one local update.

        Args:
            whole: its costs were all texts padded to the full length.
            examples: of the device.
            seed: of the update.
        """
        counted = [
            (number, width, steps)
            for number, phase in enumerate(self._phases)
            for width, steps in sorted(self._widths(number, phase, examples, seed).items())
        ]
        costs = [self._step(number, width) for number, width, _ in counted]
        return replace(
            whole,
            update_flops=sum(
                steps * flops for (_, _, steps), (flops, _) in zip(counted, costs, strict=True)
            ),
            traffic=sum(
                steps * moved for (_, _, steps), (_, moved) in zip(counted, costs, strict=True)
            ),
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
        drawn = batches(len(examples), phase.local, rng, bucketed(examples))
        return Counter(padded(int(np.max(lengths[rows.numpy()])), most) for rows in drawn)

    def _step(self, number: int, tokens: int) -> tuple[float, float]:
        """Return FLOP and byte moved of a step of a phase."""
        if (number, tokens) not in self._steps:
            phase, adapted = self._phases[number], self._bench
            with adapted.muted(phase):
                trained = adapted.trained(phase)
                moved = step_footprint(adapted.model, trained, phase, tokens).moved
                self._steps[number, tokens] = (
                    step_flops(adapted.model, trained, phase, tokens),
                    moved,
                )
        return self._steps[number, tokens]
