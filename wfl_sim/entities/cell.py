"""Cell: a base station with an uplink and a downlink carrier, and wires to and from the server."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy

from wfl_sim.entities.carrier import Carrier, Transfer
from wfl_sim.protocols import Loss


@dataclass(frozen=True)
class Access:
    """What it takes until and beside the payload: the way onto the air."""

    delay: float = 0.0
    """s, until the first bit"""
    header: float = 0.0
    """bits beside each bit of payload"""

    def send(
        self, env: simpy.Environment, carrier: Carrier, links: Sequence[int], bits: int
    ) -> Generator[simpy.Event, Any, Transfer]:
        """Begin a transfer after the delay; its value is the transfer."""
        if self.delay:
            yield env.timeout(self.delay)
        return carrier.send(links, bits * (1 + self.header))


@dataclass(frozen=True, eq=False)
class Cell:
    """The carriers of one base station. Links are numbered by the device's index."""

    env: simpy.Environment
    name: str
    uplink: Carrier
    downlink: Carrier
    to_server: Carrier
    from_server: Carrier
    latency: float
    """s, of the wire in each direction"""
    broadcasts: bool
    request: Access
    """of the uplink"""
    order: Access
    """of the downlink"""
    loss: Loss
    """of updates on the uplink"""

    def __repr__(self) -> str:
        return f"Cell({self.name!r}, {self.uplink!r}, {self.downlink!r})"

    def deliver(
        self, receivers: Sequence[int], bits: int, on_air: simpy.Event
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one payload from the server to all `receivers`.

        `on_air` fires with the radio transfer when the wire has done its part.
        """
        yield self.from_server.send([0], bits).done
        yield self.env.timeout(self.latency)
        on_air.succeed((yield from self.order.send(self.env, self.downlink, receivers, bits)))

    def receive(self, sender: int, bits: int) -> Generator[simpy.Event, Any, Transfer]:
        """Carry one payload over the air; the value is the transfer, which has ended."""
        transfer = yield from self.request.send(self.env, self.uplink, [sender], bits)
        yield transfer.done
        return transfer

    def forward(self, bits: int) -> Generator[simpy.Event, Any, None]:
        """Carry one payload that came over the air on to the server."""
        yield self.to_server.send([0], bits).done
        yield self.env.timeout(self.latency)
