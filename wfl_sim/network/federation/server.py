"""Servers: they hold a shared state, send it out, aggregate uploads, and request evaluations."""

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy

from wfl_sim.device_models import Hardware
from wfl_sim.device_models.workload import StepExchange
from wfl_sim.execution.plan import ReceivedUpload
from wfl_sim.network.carriers.backhaul import Route
from wfl_sim.network.carriers.cell import Cell
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.client import Client, Contribution, Download, StepReply


class Server:
    """The centre of the federation, or the aggregator of an edge server.

    It starts from the method's initial shared state, and draws no energy from the ledger.

    Args:
        context: of the run.
        hardware: computes aggregations.
        every: rounds between evaluations.
        name: that of an edge server, or the default.
    """

    def __init__(
        self, context: RunContext, hardware: Hardware, every: int, name: str = "server"
    ) -> None:
        self.name = name
        self.hardware = hardware
        self.shared = context.plan.initial_shared()
        self.version = 0
        """Number of aggregations until now."""
        self._context = context
        self._is_edge = name != "server"
        self._processor = simpy.Resource(context.env)
        self._every = every
        self._newest = self._evaluated = -1
        self._evaluated_at = 0.0
        self._watched = False

    def _aggregations(self) -> int:
        return self.version

    def __repr__(self) -> str:
        return f"Server({self.shared!r})"

    def send_out(self, cohort: Sequence[Client], number: int) -> dict[int, Download]:
        """Send the shared state to every device of a cohort.

        A cell that broadcasts sends once to its devices, unless the method sends each of them
        something else. Other cells send to each device apart.

        Returns:
            The download of each device, by its index.
        """
        downloads: dict[int, Download] = {}
        cells: dict[str, list[Client]] = {}
        plan = self._context.plan
        bits = {each.index: plan.download_bits(each.index, self.shared) for each in cohort}
        for device in cohort:
            if bits[device.index]:
                cells.setdefault(device.cell.name, []).append(device)
            else:
                downloads[device.index] = Download(
                    self.shared, [device.index], None, self.version, newest=self._aggregations
                )
        for members in cells.values():
            cell = members[0].cell
            unicast = members[0].workload.unicast
            groups = [[device] for device in members] if unicast else cell.broadcast_groups(members)
            for group in groups:
                # A broadcast has the size that the receiver with the largest download needs, and
                # what is for each of the others alone.
                largest = max(bits[each.index] for each in group)
                others = (len(group) - 1) * group[0].workload.own_download_bits
                downloads |= self._send(cell, group, largest + others)
        return downloads

    def aggregate(
        self, contributions: Sequence[Contribution], number: int, noise: float | None = None
    ) -> Generator[simpy.Event, Any, None]:
        """Combine uploads, in ascending order of device, into the next shared state.

        Args:
            contributions: those without an upload are left out.
            number: of the round.
            noise: error of over-the-air aggregation, see `execution.task.Aggregate`.
        """
        context = self._context
        arrived = [each for each in contributions if each.upload is not None]
        ordered = sorted(arrived, key=lambda each: each.device.index)
        context.aggregations += 1
        context.empty_aggregations += not ordered
        if not any(each.device.workload.upload_bits for each in ordered):
            return
        flops = sum(each.device.workload.aggregate_flops for each in ordered)
        bits = [each.device.workload.upload_bits for each in ordered]
        with self._processor.request() as granted:
            yield granted
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
            edge=self._is_edge,
            noise=noise or 0.0,
            number=number,
        )
        self.version += 1
        total = sum(bits) if noise is None else max(bits)
        context.record(self.name, "aggregate", number, start, bits=total, flops=flops)

    def merge(
        self, below: "Sequence[Server]", number: int, *, bits: int, flops: float
    ) -> Generator[simpy.Event, Any, None]:
        """Combine the states of edge servers into the next shared state.

        Args:
            below: the servers whose states are combined.
            number: of the round.
            bits: of each state.
            flops: of adding one state to the average.
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
        total = len(below) * bits
        context.record(self.name, "aggregate", number, start, bits=total, flops=flops)

    def answer(
        self, device: Client, number: int, exchange: StepExchange, reply: StepReply
    ) -> Generator[simpy.Event, Any, Download | None]:
        """Compute the server's part of a local step of a split network.

        The activations come over the backhaul; devices are served one after the other.

        Returns:
            The download of the gradients; None if they are no longer wanted.
        """
        context, env = self._context, self._context.env
        yield from device.cell.forward(exchange.up_bits)
        context.traffic.received_up += exchange.up_bits
        with self._processor.request() as granted:
            yield granted
            if not reply.wanted:
                return None
            start, flops = env.now, exchange.server_flops
            yield env.timeout(self.hardware.seconds(flops))
            context.record(self.name, "compute", number, start, flops=flops)
        if not reply.wanted:
            return None
        return self._send(device.cell, [device], exchange.down_bits)[device.index]

    def evaluate(self, number: int) -> None:
        """Request an evaluation of the present states if one is due after round `number`."""
        self._newest = number
        self._context.complete()
        if not self._watched and (number + 1) // self._every > (self._evaluated + 1) // self._every:
            self._measure()

    def watch(self, interval: float) -> Generator[simpy.Event, Any, None]:
        """Request an evaluation every `interval` s, in place of after rounds."""
        self._watched = True
        while True:
            yield self._context.env.timeout(interval)
            self._measure()

    def finish(self) -> None:
        """Request an evaluation of the last states, unless they have been evaluated."""
        # Intervals add up to the end of the run but for rounding.
        outdated = self._watched and self._evaluated_at < self._context.env.now * (1 - 1e-12)
        if outdated or self._newest > self._evaluated:
            self._measure()

    def _measure(self) -> None:
        self._evaluated, self._evaluated_at = self._newest, self._context.env.now
        self._context.measure(self._newest, self.shared)

    def _send(self, cell: Cell, group: Sequence[Client], bits: int) -> dict[int, Download]:
        """Begin to send one payload to a group; it counts once when a transfer is complete."""
        env, traffic = self._context.env, self._context.traffic
        receivers = [device.index for device in group]
        complete: list[simpy.Event] = []

        def count(transfer_done: simpy.Event) -> None:
            complete.append(transfer_done)
            traffic.sent_down += bits if len(complete) == 1 else 0

        def begin(on_air: simpy.Event) -> None:
            transfer: Any = on_air.value
            transfer.done.callbacks.append(count)

        if cell.rateless and len(group) > 1:
            on_air = {index: env.event() for index in receivers}
            process = cell.deliver_rateless(receivers, bits, on_air)
        else:
            on_air = dict.fromkeys(receivers, env.event())
            process = cell.deliver(receivers, bits, on_air[receivers[0]])
        for event in dict.fromkeys(on_air.values()):
            event.callbacks.append(begin)
        env.process(process)
        return {
            index: Download(
                self.shared, receivers, event, self.version, bits, cell, self._aggregations
            )
            for index, event in on_air.items()
        }


@dataclass(eq=False)
class EdgeServer:
    """Aggregates the uploads of its cells, and exchanges states with the cloud."""

    context: RunContext
    server: Server
    """Aggregates, and holds the state; it starts from that of the cloud."""
    cells: Collection[str]
    """Names of its cells."""
    up: Route
    """Route to the cloud."""
    down: Route
    """Route from the cloud."""
    state_bits: int
    """Bits of a state that is sent to the cloud, or comes from it."""
    updated: bool = False
    """Whether its state differs from the last one of the cloud."""
    exchanges: bool = False
    """Whether a state is on its way to or from the cloud."""

    def __repr__(self) -> str:
        return f"EdgeServer({self.name!r}, {len(self.cells)} cells)"

    @property
    def name(self) -> str:
        """Name of the node in the backhaul."""
        return self.server.name

    def serves(self, device: Client) -> bool:
        """Return whether a device is in one of its cells."""
        return device.cell.name in self.cells

    def report(self, number: int) -> Generator[simpy.Event, Any, None]:
        """Send the state to the cloud, if there has been an aggregation."""
        self.updated = self.server.version > 0
        if self.updated:
            yield from self._carry(self.up, number)

    def follow(self, cloud: Server, number: int) -> Generator[simpy.Event, Any, None]:
        """Receive the state of the cloud."""
        yield from self._carry(self.down, number)
        self.server.shared, self.server.version = cloud.shared, 0

    def _carry(self, route: Route, number: int) -> Generator[simpy.Event, Any, None]:
        env, bits = self.context.env, self.state_bits
        start, self.exchanges = env.now, True
        yield from route.carry(env, bits)
        self.exchanges = False
        mean_rate = bits / (env.now - start)
        self.context.record(self.name, "transfer", number, start, bits=bits, mean_rate=mean_rate)
