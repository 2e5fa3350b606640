"""Background traffic: users of a cell that take no part in the federation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import numpy as np
from annotated_types import Le

from channel_models.elementary import cosine_and_sine
from channel_models.units import (
    Fraction,
    Interval,
    MetresPerSecond,
    NonNegativeMetres,
    PositiveBits,
    PositiveMetres,
    PositiveSeconds,
)
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import PositiveFloat, PositiveInt
from wfl_sim.device_models import Hardware, HardwareReference
from wfl_sim.radio.power.power_control import TransmitPower

USER_HEIGHT: Final = 1.5
"""m of the users."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Users of one kind in a cell, and when they have something to send or to receive.

    With `interval`, files arrive as a Poisson process, each at a user that has none (FTP model 1 of
    TR 36.814 section A.2.1.3.1). With `on` and `off`, each user alternates between a full buffer
    and none, for exponential times. Without all three it always has a full buffer.
    """

    direction: Literal["uplink", "downlink"] = "downlink"
    """Whether the users send or receive."""
    users: Annotated[PositiveInt, Le(100_000)] = 10
    """Users, and with `interval` the most that have a file at once; more files wait."""
    interval: PositiveSeconds | None = None
    """Mean time between files of all users together, s."""
    size: PositiveBits = 4e6
    """Mean size of a file; 0.5 MB is one of FTP model 1."""
    spread: Literal["constant", "exponential"] = "constant"
    """Whether all files are as large, or their sizes are exponential."""
    on: Interval | None = None
    """Mean time with a full buffer, s."""
    off: Interval | None = None
    """Mean time without anything, s."""
    weight: PositiveFloat = 1.0
    """Weight for allocators that use it; transfers of the federation have 1."""
    reserved: Fraction = 0.0
    """Share of the blocks that is theirs alone while they have anything (a slice), and all that
    they get; 0: they compete for all blocks."""
    radius: PositiveMetres = 250.0
    """Of the disc around the cell in which users stand, or of a sector's 120 degrees, m."""
    min_distance: NonNegativeMetres = 35.0
    """Least distance to the cell, m."""
    speed: MetresPerSecond = 3 / 3.6
    """For the Doppler shift alone: users keep their places."""
    power: TransmitPower = 0.19952623149688797
    """W that a user can radiate."""
    hardware: Annotated[Hardware, HardwareReference()] = field(
        default_factory=lambda: HardwareReference().resolve("phone-mid-range")
    )
    """Whose radio the users have."""

    def __post_init__(self) -> None:
        if self.min_distance >= self.radius:
            raise LocatedError(
                f"must be smaller than radius {self.radius:g} m, got {self.min_distance:g} m",
                "min_distance",
            )
        if (self.on is None) != (self.off is None):
            raise LocatedError("is given without the other", "off" if self.on is None else "on")
        if self.interval is not None and self.on is not None:
            raise LocatedError("is of files, which come by `interval`, or of `on` and `off`", "on")

    def drop(
        self, site: tuple[float, float], boresight: float | None, rng: np.random.Generator
    ) -> FloatArray:
        """Return a point uniform over the disc, or over 120 degrees around a boresight in rad."""
        distance = np.sqrt(rng.uniform(self.min_distance**2, self.radius**2))
        turn = rng.uniform()
        if boresight is not None:
            turn = boresight / (2 * np.pi) + (turn - 0.5) / 3
        return np.asarray(np.asarray(site) + distance * np.array(cosine_and_sine(turn)))

    def file(self, rng: np.random.Generator) -> float:
        """Return the bits of a file, at least one."""
        return max(self.size * (rng.exponential() if self.spread == "exponential" else 1.0), 1.0)


def units_of_slice(share: float, units: int) -> int:
    """Return the units of a band of so many that a reserved share is: whole ones, at least one."""
    return max(round(share * units), 1)


def check_reserved(traffic: Sequence[Traffic], direction: str, units: int) -> None:
    """Refuse slices that leave none of the units of a direction to others."""
    shares = [each.reserved for each in traffic if each.direction == direction and each.reserved]
    taken = sum(units_of_slice(share, units) for share in shares)
    if shares and taken >= units:
        raise LocatedError(
            f"reserves {taken} of {units} resource blocks or subbands of the {direction}, and "
            "others need one",
            "traffic",
        )


@dataclass(frozen=True)
class Source:
    """The traffic of one entry in one cell, and the links of its users."""

    cell: int
    entry: int
    traffic: Traffic
    links: range


def sources(traffic: Sequence[Sequence[Traffic]], devices: int) -> Iterator[Source]:
    """Yield the traffic of every cell; the links of users follow those of the devices."""
    for cell, entries in enumerate(traffic):
        for entry, each in enumerate(entries):
            yield Source(cell, entry, each, range(devices, devices := devices + each.users))
