"""Connections between devices and the server: when they were used, and their windows."""

from dataclasses import dataclass, field
from math import inf

import simpy

from wfl_sim.network.carriers.transfer import Transfer, Window
from wfl_sim.radio.cell import Direction
from wfl_sim.radio.procedures.transport import Transport


@dataclass(eq=False)
class Connections:
    """The connections of all devices. They outlive a handover."""

    env: simpy.Environment
    _used: dict[int, float] = field(default_factory=dict)
    _windows: dict[tuple[int, Direction], tuple[float, float]] = field(default_factory=dict)
    """Bits of payload of the last window, and when it was used."""

    def __repr__(self) -> str:
        return f"Connections({len(self._used)} devices)"

    def handshake(self, transport: Transport, device: int) -> float:
        """Seconds before the first bit of a device, which has a connection from then on."""
        known = self.env.now - self._used.get(device, -inf) <= transport.idle
        wait = 0.0 if known else transport.round_trips * transport.rtt
        self._used[device] = self.env.now + wait
        return wait

    def window(
        self, transport: Transport, device: int, direction: Direction, header: float
    ) -> Window:
        """Return the window with which a transfer begins now, in bits on the air.

        Windows count payload, which has `header` bits more for each of its own.
        """
        bits = transport.first_window
        if (device, direction) in self._windows:
            before, when = self._windows[device, direction]
            if self.env.now - when <= transport.restart:
                bits = before
        largest = (transport.largest_window or inf) * (1 + header)
        return Window(bits * (1 + header), transport.rtt, largest)

    def ended(self, device: int, direction: Direction, transfer: Transfer, header: float) -> None:
        """Take note of a transfer that has ended, or has been left."""
        self._used[device] = self.env.now
        if transfer.window is not None:
            bits = transfer.window.bits / (1 + header)
            self._windows[device, direction] = bits, self.env.now
