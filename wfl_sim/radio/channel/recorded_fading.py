"""Recorded fading: measured gains from a file, replayed on every link."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike

import channel_models as cm
from channel_models.units import PositiveSeconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import FilePath


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
