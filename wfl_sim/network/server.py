"""Server: holds the shared state, sends it out, aggregates uploads, asks for evaluations."""

from collections.abc import Generator, Sequence
from typing import Any

import simpy

from wfl_sim.device_models import Hardware
from wfl_sim.device_models.workload import SplitExchange
from wfl_sim.execution.plan import ReceivedUpload
from wfl_sim.network.carrier import Transfer
from wfl_sim.network.cell import Cell
from wfl_sim.network.client import Client, Contribution
from wfl_sim.network.context import RunContext
from wfl_sim.network.messages import Download, SplitReply
from wfl_sim.records import Span


class Server:
    """The centre of the federation. It draws no energy from the ledger."""

    def __init__(
        self, context: RunContext, hardware: Hardware, every: int, name: str = "server"
    ) -> None:
        """Start from the method's initial shared state.

        Args:
            context: of the run.
            hardware: what aggregates.
            every: rounds between evaluations.
            name: that of an edge server, or the default.
        """
        self.name = name
        self.hardware = hardware
        self.shared = context.plan.initial_shared()
        self._context = context
        self.version = 0
        """aggregations until now"""
        self._edge = name != "server"
        self._processor = simpy.Resource(context.env)
        self._every = every
        self._newest = self._evaluated = -1
        self._measured = 0.0
        self._watched = False

    def __repr__(self) -> str:
        return f"Server({self.shared!r})"

    def send_out(self, cohort: Sequence[Client], number: int) -> dict[int, Download]:
        """Send the shared state to every device of a cohort.

        A cell that broadcasts sends once to all its members, unless the method has something else
        for each; then, and in other cells, it sends to each apart.

        Returns:
            The delivery of each device, by its index.
        """
        deliveries: dict[int, Download] = {}
        cells: dict[str, list[Client]] = {}
        plan = self._context.plan
        bits = {each.index: plan.download_bits(each.index, self.shared) for each in cohort}
        for device in cohort:
            if bits[device.index]:
                cells.setdefault(device.cell.name, []).append(device)
            else:
                deliveries[device.index] = Download(self.shared, [device.index], None, self.version)
        for members in cells.values():
            cell = members[0].cell
            apart = members[0].workload.unicast
            groups = [[device] for device in members] if apart else cell.audiences(members)
            for group in groups:
                # A broadcast holds what is needed by whoever has missed most, or is largest.
                most = max(bits[each.index] for each in group)
                if cell.rateless and len(group) > 1:
                    deliveries |= self._spread(cell, group, most)
                    continue
                delivery = self._deliver(cell, group, most)
                deliveries |= {device.index: delivery for device in group}
        return deliveries

    def aggregate(
        self, contributions: Sequence[Contribution], number: int, noise: float | None = None
    ) -> Generator[simpy.Event, Any, None]:
        """Combine uploads, in ascending order of device, into the next shared state.

        Args:
            contributions: those without an upload are left out.
            number: of the round.
            noise: error of an average that was formed on the air, see `execution.task.Aggregate`.
        """
        context = self._context
        arrived = [each for each in contributions if each.upload is not None]
        ordered = sorted(arrived, key=lambda each: each.device.index)
        if not any(each.device.workload.upload_bits for each in ordered):
            return
        flops = sum(each.device.workload.aggregate_flops for each in ordered)
        bits = [each.device.workload.upload_bits for each in ordered]
        with self._processor.request() as turn:
            yield turn
            start = context.env.now
            yield context.env.timeout(self.hardware.seconds(flops))
        self.shared = context.plan.aggregate(
            self.shared,
            [
                ReceivedUpload(
                    upload=each.upload,
                    device=each.device.index,
                    base=each.download.shared,
                    staleness=self.version - each.download.version,
                )
                for each in ordered
                if each.upload is not None
            ],
            edge=self._edge,
            noise=noise or 0.0,
        )
        self.version += 1
        context.spans.append(
            Span(
                start=start,
                end=context.env.now,
                actor=self.name,
                activity="aggregate",
                round=number,
                bits=sum(bits) if noise is None else max(bits),
                flops=flops,
            )
        )

    def merge(
        self, below: "Sequence[Server]", number: int, *, bits: int, flops: float
    ) -> Generator[simpy.Event, Any, None]:
        """Combine the states of servers below this one into the next shared state.

        Args:
            below: the servers whose states are combined.
            number: of the round.
            bits: of each state.
            flops: to add each state to the average.
        """
        context = self._context
        if not below:
            return
        start, flops = context.env.now, len(below) * flops
        yield context.env.timeout(self.hardware.seconds(flops))
        self.shared = context.plan.aggregate(
            self.shared, [ReceivedUpload(upload=each.shared) for each in below]
        )
        self.version += 1
        context.spans.append(
            Span(
                start=start,
                end=context.env.now,
                actor=self.name,
                activity="aggregate",
                round=number,
                bits=len(below) * bits,
                flops=flops,
            )
        )

    def answer(
        self, device: Client, number: int, exchange: SplitExchange, reply: SplitReply
    ) -> Generator[simpy.Event, Any, Download | None]:
        """Do the server's part of a local step of a split network.

        The activations come over the wire; one device is served after the other.

        Returns:
            The delivery of the gradients; None where they are no longer wanted.
        """
        context, env = self._context, self._context.env
        yield from device.cell.forward(exchange.up_bits)
        context.traffic.received_up += exchange.up_bits
        with self._processor.request() as turn:
            yield turn
            if not reply.wanted:
                return None
            start = env.now
            yield env.timeout(self.hardware.seconds(exchange.server_flops))
            context.spans.append(
                Span(
                    start=start,
                    end=env.now,
                    actor=self.name,
                    activity="compute",
                    round=number,
                    flops=exchange.server_flops,
                )
            )
        return self._deliver(device.cell, [device], exchange.down_bits) if reply.wanted else None

    def evaluate(self, number: int) -> None:
        """Ask for the quality of the present states where one is due after round `number`."""
        self._newest = number
        if not self._watched and (number + 1) % self._every == 0:
            self._measure()

    def watch(self, interval: float) -> Generator[simpy.Event, Any, None]:
        """Ask for the quality of the states every `interval` s, in place of after rounds."""
        self._watched = True
        while True:
            yield self._context.env.timeout(interval)
            self._measure()

    def finish(self) -> None:
        """Ask for the quality of the last states, unless that has been done."""
        stale = self._watched and self._measured < self._context.env.now
        if stale or self._newest > self._evaluated:
            self._measure()

    def _measure(self) -> None:
        self._evaluated, self._measured = self._newest, self._context.env.now
        self._context.measure(self._newest, self.shared)

    def _deliver(self, cell: Cell, group: Sequence[Client], bits: int) -> Download:
        env = self._context.env
        on_air = env.event()
        receivers = [device.index for device in group]
        env.process(cell.deliver(receivers, bits, on_air))
        on_air.callbacks.append(lambda event: self._count(event.value, bits))
        return Download(self.shared, receivers, on_air, self.version, bits, cell)

    def _spread(self, cell: Cell, group: Sequence[Client], bits: int) -> dict[int, Download]:
        """Send one payload to several, each of whom ends on its own; it counts once."""
        env, traffic = self._context.env, self._context.traffic
        receivers = [device.index for device in group]
        on_air = {index: env.event() for index in receivers}
        served: list[object] = []

        def sent(event: simpy.Event) -> None:
            served.append(event.value)
            traffic.sent_down += bits if len(served) == 1 else 0

        for event in on_air.values():
            event.callbacks.append(lambda begun: begun.value.done.callbacks.append(sent))
        env.process(cell.spread(receivers, bits, on_air))
        return {
            index: Download(self.shared, receivers, on_air[index], self.version, bits, cell)
            for index in receivers
        }

    def _count(self, transfer: Transfer, bits: int) -> None:
        def sent(event: simpy.Event) -> None:
            self._context.traffic.sent_down += bits

        transfer.done.callbacks.append(sent)
