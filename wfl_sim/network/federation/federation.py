"""Federation: the devices and servers that a rounds policy coordinates."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np
import simpy

from wfl_sim.network.carriers.background import BackgroundTraffic
from wfl_sim.network.carriers.base_station_sleep import BaseStationSleep
from wfl_sim.network.carriers.radio_access import RadioAccess
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.device import Device
from wfl_sim.network.federation.edge_server import EdgeServer
from wfl_sim.network.federation.server import Server


@dataclass(frozen=True, eq=False)
class Federation:
    """The devices and servers of one run, and the context that they share."""

    context: RunContext
    server: Server
    devices: Sequence[Device]
    """Devices in ascending order of index."""
    edges: Sequence[EdgeServer] = ()
    """Servers between the cells and the server; none if the server aggregates all uploads."""
    base_station_sleeps: Mapping[str, BaseStationSleep] = field(default_factory=dict)
    """Sleep of base stations, by the name of the cell."""
    background: Sequence[BackgroundTraffic] = ()
    """Users beside the federation."""
    radio: RadioAccess | None = None
    """Carriers and gains; None where a test needs none."""

    def __repr__(self) -> str:
        return f"Federation({len(self.devices)} devices, {self.env.now:.6g} s)"

    @property
    def env(self) -> simpy.Environment:
        """The simulated clock."""
        return self.context.env

    def settle(self) -> None:
        """Let what begins now begin: who decides outside the simulation sees who is there."""
        self.env.run(self.env.timeout(0))

    def finish(self) -> None:
        """Close all spans at the end of the run."""
        self.server.finish()
        for device in self.devices:
            device.close()
        carriers = {each.carrier.carrier: None for each in self.background}
        left = {transfer: bits for carrier in carriers for transfer, bits in carrier.finish()}
        for each in self.background:
            each.finish(left)

    def stream(self, *names: str | int) -> np.random.Generator:
        """Return the named random stream of this run."""
        return self.context.stream(*names)

    def available(self) -> list[Device]:
        """Return the devices that are present and not busy, in ascending order."""
        # In a large fleet nearly all are: only those with a change are looked at.
        maybe = self.context.maybe_unavailable
        maybe.intersection_update([i for i in maybe if not self.devices[i].available])
        rest = np.ones(len(self.devices), dtype=bool)
        rest[list(maybe)] = False
        return list(compress(self.devices, rest.tolist()))

    def wait_for_available(self) -> Generator[simpy.Event, Any, list[Device]]:
        """Wait until a device is available.

        Returns:
            The available devices; none if no device will ever come back.
        """
        while not (devices := self.available()) and not self.all_lost:
            yield self.fleet_changed()
        return devices

    @property
    def all_lost(self) -> bool:
        """Whether every device is away and none will ever come back."""
        return all(device.gone for device in self.devices)

    def fleet_changed(self) -> simpy.Event:
        """Return an event that succeeds when the fleet changes.

        A device becomes available, is lost for good, or ends its round.
        """
        return self.context.fleet_changed()

    # Names of earlier releases, for plug-ins.
    free = available
    anybody = wait_for_available
    turn = fleet_changed

    @property
    def deserted(self) -> bool:
        """`all_lost`, by its earlier name."""
        return self.all_lost
