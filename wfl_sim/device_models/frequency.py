"""Dynamic voltage and frequency scaling (DVFS): at which clock a processor works.

Voltage follows frequency, so the dynamic power grows with the cube of the frequency:
P(f) = P_static + kappa f^3. A slower clock saves dynamic energy, which goes with f^2, and costs
static energy, which goes with 1 / f.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from channel_models.elementary import cubed, power
from channel_models.units import Fraction, PositiveHertz, PositiveSeconds, Watt
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import Registry
from wfl_sim.device_models.workload import UpdateCost


@dataclass(frozen=True, kw_only=True)
class Dvfs:
    """The range of a processor's clock, and what of its load does not follow it."""

    highest: PositiveHertz
    """Frequency at which `peak` and `compute_power` hold."""
    lowest: PositiveHertz
    static_power: Watt
    """Part of `compute_power` that does not depend on the frequency."""

    def __post_init__(self) -> None:
        if self.lowest > self.highest:
            raise LocatedError(
                f"must be at most highest {self.highest:g} Hz, got {self.lowest:g} Hz", "lowest"
            )

    @property
    def least(self) -> float:
        """The lowest frequency as a share of the highest."""
        return self.lowest / self.highest

    def kappa(self, compute_power: float) -> float:
        """Return kappa of P = P_static + kappa f^3, in W/Hz^3."""
        return (compute_power - self.static_power) / float(cubed(self.highest))


class FrequencyGovernor(Protocol):
    """Chooses the clock frequency of a local update.

    >>> class Balanced:
    ...     def share(self, job, dvfs):
    ...         return (dvfs.least + 1) / 2
    >>> dvfs = Dvfs(highest=1e9, lowest=5e8, static_power=0.5)
    >>> Balanced().share(UpdateCost(arithmetic=10.0, static=0.5), dvfs)
    0.75
    """

    def share(self, job: UpdateCost, dvfs: Dvfs) -> float:
        """Return the frequency as a share of the highest."""


GOVERNORS: Registry[FrequencyGovernor] = Registry("frequency", FrequencyGovernor)


@GOVERNORS("full")
@dataclass(frozen=True)
class Full:
    """Always the highest frequency."""

    def share(self, job: UpdateCost, dvfs: Dvfs) -> float:
        """Return 1."""
        return 1.0


@GOVERNORS("fixed")
@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A share of the highest frequency, not below the lowest."""

    share_of_highest: Fraction

    def share(self, job: UpdateCost, dvfs: Dvfs) -> float:
        """Return that share."""
        return max(self.share_of_highest, dvfs.least)


@GOVERNORS("energy-optimal")
@dataclass(frozen=True, kw_only=True)
class EnergyOptimal:
    """The frequency of least energy beyond idle that ends the job within `deadline`.

    E(x) = (P_static + P_dynamic x^3) (C / x + O) for C s of arithmetic at the highest frequency and
    O s of overhead. Without overhead dE/dx = 0 gives x = (P_static / (2 P_dynamic))^(1/3), or
    f = (P_static / (2 kappa))^(1/3); with it x is the root of
    2 C P_dynamic x^3 + 3 O P_dynamic x^4 = C P_static, which is unique since the left side grows.
    Beyond C / M, where M s of memory traffic bound the time, a faster clock only costs; where two
    stages have such a point each, the best of both ranges counts.
    A deadline that cannot be met gets the least clock at which nothing is faster: that, or the
    highest.
    """

    deadline: PositiveSeconds

    def share(self, job: UpdateCost, dvfs: Dvfs) -> float:
        """Return the share, between the lowest and the highest frequency."""
        found = []
        for low, high, arithmetic, fixed in job.pieces():
            top, left = min(high, 1.0), self.deadline - fixed
            if low < top:
                needed = arithmetic / left if left > 0 else top
                best = _least_energy(job, arithmetic, fixed)
                found.append(min(max(best, needed, low), top))
        in_time = [each for each in found if job.seconds(each) <= self.deadline]
        best = min(in_time, key=job.joules) if in_time else max(found, default=0.0)
        return max(best, dvfs.least)


def _least_energy(job: UpdateCost, arithmetic: float, overhead: float) -> float:
    if job.dynamic == 0:
        return 1.0
    closed = float(power(job.static / (2 * job.dynamic), 1 / 3)) if job.static else 0.0
    if overhead == 0 or closed == 0:
        return closed
    # Newton's method on a convex increasing function, from above the root: it falls monotonically.
    x = closed
    for _ in range(60):
        value = (2 * arithmetic + 3 * overhead * x) * cubed(x) - (
            arithmetic * job.static / job.dynamic
        )
        slope = (6 * arithmetic + 12 * overhead * x) * x * x
        step = value / slope
        x -= step
        if abs(step) <= 1e-15 * x:
            break
    return float(x)
