"""Server: holds the shared state, sends it out, aggregates uploads, asks for evaluations."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import simpy

from wfl_sim.compute import Hardware
from wfl_sim.entities.carrier import Transfer
from wfl_sim.entities.cell import Cell
from wfl_sim.entities.delivery import Contribution, Delivery
from wfl_sim.entities.device import Device
from wfl_sim.records import Span

if TYPE_CHECKING:
    from wfl_sim.federation import Federation


class Server:
    """The centre of the federation. It draws no energy from the ledger."""

    def __init__(self, federation: "Federation", hardware: Hardware, every: int) -> None:
        """Start from the method's initial shared state.

        Args:
            federation: the world.
            hardware: what aggregates.
            every: rounds between evaluations.
        """
        self.name = "server"
        self.hardware = hardware
        self.shared = federation.plan.initial_shared()
        self._federation = federation
        self.version = 0
        """aggregations until now"""
        self._every = every
        self._newest = self._evaluated = -1

    def __repr__(self) -> str:
        return f"Server({self.shared!r})"

    def send_out(self, cohort: Sequence[Device], number: int) -> dict[int, Delivery]:
        """Send the shared state to every device of a cohort.

        A cell that broadcasts sends once to all its members; another sends to each apart.

        Returns:
            The delivery of each device, by its index.
        """
        deliveries: dict[int, Delivery] = {}
        cells: dict[str, list[Device]] = {}
        for device in cohort:
            if device.workload.download_bits:
                cells.setdefault(device.cell.name, []).append(device)
            else:
                deliveries[device.index] = Delivery(self.shared, [device.index], None, self.version)
        for members in cells.values():
            cell = members[0].cell
            groups = [members] if cell.broadcasts else [[device] for device in members]
            for group in groups:
                delivery = self._deliver(cell, group)
                deliveries |= {device.index: delivery for device in group}
        return deliveries

    def aggregate(
        self, contributions: Sequence[Contribution], number: int
    ) -> Generator[simpy.Event, Any, None]:
        """Combine uploads, in ascending order of device, into the next shared state."""
        federation = self._federation
        arrived = [each for each in contributions if each.upload is not None]
        ordered = sorted(arrived, key=lambda each: each.device.index)
        if not any(each.device.workload.upload_bits for each in ordered):
            return
        start = federation.env.now
        flops = sum(each.device.workload.aggregate_flops for each in ordered)
        yield federation.env.timeout(self.hardware.seconds(flops))
        self.shared = federation.plan.aggregate(
            self.shared,
            [(each.device.index, each.upload) for each in ordered if each.upload is not None],
        )
        self.version += 1
        federation.spans.append(
            Span(
                start=start,
                end=federation.env.now,
                actor=self.name,
                activity="aggregate",
                round=number,
                bits=sum(each.device.workload.upload_bits for each in ordered),
                flops=flops,
            )
        )

    def evaluate(self, number: int) -> None:
        """Ask for the quality of the present states where one is due after round `number`."""
        self._newest = number
        if (number + 1) % self._every == 0:
            self._measure()

    def finish(self) -> None:
        """Ask for the quality of the last states, unless that has been done."""
        if self._newest > self._evaluated:
            self._measure()

    def _measure(self) -> None:
        self._evaluated = self._newest
        self._federation.measure(self._newest, self.shared)

    def _deliver(self, cell: Cell, group: Sequence[Device]) -> Delivery:
        env = self._federation.env
        on_air = env.event()
        receivers = [device.index for device in group]
        # Parts and codecs are the same for all devices of a broadcast, hence the bits too.
        bits = max(device.workload.download_bits for device in group)
        env.process(cell.deliver(receivers, bits, on_air))
        on_air.callbacks.append(lambda event: self._count(event.value, bits))
        return Delivery(self.shared, receivers, on_air, self.version)

    def _count(self, transfer: Transfer, bits: int) -> None:
        def sent(event: simpy.Event) -> None:
            self._federation.traffic.sent_down += bits

        transfer.done.callbacks.append(sent)
