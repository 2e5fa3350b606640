"""Cell: a base station with an uplink and a downlink, and routes to and from the server."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import simpy

from channel_models.validation import FloatArray
from wfl_sim.network.carriers.access_procedure import BaseStationSleep
from wfl_sim.network.carriers.backhaul import Route
from wfl_sim.network.carriers.cell_carrier import CellCarrier
from wfl_sim.network.carriers.transfer import BroadcastGroup, TransferRequest
from wfl_sim.radio.allocation.makespan import Outlook
from wfl_sim.radio.cell import Direction
from wfl_sim.radio.over_the_air import AnalogUplink
from wfl_sim.radio.procedures.update_loss import UpdateLoss


class Receiver(Protocol):
    """What a cell needs to know of a receiver."""

    @property
    def index(self) -> int:
        """Number of its link."""

    @property
    def mean_gain(self) -> float:
        """Linear large-scale power gain to the cell."""


R = TypeVar("R", bound=Receiver)


@dataclass(frozen=True, eq=False)
class Cell:
    """The radio links and backhaul routes of one base station. Links are numbered by device."""

    env: simpy.Environment
    name: str
    uplink: CellCarrier
    downlink: CellCarrier
    route_up: Route
    """Route to the server, or edge server, that aggregates."""
    route_down: Route
    hub: str
    """Name of the server, or edge server, that aggregates."""
    rateless: bool
    """Whether each receiver of a broadcast ends on its own."""
    broadcast_share: float
    """Share of the receivers that one broadcast serves; 0 if each has a transfer of its own."""
    loss: UpdateLoss
    """Loss of updates on the uplink."""
    expected_rate: Callable[[Direction, float, float], float]
    """Rate in bit/s alone on the band, from direction, linear gain and the W of a device."""
    uplink_outlook: Callable[[FloatArray, FloatArray], tuple[Outlook, float, float]]
    """Mean rates over bandwidth of linear gains and W, Hz of the uplink and of a block."""
    uplink_gains: Callable[[Sequence[int]], FloatArray]
    """Present linear power gains of devices, averaged over the blocks of the uplink."""
    analog: AnalogUplink
    """Costs of over-the-air aggregation."""
    sleep: BaseStationSleep | None = None
    """Sleep of the base station; None if it does not sleep."""

    def __repr__(self) -> str:
        return f"Cell({self.name!r}, {self.uplink!r}, {self.downlink!r})"

    def carrier(self, direction: Direction) -> CellCarrier:
        """Return the uplink or the downlink."""
        return self.uplink if direction == "uplink" else self.downlink

    def broadcast_groups(self, receivers: Sequence[R]) -> list[list[R]]:
        """Divide the receivers of one payload into groups that share a transfer.

        The receivers with the best mean gains share one broadcast, which runs at the rate of its
        worst receiver. Each of the others would slow it down, and has a transfer of its own.
        """
        best = sorted(receivers, key=lambda device: -device.mean_gain)
        count = math.ceil(self.broadcast_share * len(best) - 1e-9)
        chosen = {device.index for device in best[:count]}
        together = [device for device in receivers if device.index in chosen]
        apart = [[device] for device in receivers if device.index not in chosen]
        return [together, *apart] if together else apart

    def deliver(
        self, receivers: Sequence[int], bits: int, on_air: simpy.Event
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one payload from the server to all `receivers`, in one transfer.

        `on_air` succeeds with the transfer when it begins, after the backhaul. The receivers are
        those that are still waiting at that moment; without any, `on_air` never succeeds.
        """
        yield from self._reach_air(bits, receivers)
        if receivers:
            on_air.succeed(self.downlink.send(TransferRequest(receivers, bits)))

    def deliver_rateless(
        self, receivers: Sequence[int], bits: int, on_air: Mapping[int, simpy.Event]
    ) -> Generator[simpy.Event, Any, None]:
        """Carry one payload to all `receivers` by a rateless code: a transfer for each."""
        yield from self._reach_air(bits, receivers)
        group = BroadcastGroup()
        for receiver in receivers:
            transfer = self.downlink.send(TransferRequest([receiver], bits, group=group))
            on_air[receiver].succeed(transfer)

    def forward(self, bits: int) -> Generator[simpy.Event, Any, None]:
        """Carry one payload that has come over the air to the server."""
        yield from self.route_up.carry(self.env, bits)

    def _reach_air(self, bits: int, receivers: Sequence[int]) -> Generator[simpy.Event, Any, None]:
        yield from self.route_down.carry(self.env, bits)
        yield from self.downlink.wait_for_access(tuple(receivers))
