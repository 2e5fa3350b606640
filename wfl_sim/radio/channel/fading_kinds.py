"""Kinds of fading that a cell can name: by line of sight, behind blockers, and recorded."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import ArrayLike

import channel_models as cm
from channel_models.units import (
    Elevation,
    MetresPerSecond,
    NonNegativeMetres,
    PositiveMetres,
    PositiveSeconds,
)
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import FilePath
from wfl_sim.config.registry import From
from wfl_sim.radio.channel.propagation import FADINGS
from wfl_sim.radio.channel.scenario_fading import ScenarioFading


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
class _Behind(ABC):
    """Another fading behind blockers."""

    fading: Annotated[cm.Fading, From(FADINGS)] = field(default_factory=ScenarioFading)
    """Fading without blockers."""
    blockers: Annotated[int, Ge(1), Le(16)] = 4
    """Blockers around each link; the default is that of TR 38.901."""
    speed: MetresPerSecond = 3 / 3.6
    """Speed of the blockers; that of the device adds to it."""
    elevation: Elevation = 0.0
    """Angle at which the path rises from the device: higher than a blocker spans, none is in it."""

    def __post_init__(self) -> None:
        if hasattr(self.fading, "sampling_step"):
            raise LocatedError("must be static, or follow the Doppler shift alone", "fading")

    @abstractmethod
    def _behind(self, fading: cm.Fading, model: cm.Tr38901Model, wavelength: float) -> cm.Fading:
        """Return a law behind blockers, for a path loss and a wavelength in m."""

    def by_sight(self, model: cm.Tr38901Model, carrier: float) -> tuple[cm.Fading, cm.Fading]:
        """Return the laws without and with line of sight."""
        own = getattr(self.fading, "by_sight", None)
        without, with_sight = (self.fading,) * 2 if own is None else own(model, carrier)
        wavelength = cm.SPEED_OF_LIGHT / carrier
        return (
            self._behind(without, model, wavelength),
            self._behind(with_sight, model, wavelength),
        )

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> cm.FadingProcess:
        """Refuse: the carrier and the surroundings are those of a cell.

        Raises:
            ValueError: always.
        """
        raise ValueError("the blockers of a cell follow from its path loss: see `by_sight`")


@dataclass(frozen=True, kw_only=True)
class BlockedFading(_Behind):
    """Another fading behind blockers that pass by (TR 38.901 section 7.6.4.1, model A).

    Carrier and surroundings are those of the cell: indoors where the path loss is `inh`.
    """

    self_blocking: Literal["portrait", "landscape"] | None = None
    """How a device is held, if by someone: links in the direction of the body, a third or four
    ninths of them, lose 30 dB for good."""

    def _behind(self, fading: cm.Fading, model: cm.Tr38901Model, wavelength: float) -> cm.Fading:
        return cm.Blocked(
            fading=fading,
            wavelength=wavelength,
            surroundings="indoor" if isinstance(model, cm.InH) else "outdoor",
            blockers=self.blockers,
            speed=self.speed,
            elevation=self.elevation,
            self_blocking=self.self_blocking,
        )


@dataclass(frozen=True, kw_only=True)
class ScreensFading(_Behind):
    """Another fading behind people or vehicles that cross the path (TR 38.901, model B).

    Blockers are upright rectangles (section 7.6.4.2), at uniform distances from the device and
    places across the path, with speeds uniform up to `speed`.
    """

    width: PositiveMetres = 0.3
    """Width of a blocker, of a person unless given; 4.8 m of a vehicle."""
    height: PositiveMetres = 1.7
    """Height of a blocker, 1.4 m of a vehicle."""
    reach: PositiveMetres = 10.0
    """Farthest that a blocker is from the device."""
    strip: PositiveMetres = 10.0
    """Width of the strip around the path in which the blockers are."""
    terminal_height: NonNegativeMetres = 1.5
    """Height of the devices above the ground on which blockers stand."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._behind(cm.Static(), cm.UMa(), 1.0)

    def _behind(self, fading: cm.Fading, model: cm.Tr38901Model, wavelength: float) -> cm.Fading:
        return cm.Screens(
            fading=fading,
            wavelength=wavelength,
            blockers=self.blockers,
            width=self.width,
            height=self.height,
            speed=self.speed,
            reach=self.reach,
            strip=self.strip,
            terminal_height=self.terminal_height,
            elevation=self.elevation,
        )


@dataclass(frozen=True, kw_only=True)
class RecordedFading:
    """A `channel_models.Trace`: each link follows a recording of the file from a place on.

    Recording and place are drawn from the link's own stream.
    """

    path: Annotated[str, FilePath()]
    """A ``.npy`` array (samples, recordings), or a ``.csv`` file with the time in s first."""
    interval: PositiveSeconds | None = None
    """s between two samples; a ``.csv`` file has it itself."""
    scale: Literal["linear", "db"] = "linear"
    """Whether real gains are linear or in dB."""
    normalise: bool = True
    """Whether every recording is scaled to mean power one."""

    def __post_init__(self) -> None:
        try:
            _ = self.sampling_step
        except ValueError as error:
            name, _, rest = str(error).partition(" ")
            key = name if name in ("interval", "scale") else "path"
            raise LocatedError(rest if key == name else str(error), key) from None

    @cached_property
    def _trace(self) -> cm.Trace:
        return cm.Trace(
            path=self.path, interval=self.interval, scale=self.scale, normalise=self.normalise
        )

    @property
    def sampling_step(self) -> float:
        """s between two samples of the recording."""
        return self._trace.sampling_step

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> cm.FadingProcess:
        """Draw recording and place of each link."""
        return self._trace.realise(streams, doppler)
