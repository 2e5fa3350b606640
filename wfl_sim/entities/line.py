"""Line: the way of a payload through the backhaul."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

from wfl_sim.entities.carrier import Carrier


@dataclass(frozen=True, eq=False)
class Line:
    """A route from one node to another. Several lines may share a carrier, and links on it."""

    carrier: Carrier
    route: int
    """its number on the carrier"""
    latency: float
    """s"""

    def carry(self, env: simpy.Environment, bits: float) -> Generator[simpy.Event, Any, None]:
        """Bring a payload to the other end."""
        yield self.carrier.send([self.route], bits).done
        yield env.timeout(self.latency)
