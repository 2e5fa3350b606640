"""A reward for answers that are like those in the data, without a reward model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from wfl_sim.config.registry import From
from wfl_sim.data.metrics import METRICS, ExactMatch, Metric
from wfl_sim.methods.objectives import REWARDS


@REWARDS("given-answer")
@dataclass(frozen=True, kw_only=True)
class GivenAnswer:
    """A metric of each answer by itself against the answer in the data."""

    metric: Annotated[Metric, From(METRICS)] = field(default_factory=ExactMatch)
    """Of answers."""

    def __post_init__(self) -> None:
        if getattr(self.metric, "of", "answers") != "answers":
            raise ValueError(
                f"metric must be of answers, and {METRICS.name_of(self.metric)} is not"
            )

    def rewards(
        self, requests: Sequence[str], answers: Sequence[str], given: Sequence[str]
    ) -> list[float]:
        """Return the metric of each answer."""
        return [
            self.metric.value([right], [said]) for right, said in zip(given, answers, strict=True)
        ]
