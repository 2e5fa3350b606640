"""Federation: the devices and servers that a rounds policy coordinates."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.network.carriers.access_procedure import BaseStationSleep
from wfl_sim.network.carriers.background import BackgroundTraffic
from wfl_sim.network.carriers.radio_access import RadioAccess
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.device import Device
from wfl_sim.network.federation.server import EdgeServer, Server
from wfl_sim.radio.allocation.allocator import unknown_senders


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


def sender_facts(
    fleet: Sequence[Device], devices: NDArray[np.intp], watts: FloatArray
) -> dict[str, Any]:
    """Return the fields of `Statistics` from `battery_level` on.

    Of users beside the federation nothing is known. What is drawn is taken as affine between almost
    nothing radiated and all.
    """
    if (others := devices >= len(fleet)).any():
        facts = unknown_senders(devices, watts)
        if not others.all():
            for name, values in sender_facts(fleet, devices[~others], watts[~others]).items():
                facts[name][~others] = values
        return facts
    found = [fleet[number] for number in devices.tolist()]
    radios = [each.transceiver.radio for each in found]
    circuit, full = (
        np.array([radio.transmit_power(w) for radio, w in zip(radios, some, strict=True)])
        for some in ((1e-6 * watts).tolist(), watts.tolist())
    )
    return {
        "battery_level": np.array([each.battery_level for each in found]),
        "compute_left": np.array([each.compute_left for each in found]),
        "base_age": np.array([each.base_age for each in found]),
        "circuit": circuit,
        "amplifier": np.maximum(full - circuit, 1e-9),
    }
