"""Everyone who is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfl_sim.protocols import SELECTORS

if TYPE_CHECKING:
    from wfl_sim.entities.device import Device


@SELECTORS("all")
@dataclass(frozen=True)
class Everyone:
    """All devices, as long as `clients` allows: then the lowest numbers."""

    def select(
        self, devices: "Sequence[Device]", count: int, rng: np.random.Generator
    ) -> "Sequence[Device]":
        """Return the first `count` devices."""
        return devices[:count]
