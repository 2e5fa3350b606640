"""Fading that depends on the line of sight: one law with it, and one without."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike

import channel_models as cm
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.radio.channel.propagation import FADINGS


@dataclass(frozen=True, kw_only=True)
class FadingBySight:
    """Fading with line of sight (`los`), and without it or in a building (`nlos`)."""

    los: Annotated[cm.Fading, From(FADINGS)]
    nlos: Annotated[cm.Fading, From(FADINGS)]

    def __post_init__(self) -> None:
        for key in ("los", "nlos"):
            kind = getattr(self, key)
            if hasattr(kind, "sampling_step") or hasattr(kind, "by_sight"):
                raise LocatedError("must be static, or follow the Doppler shift alone", key)

    def by_sight(self, model: cm.Tr38901Model, carrier: float) -> tuple[cm.Fading, cm.Fading]:
        """Return the laws without and with line of sight."""
        return self.nlos, self.los

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> cm.FadingProcess:
        """Draw links without line of sight."""
        return self.nlos.realise(streams, doppler)
