"""The largest mean gain first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfl_sim.protocols import SELECTORS

if TYPE_CHECKING:
    from wfl_sim.entities.device import Device


@SELECTORS("best-channel")
@dataclass(frozen=True)
class BestChannel:
    """The largest mean gain to the serving cell (path loss and shadowing)."""

    def select(
        self, devices: "Sequence[Device]", count: int, rng: np.random.Generator
    ) -> "Sequence[Device]":
        """Return the `count` best devices in ascending order; ties go to the lower index."""
        best = sorted(devices, key=lambda device: (-device.mean_gain, device.index))
        return sorted(best[:count], key=lambda device: device.index)
