"""Fading of a scenario of TR 38.901, with and without line of sight."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

import channel_models as cm
from channel_models.fading.profiles import ProfileName
from channel_models.fading.rayleigh import Sinusoids
from channel_models.validation import Validated
from wfl_sim.config.errors import LocatedError


@dataclass(frozen=True, kw_only=True)
class ScenarioFading(Validated):
    """TDL-D with line of sight and `profile` without it, scaled to the path loss.

    Delay spreads are the medians of TR 38.901 Table 7.5-6 for the path loss and the carrier, the K
    factor is the mean there; they do not vary from link to link.
    """

    profile: ProfileName = "tdl-c"
    sinusoids: Sinusoids = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if cm.delay_profile(self.profile).specular:
            raise LocatedError("must have no line of sight (flat, tdl-a, tdl-b, tdl-c)", "profile")

    def by_sight(self, model: cm.Tr38901Model, carrier: float) -> tuple[cm.Fading, cm.Fading]:
        """Return the laws without and with line of sight."""
        spreads = [model.delay_spread(los, carrier) for los in (False, True)]
        return (
            cm.Rayleigh(profile=self.profile, delay_spread=spreads[0], sinusoids=self.sinusoids),
            cm.Rayleigh(
                profile="tdl-d",
                delay_spread=spreads[1],
                k_factor=model.k_factor_db,
                sinusoids=self.sinusoids,
            ),
        )

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> cm.FadingProcess:
        """Refuse: the law follows from a path loss and a carrier.

        Raises:
            ValueError: always.
        """
        raise ValueError("the fading of a scenario follows from its path loss: see `by_sight`")
