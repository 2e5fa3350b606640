"""Blockage of links by people and vehicles around a device, as a kind of fading."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import ArrayLike

import channel_models as cm
from channel_models.units import MetresPerSecond, Radians
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.radio.propagation import FADINGS
from wfl_sim.radio.scenario_fading import ScenarioFading


@dataclass(frozen=True, kw_only=True)
class BlockedFading:
    """Another fading behind blockers that pass by (TR 38.901 section 7.6.4.1, model A).

    Carrier and surroundings are those of the cell: indoors where the path loss is `inh`.
    """

    fading: Annotated[cm.Fading, From(FADINGS)] = field(default_factory=ScenarioFading)
    """Fading without blockers."""
    blockers: Annotated[int, Ge(1), Le(16)] = 4
    """Blockers around each link; the default is that of TR 38.901."""
    speed: MetresPerSecond = 3 / 3.6
    """Speed of the blockers; that of the device adds to it."""
    elevation: Radians = 0.0
    """Angle at which the path rises from the device: higher than a blocker spans, none is in it."""

    def __post_init__(self) -> None:
        if hasattr(self.fading, "sampling_step"):
            raise LocatedError("must be static, or follow the Doppler shift alone", "fading")

    def by_sight(self, model: cm.Tr38901Model, carrier: float) -> tuple[cm.Fading, cm.Fading]:
        """Return the laws without and with line of sight."""
        own = getattr(self.fading, "by_sight", None)
        without, with_sight = (self.fading,) * 2 if own is None else own(model, carrier)

        def behind(fading: cm.Fading) -> cm.Fading:
            return cm.Blocked(
                fading=fading,
                wavelength=cm.SPEED_OF_LIGHT / carrier,
                surroundings="indoor" if isinstance(model, cm.InH) else "outdoor",
                blockers=self.blockers,
                speed=self.speed,
                elevation=self.elevation,
            )

        return behind(without), behind(with_sight)

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> cm.FadingProcess:
        """Refuse: the carrier and the surroundings are those of a cell.

        Raises:
            ValueError: always.
        """
        raise ValueError("the blockers of a cell follow from its path loss: see `by_sight`")
