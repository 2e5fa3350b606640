"""Description of a battery: capacity, cut-off, charging and harvest."""

from dataclasses import dataclass
from typing import Annotated, Final

from channel_models.units import Fraction, PositiveJoule, Watt
from wfl_sim.config.csv_tables import PowerTrace
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import Shorthand

_SHORTEST: Final = 1e-3
"""s; each cycle of an empty battery is some events, and a run has many seconds."""


@dataclass(frozen=True, kw_only=True)
class Battery:
    """A store of energy with an ideal charger.

    Its level obeys dE/dt = charging + harvest - draw, held at `capacity`; what comes in when it is
    full is spilled. At the level `cutoff` the device dies, that is, draws nothing from then on; it
    comes back when charging has brought the level to `restart`. Losses of cell and charger are
    not modelled: give powers behind them.
    """

    capacity: PositiveJoule
    initial: Fraction = 1.0
    """Level at the start, as a share of the capacity."""
    cutoff: Fraction = 0.0
    """Level at which the device dies, as a share of the capacity."""
    restart: Fraction = 0.2
    """Level at which a dead device comes back, as a share of the capacity."""
    charging: Watt = 0.0
    """Constant power in W from a charger that is always connected."""
    harvest: Annotated[PowerTrace, Shorthand("path")] | None = None
    """Power over time, added to `charging`; the trace repeats."""

    def __post_init__(self) -> None:
        if self.initial <= self.cutoff:
            raise LocatedError(
                f"must be greater than cutoff {self.cutoff:g}, got {self.initial:g}", "initial"
            )
        if self.restart <= self.cutoff:
            raise LocatedError(
                f"must be greater than cutoff {self.cutoff:g}, got {self.restart:g}", "restart"
            )
        peak = self.charging + (0.0 if self.harvest is None else self.harvest.steps.values.max())
        least = _SHORTEST * peak / (self.restart - self.cutoff)
        if self.capacity < least:
            raise LocatedError(
                f"must be at least {least:.3g} J, so that {peak:g} W charge it from cutoff to "
                f"restart in 1 ms or more, got {self.capacity:g} J",
                "capacity",
            )

    @property
    def revives(self) -> bool:
        """Whether an empty battery fills again."""
        return self.charging > 0 or (self.harvest is not None and self.harvest.steps.mean > 0)

    def income(self, time: float) -> tuple[float, float]:
        """Return the charging power in W from `time` on, and the time in s until which it holds."""
        if self.harvest is None:
            return self.charging, float("inf")
        watts, until = self.harvest.steps.at(time)
        return self.charging + watts, until
