"""Outer-loop link adaptation: an offset of the SINR that learns from acknowledgements."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.units import NonNegativeDecibel, Unit
from channel_models.validation import Validated, check_finite

Target = Annotated[float, Unit("1", minimum=0.0, maximum=0.99, exclusive=True)]


@dataclass(frozen=True, kw_only=True)
class OuterLoop(Validated):
    """Raises the offset by ``step`` dB on a failure and lowers it on a success.

    The lowering is ``step target / (1 - target)``, so that a long run fails with probability
    ``target``. The reported SINR minus the offset chooses the MCS. The offset stays within
    ``limit`` dB.
    """

    target: Target = 0.1
    step: NonNegativeDecibel = 1.0
    limit: NonNegativeDecibel = 20.0

    def update(self, offset_db: ArrayLike, acknowledged: ArrayLike) -> Any:
        """The next offset in dB, elementwise."""
        before = check_finite("offset_db", offset_db)
        down = self.step * self.target / (1.0 - self.target)
        after = before + np.where(np.asarray(acknowledged, dtype=bool), -down, self.step)
        return np.clip(after, -self.limit, self.limit)[()]

    def expected(self, offset_db: ArrayLike, error: ArrayLike, blocks: float) -> Any:
        """The mean offset in dB after so many blocks that each fail with probability `error`."""
        drift = self.step * (np.asarray(error) - self.target) / (1.0 - self.target)
        return np.clip(np.asarray(offset_db) + blocks * drift, -self.limit, self.limit)[()]
