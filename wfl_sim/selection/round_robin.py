"""In turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfl_sim.protocols import SELECTORS

if TYPE_CHECKING:
    from wfl_sim.entities.device import Device


@SELECTORS("round-robin")
@dataclass(frozen=True)
class RoundRobin:
    """Those who have been asked least often, the lower numbers first."""

    def select(
        self, devices: "Sequence[Device]", count: int, rng: np.random.Generator
    ) -> "Sequence[Device]":
        """Return `count` devices, or all where there are fewer, in ascending order."""
        queue = sorted(devices, key=lambda device: (device.times_asked, device.index))
        return sorted(queue[:count], key=lambda device: device.index)
