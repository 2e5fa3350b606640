"""Cell carrier: one direction of a cell on its carrier, with access delay and header overhead."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import simpy

from wfl_sim.network.carriers.access_procedure import AccessProcedure, BaseStationSleep, Connections
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import Transfer, TransferRequest
from wfl_sim.radio.cell import Direction
from wfl_sim.radio.procedures.transport import Transport

ActivityListener = Callable[[int, bool], None]
"""Called with the device, and whether its transfer begins or ends."""


@dataclass(eq=False)
class CellCarrier:
    """The uplink or downlink of a cell. Coupled cells share a carrier.

    Links are numbered by device, and bits are those of the payload.
    """

    carrier: Carrier
    first_link: int = 0
    """Link number of device 0 on the carrier."""
    delay: float = 0.0
    """Access delay in s before the first bit."""
    header: float = 0.0
    """Header bits for each bit of payload."""
    sleep: BaseStationSleep | None = None
    """Sleep of the base station, which may have to wake up first."""
    duty: float = 1.0
    """Share of the time in which the direction is served."""
    reduced: float = 1.0
    """Share of the power of its class that a device has with QPSK."""
    listeners: Sequence[ActivityListener] = ()
    direction: Direction = "uplink"
    procedure: AccessProcedure | None = None
    """States of the devices; None where access takes `delay` alone."""
    transport: tuple[Transport, Connections] | None = None
    """Of each device with the server; None without handshakes and windows."""
    repair: Callable[[int, Transfer], float] | None = None
    """Seconds that HARQ adds to a transfer of a device; None for none."""
    _begun: dict[Transfer, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"CellCarrier({self.carrier!r}, links from {self.first_link})"

    def wait_for_access(self, devices: Sequence[int]) -> Generator[simpy.Event, Any, None]:
        """Wait until the first bit may be sent by the devices, or to them."""
        if self.sleep is None:
            yield from self._procedures(devices)
            return
        yield from self.sleep.awake()
        with self.sleep.hold():
            yield from self._procedures(devices)

    def _procedures(self, devices: Sequence[int]) -> Generator[simpy.Event, Any, None]:
        if self.delay:
            yield self.carrier.env.timeout(self.delay)
        if self.procedure is not None:
            yield from self.procedure.wait(self.direction, devices)
        if self.transport is not None and len(devices) == 1:
            transport, connections = self.transport
            if wait := connections.handshake(transport, devices[0]):
                yield self.carrier.env.timeout(wait)

    def send(self, request: TransferRequest) -> Transfer:
        """Begin a transfer whose links are devices and whose bits are those of the payload."""
        device = request.links[0]
        links = [self.first_link + each for each in request.links]
        window, repair = None, None
        if self.repair is not None and len(links) == 1 and request.group is None:
            repair = partial(self.repair, device)
        if self.transport is not None and len(links) == 1 and request.group is None:
            transport, connections = self.transport
            window = connections.window(transport, device, self.direction, self.header)
        bits = self.on_air(request.bits)
        asked = replace(request, links=links, bits=bits, window=window, repair=repair)
        transfer = self.carrier.send(asked)
        if window is not None:
            transfer.done.callbacks.append(
                lambda _: connections.ended(device, self.direction, transfer, self.header)
            )
        if (procedure := self.procedure) is not None:
            procedure.note(request.links, True)
            transfer.done.callbacks.append(
                lambda _: procedure.note([link - self.first_link for link in transfer.links], False)
            )
        if self.listeners:
            self._begun[transfer] = device
            self._notify(device, True)
            transfer.done.callbacks.append(lambda _: self._end(transfer))
        return transfer

    def leave(self, transfer: Transfer, device: int) -> simpy.Event:
        """Remove a device from a transfer, as `Carrier.leave`."""
        if self.procedure is not None and self.first_link + device in transfer.links:
            self.procedure.note([device], False)
        left = self.carrier.leave(transfer, self.first_link + device)
        if self.transport is not None and transfer.window is not None:
            self.transport[1].ended(device, self.direction, transfer, self.header)
        if self.listeners:
            left.callbacks.append(lambda _: None if transfer.links else self._end(transfer))
        return left

    def arrive(self, device: int) -> None:
        """Take note of a device that another cell hands over: it is connected."""
        if self.procedure is not None:
            self.procedure.note([device], True)
            self.procedure.note([device], False)

    def on_air(self, payload: float) -> float:
        """Return the bits on the air that carry a payload of so many bits."""
        return payload * (1 + self.header)

    def payload(self, on_air: float) -> float:
        """Return the bits of payload in so many bits on the air."""
        return on_air / (1 + self.header)

    def _end(self, transfer: Transfer) -> None:
        if transfer in self._begun:
            self._notify(self._begun.pop(transfer), False)

    def _notify(self, device: int, begins: bool) -> None:
        for listener in self.listeners:
            listener(device, begins)
