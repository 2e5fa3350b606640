"""Propagation between cells and devices: its kinds, and the block `channel` of a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Annotated, Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

import channel_models as cm
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import FilePath
from wfl_sim.config.registry import From, Registry
from wfl_sim.radio.channel.rays import read_gains
from wfl_sim.radio.channel.scenario_fading import ScenarioFading


@runtime_checkable
class TransportRate(cm.RateMap, Protocol):
    """A rate map that also has the rate of one modulation and coding scheme over several blocks."""

    def transport_efficiency(
        self, known: FloatArray, sinr: FloatArray, weight: FloatArray, first: NDArray[np.intp]
    ) -> FloatArray:
        """Return bit/s/Hz (n,) of schemes chosen on `known` linear SINR, under the true `sinr`.

        All three are (entries,): those of the i-th scheme begin at ``first[i]``; `weight` is their
        weight.
        """


class Antenna(Protocol):
    """The pattern of a base station's antenna, as in `channel_models`.

    >>> class Eastward:  # 6 dBi to the eastern half, nothing behind
    ...     def gain_db(self, azimuth, zenith):
    ...         return np.where(np.cos(azimuth) > 0, 6.0, -20.0)
    >>> Eastward().gain_db(np.array([0.1, 3.0]), np.pi / 2).tolist()
    [6.0, -20.0]
    """

    def gain_db(self, azimuth: ArrayLike, zenith: ArrayLike) -> Any:
        """Return the gain in dBi towards azimuths (from east) and zenith angles in rad."""


ANTENNAS: Registry[Antenna] = Registry("antenna", Antenna)
PATHLOSSES: Registry[cm.PathLoss] = Registry("pathloss", cm.PathLoss)
SHADOWINGS: Registry[cm.Shadowing] = Registry("shadowing", cm.Shadowing)
FADINGS: Registry[cm.Fading] = Registry("fading", cm.Fading)
RATES: Registry[cm.RateMap] = Registry("rate", cm.RateMap)
FROZEN = "0 m/s freezes the fading: each link keeps one draw"
"""What a reader must know of terminals that stand still; see `ChannelConfig.follows_speed`."""
_BY_PATHLOSS: Final[Any] = None
"""Default of a key that `ChannelConfig` fills in."""


@dataclass(frozen=True, kw_only=True)
class ChannelConfig:
    """Propagation between a cell and its devices.

    The large-scale gain (path loss and shadowing) is common to both directions; small-scale
    fading is independent for each, as with frequency-division duplex. What is not given follows
    from the path loss, key by key: a scenario of TR 38.901 brings its line of sight, shadowing,
    delay spread and buildings; another path loss its `sigma` (6 dB if it has none) and flat
    Rayleigh fading.
    """

    pathloss: Annotated[cm.PathLoss, From(PATHLOSSES)] = field(default_factory=cm.UMa)
    shadowing: Annotated[cm.Shadowing, From(SHADOWINGS, default="log-normal")] = _BY_PATHLOSS
    fading: Annotated[cm.Fading, From(FADINGS, default="by-sight")] = _BY_PATHLOSS
    entry: cm.BuildingEntry = _BY_PATHLOSS
    """Loss of devices in buildings (TR 38.901 section 7.4.3)."""
    gains: Annotated[str, FilePath()] | None = None
    """CSV file of whole large-scale gains, device and gain (dB), in place of path loss, shadowing
    and antenna."""

    def __post_init__(self) -> None:
        for key, default in _defaults(self.pathloss).items():
            if key == "pathloss" or getattr(self, key) is None:
                object.__setattr__(self, key, default())
        try:
            table = self.link_gains
        except ValueError as error:
            raise LocatedError(str(error), "gains") from None
        if self.gains is not None and table is not None and hasattr(self.fading, "link_gains"):
            raise LocatedError("is given by the rays of the fading, too", "gains")

    @cached_property
    def link_gains(self) -> Mapping[int, float] | None:
        """The dB of each device from a file; None without one."""
        if self.gains is not None:
            return read_gains(self.gains)
        found: Mapping[int, float] | None = getattr(self.fading, "link_gains", None)
        return found

    @property
    def follows_speed(self) -> bool:
        """Whether the fading changes with the Doppler shift alone, so that 0 m/s freezes it."""
        return not (isinstance(self.fading, cm.Static) or hasattr(self.fading, "sampling_step"))


def _defaults(model: cm.PathLoss) -> dict[str, Callable[[], Any]]:
    """Return what makes the keys of a channel; the path loss gets a condition if a scenario."""
    if not isinstance(model, cm.Tr38901Model):
        sigma = float(getattr(model, "sigma", 6.0))
        shadowing = partial(cm.LogNormal, sigma=sigma)
        return {"shadowing": shadowing, "fading": cm.Rayleigh, "entry": cm.BuildingEntry}
    return {
        "pathloss": lambda: model if model.condition else replace(model, condition="mixed"),
        "shadowing": cm.ScenarioShadowing,
        "fading": ScenarioFading,
        "entry": partial(cm.BuildingEntry, rural=isinstance(model, cm.RMa | cm.RMaAV)),
    }
