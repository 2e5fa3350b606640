"""Port: one cell's part of a carrier."""

from collections.abc import Callable, Sequence

import simpy

from wfl_sim.network.carrier import BroadcastGroup, Carrier, Transfer


class CellCarrier:
    """A cell's door to a carrier, which coupled cells share. Links are numbered by device."""

    def __init__(
        self,
        carrier: Carrier,
        first: int = 0,
        changed: Callable[[int, bool], None] | None = None,
    ) -> None:
        """Take a part of a carrier.

        Args:
            carrier: that serves it.
            first: number of its link with device 0.
            changed: is told the device and whether it begins or ends to use the air.
        """
        self._carrier = carrier
        self._first = first
        self._changed = changed
        self._begun: dict[Transfer, int] = {}

    def __repr__(self) -> str:
        return f"Port({self._carrier!r}, links from {self._first})"

    def also_tell(self, listener: Callable[[int, bool], None]) -> None:
        """Tell one more who begins and who ends to use the air."""
        before = self._changed

        def both(device: int, begins: bool) -> None:
            if before is not None:
                before(device, begins)
            listener(device, begins)

        self._changed = both

    def send(
        self,
        devices: Sequence[int],
        bits: float,
        weight: float = 1.0,
        deadline: float = float("inf"),
        watch: Callable[[float, float], None] | None = None,
        part_of: BroadcastGroup | None = None,
    ) -> Transfer:
        """Begin a transfer to or from devices, as `Carrier.send`."""
        links = [self._first + device for device in devices]
        transfer = self._carrier.send(links, bits, weight, deadline, watch, part_of)
        if self._changed is not None:
            self._begun[transfer] = devices[0]
            self._changed(devices[0], True)
            transfer.done.callbacks.append(lambda _: self._over(transfer))
        return transfer

    def leave(self, transfer: Transfer, device: int) -> simpy.Event:
        """Take a device out of a transfer, as `Carrier.leave`."""
        left = self._carrier.leave(transfer, self._first + device)
        if self._changed is not None:

            def look(_: simpy.Event) -> None:
                if not transfer.links:
                    self._over(transfer)

            left.callbacks.append(look)
        return left

    def _over(self, transfer: Transfer) -> None:
        if self._changed is not None and transfer in self._begun:
            self._changed(self._begun.pop(transfer), False)

    def refresh(self) -> None:
        """Let the rates follow gains that have changed."""
        self._carrier.refresh()
