"""Participation: what a device does in one round, from the request to its upload at the server."""

from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from wfl_sim.network.client import Contribution, Download, JointUpload, Terms
from wfl_sim.network.context import RunContext
from wfl_sim.network.local_computation import LocalComputation, WorkingClient
from wfl_sim.network.transceiver import TransferSegment


class Participation:
    """A process that downloads, trains and uploads, or abandons that work when it is stopped.

    Args:
        context: of the run.
        device: that takes part.
        number: of the round.
        repetition: number of earlier participations of the device in this round.
        download: brings the state to start from.
        terms: what the policy sets.
        air: a joint analog transmission, in place of a separate upload.
    """

    def __init__(
        self,
        context: RunContext,
        device: WorkingClient,
        number: int,
        repetition: int,
        download: Download,
        *,
        terms: Terms,
        air: JointUpload | None,
    ) -> None:
        self.working = True
        """Whether the device still works on it; its upload may be on the way to the server."""
        self._context = context
        self._device = device
        self._number = number
        self._repetition = repetition
        self._download = download
        self._terms = terms
        self._air = air
        self._computation = LocalComputation(context, device, number, repetition, terms)
        self._joules_before, self.start = device.power_meter.joules(), context.env.now
        self._stopping = False
        self.process = context.env.process(self._run())
        """Its value is the Contribution, or None if the work was abandoned."""

    def __repr__(self) -> str:
        return f"Participation({self._device.name!r}, round {self._number})"

    @property
    def compute_left(self) -> float:
        """Share of the local update that is still to be computed."""
        return self._computation.left if self.working else 0.0

    @property
    def base_age(self) -> int:
        """Aggregations at the server since the state from which it began."""
        return self._download.newest() - self._download.version

    def stop(self) -> None:
        """Interrupt the work, once."""
        if self.working and not self._stopping:
            self._stopping = True
            self.process.interrupt()

    def _run(self) -> Generator[simpy.Event, Any, Contribution | None]:
        context, device, download = self._context, self._device, self._download
        number = self._number
        try:
            if download.on_air is not None:
                yield from device.transceiver.receive(download, number)
            jitter = self._stream("jitter", device.index, number)
            cut_off = device.workload.exchange and device.in_vain(self._terms.deadline)
            if not cut_off:  # a split network cannot even compute its first step
                yield from self._computation.run(device.compute.jitter.draw(jitter))
            bits = device.workload.upload_bits
            if self._air is not None:
                arrived = yield from self._send_jointly(self._air)
            else:
                arrived = not (bits or cut_off) or (yield from self._upload(bits))
        except simpy.Interrupt:
            yield from self._abandon()
            return None
        self.working = False
        device.round_joules = device.power_meter.joules() - self._joules_before
        device.round_seconds = context.env.now - self.start
        # From here on the update counts, even if the device leaves: so it gets its name now.
        upload = context.plan.local_update(device.index, number, download.shared, self._repetition)
        if not arrived:
            context.plan.reject(device.index, upload)
        forwarded = bits and arrived and self._air is None
        device.activity_log.begin("backhaul" if forwarded else "wait", number)
        if forwarded:
            # It goes to the server that asked, even if another edge server serves the device now.
            asked = download.cell or device.cell
            yield from (device.cell if device.cell.hub == asked.hub else asked).forward(bits)
            context.traffic.received_up += bits
            if device.activity_log.activity == "backhaul":  # unless it has been dismissed, or left
                device.activity_log.begin("wait", number)
        if arrived:
            device.last_upload_round, device.last_upload = number, upload
        return Contribution(device, upload if arrived else None, download)

    def _upload(self, bits: int) -> Generator[simpy.Event, Any, bool]:
        """Send the update; the value tells whether it has arrived."""
        transceiver = self._device.transceiver
        if (vain := self._device.in_vain(self._terms.deadline)) is not None:
            seconds, watts = vain
            yield from transceiver.send_analog(
                seconds, min(watts, self._terms.power or watts), self._number, "lost"
            )
            return False
        segment, bits = yield from transceiver.send(bits, self._number, self._terms)
        lost = self._is_lost(segment)
        self._context.traffic.lost_up += bits if lost else 0
        transceiver.record(segment, bits, "lost" if lost else "done")
        return not lost

    def _send_jointly(self, air: JointUpload) -> Generator[simpy.Event, Any, bool]:
        """Send together with other devices; the value tells whether this device has sent."""
        device = self._device
        device.activity_log.begin("wait", self._number)
        seconds, watts = yield air.ready(device)
        if not watts[device.index]:
            return False
        yield from device.transceiver.send_analog(seconds, watts[device.index], self._number)
        return True

    def _abandon(self) -> Generator[simpy.Event, Any, None]:
        """Stop the present activity; its costs until now stay counted."""
        device = self._device
        if self._air is not None:
            self._air.withdraw(device)
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
        probability = segment.cell.loss.probability(-np.inf if sinr_db is None else sinr_db)
        return probability > 0 and bool(
            self._stream("loss", self._device.name, self._number).uniform() < probability
        )

    def _stream(self, *names: str | int) -> np.random.Generator:
        """Return a random stream of this local update; each repetition in a round has its own."""
        return self._context.stream(*names, *([self._repetition] if self._repetition else []))
