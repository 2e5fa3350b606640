"""Wire: a backhaul link as a medium, its capacity shared equally by what is under way."""

from dataclasses import dataclass

import numpy as np

from wfl_sim.entities.carrier import Flow, Traffic


@dataclass(frozen=True)
class Wire:
    """Processor sharing of a constant capacity."""

    capacity: float
    """bit/s"""

    def flow(self, traffic: Traffic, now: float, steps: int) -> Flow:
        """Give every transfer capacity / n, until the set changes."""
        count = len(traffic.bits_left)
        rate = np.full((1, count), self.capacity / count)
        return Flow(
            until=np.array([np.inf]),
            rate=rate,
            average_rate=rate,
            time_constant=np.inf,
            duty=1.0,
            power=np.zeros((1, count)),
            sinr_db=np.full((1, count), np.nan),
        )
