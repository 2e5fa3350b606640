"""Participation: what a device does in one round, from the request to its upload at the server."""

from collections.abc import Generator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import simpy

from wfl_sim.config.answers import one_number
from wfl_sim.execution.task import StateRef
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.client import Contribution, Download, JointUpload, Terms
from wfl_sim.network.devices.local_computation import LocalComputation, WorkingClient
from wfl_sim.network.devices.transceiver import TransferSegment


@dataclass(eq=False)
class Participation:
    """A process that downloads, trains and uploads, or abandons that work when it is stopped."""

    context: RunContext
    device: WorkingClient
    """The one that takes part."""
    number: int
    repetition: int
    """Number of earlier participations of the device in this round."""
    download: Download
    """Brings the state to start from."""
    _: KW_ONLY
    terms: Terms
    """What the policy sets."""
    air: JointUpload | None
    """A joint analog transmission, in place of a separate upload."""

    def __post_init__(self) -> None:
        self.working = True
        """Whether the device still works on it; its upload may be on the way to the server."""
        self.awaited = True
        """Whether the server still wants an upload that is on the way."""
        self._computation = LocalComputation(
            self.context, self.device, self.number, self.repetition, self.terms
        )
        self._joules_before, self.start = self.device.power_meter.joules(), self.context.env.now
        self._stopping = False
        self._sent: StateRef | None = None
        self.process = self.context.env.process(self._run())
        """Its value is the Contribution, or None if the work was abandoned."""

    def __repr__(self) -> str:
        return f"Participation({self.device.name!r}, round {self.number})"

    @property
    def compute_left(self) -> float:
        """Share of the local update that is still to be computed."""
        return self._computation.left if self.working else 0.0

    @property
    def base_age(self) -> int:
        """Aggregations at the server since the state from which it began."""
        return self.download.newest() - self.download.version

    def stop(self) -> simpy.Event:
        """Interrupt the work, once; an upload that is on the way is no longer awaited.

        Returns:
            An event of this moment: the work has stopped.
        """
        if not self.working:
            self.awaited = False
            if self._sent is not None:
                self.context.plan.reject(self.device.index, self._sent)
            return self.context.env.timeout(0)
        if not self._stopping:
            self._stopping = True
            self.process.interrupt()
        return self.process

    def _run(self) -> Generator[simpy.Event, Any, Contribution | None]:
        context, device, download = self.context, self.device, self.download
        number = self.number
        try:
            if download.on_air is not None:
                yield from device.transceiver.receive(download, number)
            jitter = self._stream("jitter", device.index, number)
            cut_off = device.workload.exchange and device.in_vain(self.terms.deadline)
            if not cut_off:  # a split network cannot even compute its first step
                model = device.compute.jitter
                factor = one_number(model, "draw", model.draw(jitter), least=0)
                yield from self._computation.run(factor)
            bits = device.workload.upload_bits
            if self.air is not None:
                arrived = yield from self._send_jointly(self.air)
            else:
                arrived = not (bits or cut_off) or (yield from self._upload(bits))
        except simpy.Interrupt:
            yield from self._abandon()
            return None
        self.working = False
        device.round_joules = device.power_meter.joules() - self._joules_before
        device.round_seconds = context.env.now - self.start
        # From here on the update counts, even if the device leaves: so it gets its name now.
        upload = context.plan.local_update(device.index, number, download.shared, self.repetition)
        if arrived:
            self._sent = upload
        else:
            context.plan.reject(device.index, upload)
        forwarded = bits and arrived and self.air is None
        device.activity_log.begin("backhaul" if forwarded else "wait", number)
        if forwarded:
            # It goes to the server that asked, even if another edge server serves the device now.
            asked = download.cell or device.cell
            yield from (device.cell if device.cell.hub == asked.hub else asked).forward(bits)
            context.traffic.received_up += bits
            if self.awaited and device.activity_log.activity == "backhaul":  # unless it has left
                device.activity_log.begin("wait", number)
        if arrived:
            context.received.append(device.index)
        if arrived and self.awaited:
            device.last_upload_round, device.last_upload = number, upload
        return Contribution(device, upload if arrived else None, download)

    def _upload(self, bits: int) -> Generator[simpy.Event, Any, bool]:
        """Send the update; the value tells whether it has arrived."""
        transceiver = self.device.transceiver
        if (vain := self.device.in_vain(self.terms.deadline)) is not None:
            seconds, watts = vain
            yield from transceiver.send_analog(
                seconds, min(watts, self.terms.power or watts), self.number, "lost"
            )
            return False
        segment, last = yield from transceiver.send(bits, self.number, self.terms)
        lost = self._is_lost(segment)
        self.context.traffic.lost_up += bits if lost else 0
        transceiver.record(segment, last, "lost" if lost else "done")
        return not lost

    def _send_jointly(self, air: JointUpload) -> Generator[simpy.Event, Any, bool]:
        """Send together with other devices; the value tells whether this device has sent."""
        device = self.device
        device.activity_log.begin("wait", self.number)
        seconds, watts = yield air.ready(device)
        if not watts[device.index]:
            return False
        yield from device.transceiver.send_analog(seconds, watts[device.index], self.number)
        return True

    def _abandon(self) -> Generator[simpy.Event, Any, None]:
        """Stop the present activity; its costs until now stay counted."""
        device = self.device
        if self.air is not None:
            self.air.withdraw(device)
            device.power_meter.draw("transmit", 0.0)
        segment, bits = yield from device.transceiver.abandon()
        flops = self._computation.abandon()
        device.activity_log.record(
            outcome="dropped",
            bits=bits,
            flops=flops,
            cell=segment.cell.name if segment is not None else "",
            transfer=segment.transfer if segment is not None else None,
        )
        self.working = False
        device.reachability.settle()

    def _is_lost(self, segment: TransferSegment) -> bool:
        sinr_db = segment.transfer.mean_sinr_db
        loss = segment.cell.loss
        said = loss.probability(-np.inf if sinr_db is None else sinr_db)
        probability = one_number(loss, "probability", said, least=0, most=1)
        return probability > 0 and bool(
            self._stream("loss", self.device.name, self.number).uniform() < probability
        )

    def _stream(self, *names: str | int) -> np.random.Generator:
        """Return a random stream of this local update; each repetition in a round has its own."""
        return self.context.stream(*names, *([self.repetition] if self.repetition else []))
