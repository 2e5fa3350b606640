"""Edge: a server between some cells and the cloud."""

from collections.abc import Collection, Generator
from typing import Any

import simpy

from wfl_sim.network.backhaul import Route
from wfl_sim.network.client import Client
from wfl_sim.network.context import RunContext
from wfl_sim.network.server import Server
from wfl_sim.records import Span


class EdgeServer:
    """An edge server: it aggregates what its cells bring, and exchanges states with the cloud."""

    def __init__(
        self,
        context: RunContext,
        server: Server,
        cells: Collection[str],
        up: Route,
        down: Route,
        upload_bits: int,
        download_bits: int,
    ) -> None:
        """Start from the state of the cloud.

        Args:
            context: of the run.
            server: what aggregates here.
            cells: names of the cells whose traffic ends here.
            up: to the cloud.
            down: from the cloud.
            upload_bits: of a state that goes up.
            download_bits: of a state that comes down.
        """
        self.name = server.name
        self.server = server
        self.fresh = False
        """whether anything has been aggregated here since the cloud's state came"""
        self._context = context
        self._cells = frozenset(cells)
        self._up = up
        self._down = down
        self._upload_bits = upload_bits
        self._download_bits = download_bits

    def __repr__(self) -> str:
        return f"Edge({self.name!r}, {len(self._cells)} cells)"

    def serves(self, device: Client) -> bool:
        """Return whether a device is in one of its cells."""
        return device.cell.name in self._cells

    def report(self, number: int) -> Generator[simpy.Event, Any, None]:
        """Send what has been aggregated here up to the cloud, if there is anything."""
        self.fresh = self.server.version > 0
        if self.fresh:
            yield from self._carry(self._up, self._upload_bits, number)

    def follow(self, cloud: Server, number: int) -> Generator[simpy.Event, Any, None]:
        """Take over the state of the cloud."""
        if self._download_bits:
            yield from self._carry(self._down, self._download_bits, number)
        self.server.shared, self.server.version = cloud.shared, 0

    def _carry(self, line: Route, bits: int, number: int) -> Generator[simpy.Event, Any, None]:
        env = self._context.env
        start = env.now
        yield from line.carry(env, bits)
        self._context.spans.append(
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
