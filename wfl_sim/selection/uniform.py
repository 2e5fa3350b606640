"""By lot, each as likely as the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfl_sim.protocols import SELECTORS

if TYPE_CHECKING:
    from wfl_sim.entities.device import Device


@SELECTORS("random")
@dataclass(frozen=True)
class RandomSelection:
    """Uniformly without replacement."""

    def select(
        self, devices: "Sequence[Device]", count: int, rng: np.random.Generator
    ) -> "Sequence[Device]":
        """Return `count` devices, or all where there are fewer, in ascending order."""
        chosen = rng.choice(len(devices), size=min(count, len(devices)), replace=False)
        return [devices[i] for i in sorted(chosen)]
