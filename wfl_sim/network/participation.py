"""Participation: what a device does in one round, from being asked to its upload at the server."""

from collections.abc import Generator
from typing import Any, Protocol

import numpy as np
import simpy

from wfl_sim.execution.task import StateRef
from wfl_sim.network.client import Contribution, JointUpload
from wfl_sim.network.context import RunContext
from wfl_sim.network.local_computation import ComputingDevice, LocalComputation
from wfl_sim.network.messages import Download
from wfl_sim.network.reachability import Reachability
from wfl_sim.network.transceiver import TransferSegment
from wfl_sim.records import Outcome


class ParticipatingDevice(ComputingDevice, Protocol):
    """What a round uses, and changes, of a device."""

    reachability: Reachability
    round_joules: float
    round_seconds: float
    last_upload: StateRef | None
    last_upload_round: int


class Participation:
    """Downloads, trains, uploads; or abandons what it is doing, once it is told to stop."""

    def __init__(
        self,
        context: RunContext,
        device: ParticipatingDevice,
        number: int,
        turn: int,
        download: Download,
        *,
        deadline: float,
        air: JointUpload | None,
    ) -> None:
        """Begin.

        Args:
            context: of the run.
            device: that takes part.
            number: of the round.
            turn: parts that the device has taken in this round before.
            download: what brings the state to start from.
            deadline: s on the simulated clock, when the upload should be through.
            air: a joint analog transmission, in place of an upload of its own.
        """
        self.at_work = True
        """whether the device still works on it; what has left the device may be on the way"""
        self._context = context
        self._device = device
        self._number = number
        self._turn = turn
        self._download = download
        self._deadline = deadline
        self._air = air
        self._update = LocalComputation(context, device, number, turn)
        self._spent_then, self._asked = device.body.joules(), context.env.now
        self._stopping = False
        self.process = context.env.process(self._run())
        """ends with the Contribution as value, or with None when the work has been abandoned"""

    def __repr__(self) -> str:
        return f"Participation({self._device.name!r}, round {self._number}, turn {self._turn})"

    def stop(self) -> None:
        """Interrupt what is being done, once."""
        if self.at_work and not self._stopping:
            self._stopping = True
            self.process.interrupt()

    def _run(self) -> Generator[simpy.Event, Any, Contribution | None]:
        context, device, download = self._context, self._device, self._download
        number, bits = self._number, device.workload.upload_bits
        try:
            if download.on_air is not None:
                yield from device.transceiver.receive(download, number)
            jitter = self._stream("jitter", device.index, number)
            yield from self._update.run(device.computing.jitter.draw(jitter))
            if self._air is not None:
                arrived = yield from self._sound(self._air)
            else:
                arrived = not bits or (yield from self._upload(bits))
        except simpy.Interrupt:
            yield from self._abandon()
            return None
        self.at_work = False
        device.round_joules = device.body.joules() - self._spent_then
        device.round_seconds = context.env.now - self._asked
        # From here on the update is a fact, whatever becomes of the device: so it is named here.
        upload = context.plan.local_update(device.index, number, download.shared, self._turn)
        device.diary.begin("wait", number)
        if bits and arrived and self._air is None:
            # Who has asked must get it, even where another edge server serves the device by now.
            asked = download.cell or device.cell
            yield from (device.cell if device.cell.hub == asked.hub else asked).forward(bits)
            context.traffic.received_up += bits
        if arrived:
            device.last_upload_round, device.last_upload = number, upload
        return Contribution(device, upload if arrived else None, download)

    def _upload(self, bits: int) -> Generator[simpy.Event, Any, bool]:
        """Send the update; the value says whether it has arrived."""
        device = self._device
        leg, bits = yield from device.transceiver.send(bits, self._number, self._deadline)
        lost = self._is_lost(leg)
        self._context.traffic.lost_up += bits if lost else 0
        outcome: Outcome = "lost" if lost else "done"
        device.diary.record(bits=bits, cell=leg.cell.name, transfer=leg.transfer, outcome=outcome)
        return not lost

    def _sound(self, air: JointUpload) -> Generator[simpy.Event, Any, bool]:
        """Send together with all others; the value says whether this device has."""
        device = self._device
        device.diary.begin("wait", self._number)
        seconds, watts = yield air.ready(device)
        if not watts[device.index]:
            return False
        yield from device.transceiver.send_analog(seconds, watts[device.index], self._number)
        return True

    def _abandon(self) -> Generator[simpy.Event, Any, None]:
        """Give up what is being done: what it has cost until now stays counted."""
        device = self._device
        if self._air is not None:
            self._air.withdraw(device)
            device.body.draw("transmit", 0.0)
        leg, bits = yield from device.transceiver.abandon()
        flops = self._update.abandon()
        device.diary.record(
            outcome="dropped",
            bits=bits,
            flops=flops,
            cell=leg.cell.name if leg is not None else "",
            transfer=leg.transfer if leg is not None else None,
        )
        self.at_work = False
        device.reachability.settle()

    def _is_lost(self, leg: TransferSegment) -> bool:
        heard = leg.transfer.mean_sinr_db
        probability = leg.cell.loss.probability(-np.inf if heard is None else heard)
        return probability > 0 and bool(
            self._stream("loss", self._device.name, self._number).uniform() < probability
        )

    def _stream(self, *names: str | int) -> np.random.Generator:
        """Return a stream of this local update; a second one in the same round has its own."""
        return self._context.stream(*names, *([self._turn] if self._turn else []))
