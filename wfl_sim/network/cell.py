"""Cell: a base station with an uplink and a downlink carrier, and wires to and from the server."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import simpy
from numpy.typing import NDArray

from wfl_sim.network.backhaul import Route
from wfl_sim.network.base_station_sleep import BaseStationSleep
from wfl_sim.network.carrier import BroadcastGroup
from wfl_sim.network.cell_carrier import CellCarrier
from wfl_sim.radio.cell import Direction
from wfl_sim.radio.over_the_air import AnalogUplink
from wfl_sim.radio.update_loss import UpdateLoss


class Receiver(Protocol):
    """Who can be told apart by link and gain."""

    @property
    def index(self) -> int:
        """Number of its link."""

    @property
    def mean_gain(self) -> float:
        """Linear large-scale power gain to the cell."""


R = TypeVar("R", bound=Receiver)


@dataclass(frozen=True)
class AccessOverhead:
    """What it takes until and beside the payload: the way onto the air."""

    delay: float = 0.0
    """s, until the first bit"""
    header: float = 0.0
    """bits beside each bit of payload"""
    station: BaseStationSleep | None = None
    """which may have to wake up first"""

    def granted(self, env: simpy.Environment) -> Generator[simpy.Event, Any, None]:
        """Wait until the first bit may be sent."""
        if self.station is not None:
            yield from self.station.awake()
        if self.delay:
            yield env.timeout(self.delay)

    def on_air(self, payload: float) -> float:
        """Return the bits to send for so many bits of payload."""
        return payload * (1 + self.header)

    def payload(self, sent: float) -> float:
        """Return the bits of payload among so many bits sent."""
        return sent / (1 + self.header)


@dataclass(frozen=True, eq=False)
class Cell:
    """The carriers of one base station. Links are numbered by the device's index."""

    env: simpy.Environment
    name: str
    uplink: CellCarrier
    downlink: CellCarrier
    up: Route
    """to who aggregates: the server, or an edge server"""
    down: Route
    rateless: bool
    """whether the receivers of a broadcast end each on its own"""
    hub: str
    """name of who aggregates"""
    broadcast_share: float
    """of the receivers, to whom a payload for all is sent at once; 0 where each gets its own"""
    request: AccessOverhead
    """of the uplink"""
    order: AccessOverhead
    """of the downlink"""
    loss: UpdateLoss
    """of updates on the uplink"""
    expected_rate: Callable[[Direction, float, float], float]
    """bit/s alone on the band in a direction, at a linear gain and the W of a device"""
    hears: Callable[[Sequence[int]], NDArray[np.float64]]
    """linear power gains of devices at this moment, on average over the blocks of the uplink"""
    analog: AnalogUplink
    """what a sum on the air costs"""
    station: BaseStationSleep | None = None
    """of a base station that sleeps"""

    def __repr__(self) -> str:
        return f"Cell({self.name!r}, {self.uplink!r}, {self.downlink!r})"

    def audiences(self, members: Sequence[R]) -> list[list[R]]:
        """Divide the receivers of one payload into those to whom it is sent together.

        The best mean gains share one broadcast, which runs at the rate of the worst of them; the
        others would hold it up and get their own.
        """
        best = sorted(members, key=lambda device: -device.mean_gain)
        count = math.ceil(self.broadcast_share * len(best) - 1e-9)
        chosen = {device.index for device in best[:count]}
        together = [device for device in members if device.index in chosen]
        apart = [[device] for device in members if device.index not in chosen]
        return [together, *apart] if together else apart

    def deliver(
        self, receivers: Sequence[int], bits: int, on_air: simpy.Event
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one payload from the server to all `receivers`.

        `on_air` fires with the radio transfer when the wire has done its part, to those of the
        receivers who are still there; if nobody is, it never fires.
        """
        yield from self.down.carry(self.env, bits)
        yield from self.order.granted(self.env)
        if receivers:
            on_air.succeed(self.downlink.send(receivers, self.order.on_air(bits)))

    def spread(
        self, receivers: Sequence[int], bits: int, on_air: Mapping[int, simpy.Event]
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one payload to all `receivers`, each of whom ends when it has heard enough.

        As `deliver`, with an event and a transfer for each.
        """
        yield from self.down.carry(self.env, bits)
        yield from self.order.granted(self.env)
        transmission = BroadcastGroup()
        for receiver in receivers:
            on_air[receiver].succeed(
                self.downlink.send([receiver], self.order.on_air(bits), part_of=transmission)
            )

    def forward(self, bits: int) -> Generator[simpy.Event, Any, None]:
        """Carry one payload that came over the air on to the server."""
        yield from self.up.carry(self.env, bits)
