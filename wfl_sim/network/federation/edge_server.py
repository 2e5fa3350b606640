"""Edge server: a server between some cells and the cloud."""

from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import Any

import simpy

from wfl_sim.network.carriers.backhaul import Route
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.client import Client
from wfl_sim.network.federation.server import Server


@dataclass(eq=False)
class EdgeServer:
    """Aggregates the uploads of its cells, and exchanges states with the cloud."""

    context: RunContext
    server: Server
    """Aggregates, and holds the state; it starts from that of the cloud."""
    cells: Collection[str]
    """Names of its cells."""
    up: Route
    """Route to the cloud."""
    down: Route
    """Route from the cloud."""
    upload_bits: int
    """Bits of a state that is sent to the cloud."""
    download_bits: int
    """Bits of a state that comes from the cloud."""
    updated: bool = False
    """Whether its state differs from the last one of the cloud."""
    exchanges: bool = False
    """Whether a state is on its way to or from the cloud."""

    def __repr__(self) -> str:
        return f"EdgeServer({self.name!r}, {len(self.cells)} cells)"

    @property
    def name(self) -> str:
        """Name of the node in the backhaul."""
        return self.server.name

    def serves(self, device: Client) -> bool:
        """Return whether a device is in one of its cells."""
        return device.cell.name in self.cells

    def report(self, number: int) -> Generator[simpy.Event, Any, None]:
        """Send the state to the cloud, if there has been an aggregation."""
        self.updated = self.server.version > 0
        if self.updated:
            yield from self._carry(self.up, self.upload_bits, number)

    def follow(self, cloud: Server, number: int) -> Generator[simpy.Event, Any, None]:
        """Receive the state of the cloud."""
        if self.download_bits:
            yield from self._carry(self.down, self.download_bits, number)
        self.server.shared, self.server.version = cloud.shared, 0

    def _carry(self, route: Route, bits: int, number: int) -> Generator[simpy.Event, Any, None]:
        env = self.context.env
        start, self.exchanges = env.now, True
        yield from route.carry(env, bits)
        self.exchanges = False
        mean_rate = bits / (env.now - start)
        self.context.record(self.name, "transfer", number, start, bits=bits, mean_rate=mean_rate)
