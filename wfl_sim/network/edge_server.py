"""Edge: a server between some cells and the cloud."""

from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, Any

import simpy

from wfl_sim.network.backhaul import Route
from wfl_sim.network.device import Device
from wfl_sim.network.server import Server
from wfl_sim.records import Span

if TYPE_CHECKING:
    from wfl_sim.network.federation import Federation


class EdgeServer:
    """An edge server: it aggregates what its cells bring, and exchanges states with the cloud."""

    def __init__(
        self,
        federation: "Federation",
        server: Server,
        cells: Collection[str],
        up: Route,
        down: Route,
    ) -> None:
        """Start from the state of the cloud.

        Args:
            federation: the world.
            server: what aggregates here.
            cells: names of the cells whose traffic ends here.
            up: to the cloud.
            down: from the cloud.
        """
        self.name = server.name
        self.server = server
        self.fresh = False
        """whether anything has been aggregated here since the cloud's state came"""
        self._federation = federation
        self._cells = frozenset(cells)
        self._up = up
        self._down = down

    def __repr__(self) -> str:
        return f"Edge({self.name!r}, {len(self._cells)} cells)"

    def serves(self, device: Device) -> bool:
        """Return whether a device is in one of its cells."""
        return device.cell.name in self._cells

    def report(self, number: int) -> Generator[simpy.Event, Any, None]:
        """Send what has been aggregated here up to the cloud, if there is anything."""
        self.fresh = self.server.version > 0
        if self.fresh:
            bits = max(device.workload.upload_bits for device in self._federation.devices)
            yield from self._carry(self._up, bits, number)

    def follow(self, cloud: Server, number: int) -> Generator[simpy.Event, Any, None]:
        """Take over the state of the cloud."""
        bits = max(device.workload.download_bits for device in self._federation.devices)
        if bits:
            yield from self._carry(self._down, bits, number)
        self.server.shared, self.server.version = cloud.shared, 0

    def _carry(self, line: Route, bits: int, number: int) -> Generator[simpy.Event, Any, None]:
        env = self._federation.env
        start = env.now
        yield from line.carry(env, bits)
        self._federation.spans.append(
            Span(
                start=start,
                end=env.now,
                actor=self.name,
                activity="transfer",
                round=number,
                bits=bits,
                mean_rate=bits / (env.now - start),
            )
        )
