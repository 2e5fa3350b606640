"""Device: downloads, trains, uploads, waits.

Its spans follow one another without gap from the start to the end of the run, and every change of
activity closes an interval of power in the ledger.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from wfl_sim.compute import Hardware
from wfl_sim.energy import Component
from wfl_sim.entities.carrier import Transfer
from wfl_sim.entities.cell import Cell
from wfl_sim.execution.task import Handle
from wfl_sim.protocols import Workload
from wfl_sim.records import Activity, Outcome, Span

if TYPE_CHECKING:
    from wfl_sim.federation import Federation


@dataclass(frozen=True)
class Delivery:
    """A shared state on its way to a device."""

    shared: Handle
    on_air: simpy.Event | None
    """fires with the radio transfer that brings it; None where a method sends nothing"""


@dataclass(frozen=True)
class Contribution:
    """The end of a device's part in a round."""

    device: "Device"
    upload: Handle | None
    """what has reached the server; None where it was lost on the way"""


class Device:
    """One participant of the federation."""

    def __init__(
        self,
        federation: "Federation",
        index: int,
        *,
        hardware: Hardware,
        workload: Workload,
        power: float,
        cell: Cell,
        mean_gain: float,
    ) -> None:
        """Put an idle device into a cell.

        Args:
            federation: the world.
            index: the device's number, also of its link in the cell.
            hardware: what it computes with.
            workload: costs of one local update.
            power: W, radiated while sending.
            cell: the serving cell.
            mean_gain: linear large-scale power gain to the cell.
        """
        self.name = f"device-{index}"
        self.index = index
        self.hardware = hardware
        self.workload = workload
        self.power = power
        self.cell = cell
        self.mean_gain = mean_gain
        self._federation = federation
        self._activity: Activity = "idle"
        self._round = -1
        self._since = federation.env.now
        self._joules_then = 0.0
        federation.ledger.set_power(index, "idle", hardware.idle_power, federation.env.now)

    def __repr__(self) -> str:
        return f"Device({self.name!r}, {self._activity} since {self._since:.6g} s)"

    def participate(self, number: int, delivery: Delivery) -> simpy.Process:
        """Begin one local update in round `number`.

        Returns:
            A process that ends when the upload is at the server; its value is the Contribution.
        """
        return self._federation.env.process(self._participate(number, delivery))

    def rest(self) -> None:
        """Be idle until asked again."""
        self._begin("idle", -1)

    def close(self) -> None:
        """Close the open span at the end of the run."""
        self._record(outcome="done" if self._activity == "idle" else "cut")

    def _participate(
        self, number: int, delivery: Delivery
    ) -> Generator[simpy.Event, Any, Contribution]:
        if delivery.on_air is not None:
            yield from self._download(number, delivery.on_air)
        yield from self._compute(number)
        upload = self._federation.plan.local_update(self.index, number, delivery.shared)
        if self.workload.upload_bits:
            arrived = yield from self._upload(number)
            return Contribution(self, upload if arrived else None)
        self._begin("wait", number)
        return Contribution(self, upload)

    def _download(self, number: int, on_air: simpy.Event) -> Generator[simpy.Event, Any, None]:
        self._begin("wait", number)
        transfer: Transfer = yield on_air
        self._begin("download", number)
        self._draw("receive", self.hardware.receive_power)
        yield transfer.done
        self._draw("receive", 0.0)
        self._federation.traffic.received_down += self.workload.download_bits
        self._record(bits=self.workload.download_bits, transfer=transfer)

    def _compute(self, number: int) -> Generator[simpy.Event, Any, None]:
        self._begin("compute", number)
        self._draw("compute", self.hardware.compute_power)
        flops = self.workload.update_flops
        yield self._federation.env.timeout(self.hardware.seconds(flops, self.workload.steps))
        self._draw("compute", 0.0)
        self._record(flops=flops)

    def _upload(self, number: int) -> Generator[simpy.Event, Any, bool]:
        """Send the update; the value says whether it has arrived."""
        federation, bits = self._federation, self.workload.upload_bits
        self._begin("upload", number)
        transfer = yield from self.cell.receive(self.index, bits)
        watts = transfer.radiated / transfer.airtime
        joules = self.hardware.transmit_power(watts) * transfer.airtime
        federation.ledger.add(self.index, "transmit", joules, federation.env.now)
        federation.traffic.sent_up += bits
        lost = self._is_lost(number, transfer)
        self._record(bits=bits, transfer=transfer, outcome="lost" if lost else "done")
        self._begin("wait", number)
        if not lost:
            yield from self.cell.forward(bits)
            federation.traffic.received_up += bits
        return not lost

    def _is_lost(self, number: int, transfer: Transfer) -> bool:
        heard = transfer.mean_sinr_db
        probability = self.cell.loss.probability(-np.inf if heard is None else heard)
        return probability > 0 and bool(
            self._federation.stream("loss", self.name, number).uniform() < probability
        )

    def _draw(self, component: Component, watts: float) -> None:
        federation = self._federation
        federation.ledger.set_power(self.index, component, watts, federation.env.now)

    def _begin(self, activity: Activity, number: int) -> None:
        self._record()
        self._activity, self._round = activity, number

    def _record(
        self,
        *,
        outcome: Outcome = "done",
        bits: int = 0,
        flops: float = 0.0,
        transfer: Transfer | None = None,
    ) -> None:
        """Close the open span; one that has lasted no time leaves no row."""
        federation = self._federation
        now = federation.env.now
        if now == self._since:
            return
        joules = federation.ledger.total(self.index, now)
        federation.spans.append(
            Span(
                start=self._since,
                end=now,
                actor=self.name,
                activity=self._activity,
                round=self._round,
                bits=bits,
                flops=flops,
                joules=joules - self._joules_then,
                cell=self.cell.name if transfer else "",
                outcome=outcome,
                mean_sinr_db=transfer.mean_sinr_db if transfer else None,
                mean_rate=transfer.mean_rate if transfer else None,
            )
        )
        self._since, self._joules_then = now, joules
