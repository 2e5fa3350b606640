"""Minimum transmit energy under a deadline: as slow, as wide and as quiet as the time allows.

S bits in time tau over bandwidth b cost ``E(b) = tau b (N0/g) (e^x - 1)``, ``x = S ln2 / (b tau)``,
which is convex and falls with b. With ``sum b = B`` the slopes are equal where the power limit does
not bind: ``x e^x - e^x + 1 = lambda g / (tau N0)``, whose solution is
``x = 1 + W_0((lambda g / (tau N0) - 1) / e)``.
Yang et al., arXiv 1911.02417, solve the same problem with compute energy beside it.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import LN2, expm1, rounded
from channel_models.units import Unit
from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands
from wfl_sim.radio.allocation.makespan import MinimumMakespan, needed, root_of_falling


@ALLOCATORS("minimum-energy")
@dataclass(frozen=True, kw_only=True)
class MinimumEnergy:
    """Frequency-flat shares and power levels that meet the deadlines with the least energy.

    A deadline is the transfer's own or `within` of its beginning. It is solved anew at every step;
    the rate map enters as in `minimum-makespan`. Where the deadlines cannot be met, the shares are
    those of minimum makespan at full power. On a downlink, whose power density is fixed, they
    always are.
    """

    within: Annotated[float, Unit("s", minimum=0.0, maximum=3600.0, exclusive=True)]
    """s; an upload takes all of it, and so does the run of the host, sample by sample."""
    reserve: float = 0.05
    """Share of the time left that is kept in reserve against fading."""

    def __post_init__(self) -> None:
        if not 0 <= self.reserve < 1:
            raise LocatedError(f"must be at least 0 and below 1, got {self.reserve}", "reserve")

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, alike on all blocks."""
        return self.shares_and_levels(demands)[0]

    def shares_and_levels(
        self, demands: Demands
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return shares, and (n,) the part of its power that each transfer uses."""
        time = demands.time_left(self.within) * (1 - self.reserve)
        full = np.ones(len(time))
        possible = (time > 0) & (demands.bits_left > 0) & demands.usable
        if demands.spreads and possible.all():
            # Times and rests that underflow have no answer; nor have deadlines that cannot be met.
            with np.errstate(all="ignore"):
                found = self._within_deadlines(demands, time)
            if found is not None and np.isfinite(found).all():
                return demands.flat(found[0]), found[1]
        return MinimumMakespan().shares(demands), full

    def _within_deadlines(
        self, demands: Demands, time: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Return shares and levels (2, n), or None where the band is too narrow."""
        reach, block = demands.reach, demands.least_bandwidth
        wanted = demands.bits_left / time
        if not needed(wanted, reach, block).sum() < demands.bandwidth:
            return None
        bandwidth = rounded(cheapest(demands.bits_left, time, reach, demands.bandwidth, block))
        bandwidth *= demands.bandwidth / bandwidth.sum()
        level = power_level(wanted, bandwidth, reach, block)
        return np.stack((bandwidth / demands.bandwidth, np.clip(level, 0.0, 1.0)))


def cheapest(
    bits: NDArray[np.float64],
    time: NDArray[np.float64],
    reach: NDArray[np.float64],
    bandwidth: float,
    block: float = 0.0,
) -> NDArray[np.float64]:
    """Return the bandwidths in Hz that need the least energy; their sum is `bandwidth`.

    Args:
        bits: (n,) to be sent.
        time: (n,) s in which to send them.
        reach: (n,) ``P g / N0`` in Hz, with P the largest power. What each needs at that power must
            fit into the band.
        bandwidth: Hz to be divided.
        block: Hz over which a power is spread at least.
    """
    least = needed(bits / time, reach, block)
    wanted = bits * np.log(2) / time

    def divided(log_price: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bandwidths without the limit of power, and their slopes."""
        marginal = np.exp(log_price) * reach / time
        exponent = _exponent(marginal)
        width = wanted / exponent
        return width, -width * marginal / (exponent**2 * np.exp(exponent))

    def spent(log_price: float) -> tuple[float, float]:
        width, slope = divided(log_price)
        free = width > least
        return (
            float(np.where(free, width, least).sum()) / bandwidth,
            float(slope[free].sum()) / bandwidth,
        )

    price = root_of_falling(spent, float(np.log(time / reach).mean()))
    return np.maximum(divided(price)[0], least)


def _exponent(marginal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The x > 0 with ``x e^x - e^x + 1 = marginal``, by its series where W_0 meets its branch."""
    from scipy.special import lambertw

    root = np.sqrt(2 * marginal)
    series = root * (1 - root / 3 + 11 / 72 * root**2)
    inner: Any = (np.maximum(marginal, 1e-6) - 1) / np.e
    exact = 1 + np.real(lambertw(inner))
    return np.where(marginal < 1e-6, series, exact)


def power_level(
    rate: NDArray[np.float64],
    bandwidth: NDArray[np.float64],
    reach: NDArray[np.float64],
    block: float = 0.0,
) -> NDArray[np.float64]:
    """Share of the largest power that carries a rate: ``max(b, block)/G (2^(r/b) - 1)``."""
    spread = np.maximum(bandwidth, block)
    level: NDArray[np.float64] = spread / reach * expm1(rate * LN2 / bandwidth)
    return level
