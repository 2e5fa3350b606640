"""Privacy of updates towards the server: clipping, Gaussian noise, secure aggregation."""

from dataclasses import dataclass
from math import ceil, log2, sqrt
from typing import Annotated, Literal

import numpy as np

from channel_models.units import Unit
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import Bounded, NonNegativeFloat, ProperShare
from wfl_sim.state import State, each, times


@dataclass(frozen=True, kw_only=True)
class SecureAggregation:
    """Protocol bits of Bonawitz et al. 2017, doi:10.1145/3133956.3133982, section 7.

    Among n devices with vectors of m values, a device exchanges 2 n a_K + (5 n - 4) a_S bits of
    public keys and secret shares. Up go 2 a_K (its two keys), 2 (n - 1) a_S (encrypted shares) and
    n a_S (shares for unmasking). Down come 2 (n - 1) a_K, the same for all, and 2 (n - 1) a_S,
    which a broadcast carries for each of its receivers. The masked vector has ceil(log2 n) bits of
    headroom for each value, on top of what the codec makes of it. That the four exchanges wait for
    one another is not modelled, and their bits travel with the download and the upload; nor is that
    a round gives no sum where fewer devices are left than a threshold.
    """

    key: Annotated[float, Unit("bit", minimum=1.0)] = 256.0
    """a_K, size of a public key; this default meets the expansion that the paper states."""
    share: Annotated[float, Unit("bit", minimum=1.0)] = 256.0
    """a_S, size of an encrypted secret share; this default meets it likewise."""

    def up(self, devices: int, values: int) -> int:
        """Return the bits that a device sends beside its payload of so many values."""
        protocol = 2 * self.key + (3 * devices - 2) * self.share
        return round(protocol) + values * ceil(log2(devices)) if devices > 1 else 0

    def down(self, devices: int) -> int:
        """Return the bits that a device receives beside the shared state."""
        return round(2 * (devices - 1) * self.key) + self.own(devices)

    def own(self, devices: int) -> int:
        """Return those of the bits that it receives that are for it alone: encrypted shares."""
        return round(2 * (devices - 1) * self.share)


@dataclass(frozen=True, kw_only=True)
class Privacy(Bounded):
    """What protects a device's update: user-level differential privacy, secure aggregation.

    An update is scaled down to the norm `clip`, then Gaussian noise is added on the device
    (McMahan et al. 2018, arXiv 1710.06963, whose server adds it). The standard deviation of the
    noise in the sum over a round's cohort is `noise_multiplier * clip`: with `distributed` each
    device adds its share of the variance, which protects against a server that sees the sum alone;
    with `local` each adds all of it.
    """

    clip: NonNegativeFloat = 0.0
    """Largest Euclidean norm of an update over all that is sent; 0 leaves updates as they are."""
    noise_multiplier: NonNegativeFloat = 0.0
    noise: Literal["distributed", "local"] = "distributed"
    delta: ProperShare = 1e-5
    """Delta for which epsilon is reported."""
    accountant: Literal["rdp", "pld"] = "rdp"
    """How epsilon is composed: by Renyi orders, or by the distribution of the privacy loss."""
    secure_aggregation: SecureAggregation | None = None
    cohort: int = 1
    """Number of devices of a round; a scenario sets it by its rounds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise_multiplier and not self.clip:
            raise LocatedError("is missing: noise is measured by it", "clip")

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise that a device adds to each value."""
        spread = sqrt(self.cohort) if self.noise == "distributed" else 1.0
        return self.noise_multiplier * self.clip / spread

    def protected(self, update: State, rng: np.random.Generator) -> State:
        """Return an update clipped and with noise."""
        norm = sqrt(sum(float(np.sum(np.square(a, dtype=np.float64))) for a in update.values()))
        clipped = times(min(1.0, self.clip / norm) if norm else 1.0, update)
        if not self.deviation:
            return clipped
        return each(clipped, lambda a: a + rng.normal(0.0, self.deviation, a.shape).astype(a.dtype))
