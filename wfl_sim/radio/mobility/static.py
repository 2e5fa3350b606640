"""Static: devices stay where they were dropped."""

from dataclasses import dataclass

import numpy as np

from wfl_sim.protocols import MOBILITIES
from wfl_sim.radio.mobility.track import Region, Track


@MOBILITIES("static")
@dataclass(frozen=True, kw_only=True)
class Static:
    """Devices stay where they were dropped."""

    @property
    def moves(self) -> bool:
        """They do not."""
        return False

    @property
    def pace(self) -> float | None:
        """The scenario's."""
        return None

    def check(self, count: int) -> None:
        """Find nothing wrong."""

    def track(self, member: int, region: Region | None, rng: np.random.Generator) -> Track:
        """Raise ValueError: there is none."""
        raise ValueError("devices that stay have no track")
