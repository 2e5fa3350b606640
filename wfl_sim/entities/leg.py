"""Leg: a transfer of a device, or the part of one that went through one cell."""

from dataclasses import dataclass

import simpy

from wfl_sim.entities.carrier import Transfer
from wfl_sim.entities.cell import Access, Cell
from wfl_sim.entities.port import Port
from wfl_sim.radio.direction import Direction


@dataclass
class Leg:
    """One transfer in one cell."""

    cell: Cell
    direction: Direction
    transfer: Transfer
    torn: simpy.Event
    """fires with the bits that had arrived when another cell took over"""
    own: bool = False
    """whether the device began it; else the server did, perhaps for others too"""
    _left: simpy.Event | None = None

    @property
    def port(self) -> Port:
        """What carries it."""
        return self.cell.uplink if self.direction == "uplink" else self.cell.downlink

    @property
    def access(self) -> Access:
        """What stands beside the payload."""
        return self.cell.request if self.direction == "uplink" else self.cell.order

    def leave(self, device: int) -> simpy.Event:
        """Take a device out of the transfer, once.

        Returns:
            An event whose value is the bits that have arrived until now.
        """
        if self._left is None:
            self._left = self.port.leave(self.transfer, device)
        return self._left

    def tear(self, device: int) -> None:
        """Let another cell take over."""

        def gone(event: simpy.Event) -> None:
            self.torn.succeed(event.value)

        self.leave(device).callbacks.append(gone)
