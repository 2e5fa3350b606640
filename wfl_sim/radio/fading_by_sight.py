"""Fading that depends on the line of sight: one law with it, and one without."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike

import channel_models as cm
from channel_models.fading.profiles import ProfileName
from channel_models.validation import check_positive_integer
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.radio.propagation import FADINGS


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


@dataclass(frozen=True, kw_only=True)
class ScenarioFading:
    """TDL-D with line of sight and `profile` without it, scaled to the path loss.

    Delay spreads are the medians of TR 38.901 Table 7.5-6 for the path loss and the carrier, the K
    factor is the mean there; they do not vary from link to link.
    """

    profile: ProfileName = "tdl-c"
    sinusoids: int = 16

    def __post_init__(self) -> None:
        check_positive_integer("sinusoids", self.sinusoids, minimum=4)
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
