"""Transceiver: a device's end of the air, in the cell of the moment and through every handover."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

from wfl_sim.device_models.energy import Component
from wfl_sim.device_models.radio_power import RadioPower
from wfl_sim.network.activity_log import ActivityLog
from wfl_sim.network.carrier import Transfer
from wfl_sim.network.cell import AccessOverhead, Cell
from wfl_sim.network.cell_carrier import CellCarrier
from wfl_sim.network.context import RunContext
from wfl_sim.network.messages import Download
from wfl_sim.network.power_meter import PowerMeter
from wfl_sim.radio.cell import Direction


@dataclass
class TransferSegment:
    """One transfer in one cell."""

    cell: Cell
    direction: Direction
    transfer: Transfer
    torn: simpy.Event
    """fires with the bits that had arrived when another cell took over"""
    own: bool = False
    """whether the device began it; else the server did, perhaps for others too"""
    _left: simpy.Event | None = None

    @property
    def port(self) -> CellCarrier:
        """What carries it."""
        return self.cell.uplink if self.direction == "uplink" else self.cell.downlink

    @property
    def access(self) -> AccessOverhead:
        """What stands beside the payload."""
        return self.cell.request if self.direction == "uplink" else self.cell.order

    def leave(self, device: int) -> simpy.Event:
        """Take a device out of the transfer, once.

        Returns:
            An event whose value is the bits that have arrived until now.
        """
        if self._left is None:
            self._left = self.port.leave(self.transfer, device)
        return self._left

    def tear(self, device: int) -> None:
        """Let another cell take over."""

        def gone(event: simpy.Event) -> None:
            self.torn.succeed(event.value)

        self.leave(device).callbacks.append(gone)


class Transceiver:
    """Sends and receives one payload at a time, and accounts for its bits and joules."""

    def __init__(
        self,
        context: RunContext,
        index: int,
        body: PowerMeter,
        diary: ActivityLog,
        *,
        radio: RadioPower,
        cell: Cell,
        mean_gain: float,
        wanders: bool,
    ) -> None:
        """Begin with nothing on the air.

        Args:
            context: of the run.
            index: number of the device, and of its link in every cell.
            body: draws the power.
            diary: of the device.
            radio: what sending and receiving draw.
            cell: the serving cell.
            mean_gain: linear large-scale power gain to the cell.
            wanders: whether other cells may take over.
        """
        self.radio = radio
        self.cell = cell
        self.mean_gain = mean_gain
        self._context = context
        self._index = index
        self._body = body
        self._diary = diary
        self._wanders = wanders
        self._awaited: Download | None = None
        self._leg: TransferSegment | None = None
        self._resuming: simpy.Event | None = None

    def __repr__(self) -> str:
        return f"Transceiver({self._index}, {self.cell.name!r})"

    def moved(self, mean_gain: float) -> None:
        """Note another mean gain to the cell; the rate of what is on the air follows."""
        self.mean_gain = mean_gain
        if self._leg is not None:
            self._leg.port.refresh()

    def hand_over(self, cell: Cell, mean_gain: float) -> None:
        """Belong to another cell; what is on the air goes on there after `resume`."""
        self.cell, self.mean_gain = cell, mean_gain
        self._resuming = self._context.env.event()
        if self._leg is not None:
            self._leg.tear(self._index)

    def resume(self) -> None:
        """Send and receive again after a handover."""
        if self._resuming is not None:
            resuming, self._resuming = self._resuming, None
            resuming.succeed()

    def receive(self, delivery: Download, number: int) -> Generator[simpy.Event, Any, None]:
        """Wait for what is on its way from the server in round `number`, and take it in."""
        assert delivery.on_air is not None
        assert delivery.cell is not None
        self._diary.begin("wait", number)
        self._awaited = delivery
        transfer: Transfer = yield delivery.on_air
        self._awaited = None
        leg = TransferSegment(delivery.cell, "downlink", transfer, self._context.env.event())
        if self.cell is not leg.cell:
            leg.tear(self._index)
        self._diary.begin("download", number)
        self._wake("receive")
        self._body.draw("receive", self.radio.receive)
        leg, bits = yield from self._through(leg, delivery.bits, number)
        self._received(leg, bits)
        self._diary.record(bits=bits, cell=leg.cell.name, transfer=leg.transfer)

    def send(
        self, bits: int, number: int, deadline: float = float("inf")
    ) -> Generator[simpy.Event, Any, tuple[TransferSegment, int]]:
        """Send a payload in round `number`.

        Returns:
            The last leg, and the bits that went through it. Its span stays open.
        """
        self._diary.begin("upload", number)
        self._wake("transmit")
        leg = yield from self._leg_of("uplink", bits, deadline)
        leg, bits = yield from self._through(leg, bits, number, deadline)
        self._sent(leg.transfer, bits)
        return leg, bits

    def send_analog(
        self, seconds: float, watts: float, number: int
    ) -> Generator[simpy.Event, Any, None]:
        """Radiate so many W for so long, as one of many who send together."""
        self._diary.begin("upload", number)
        self._wake("transmit")
        self._body.draw("transmit", self.radio.transmit_power(watts))
        yield self._context.env.timeout(seconds)
        self._body.draw("transmit", 0.0)
        self._diary.record(cell=self.cell.name)

    def abandon(self) -> Generator[simpy.Event, Any, tuple[TransferSegment | None, int]]:
        """Give up what is on the air or on its way: what it has cost until now stays counted.

        Returns:
            The leg that has been left, and the bits that had arrived; none where nothing was on the
            air.
        """
        leg, self._leg, bits = self._leg, None, 0
        delivery, self._awaited = self._awaited, None
        if leg is not None:
            traffic = self._context.traffic
            bits = int(leg.access.payload((yield leg.leave(self._index))))
            if leg.direction == "downlink":
                traffic.lost_down += bits
                traffic.sent_down += 0 if leg.transfer.goes_on else bits
            else:
                self._sent(leg.transfer, bits)
                traffic.lost_up += bits
        elif delivery is not None and delivery.on_air is not None:
            delivery.receivers.remove(self._index)
            if delivery.on_air.triggered and delivery.cell is not None:
                reached: Any = delivery.on_air.value
                delivery.cell.downlink.leave(reached, self._index)
        self._body.draw("receive", 0.0)
        return leg, bits

    def _leg_of(
        self, direction: Direction, bits: int, deadline: float
    ) -> Generator[simpy.Event, Any, TransferSegment]:
        """Begin a transfer in the cell of the moment, as soon as it grants one."""
        env = self._context.env
        while True:
            while self._resuming is not None:
                yield self._resuming
            cell = self.cell
            access = cell.request if direction == "uplink" else cell.order
            yield from access.granted(env)
            if self.cell is cell and self._resuming is None:
                break
        port = cell.uplink if direction == "uplink" else cell.downlink
        transfer = port.send(
            [self._index],
            access.on_air(bits),
            deadline=deadline,
            watch=self._radiate if self._body.follows and direction == "uplink" else None,
        )
        return TransferSegment(cell, direction, transfer, env.event(), own=True)

    def _through(
        self, leg: TransferSegment, bits: int, number: int, deadline: float = float("inf")
    ) -> Generator[simpy.Event, Any, tuple[TransferSegment, int]]:
        """Wait for the last bit of a payload, through every handover.

        Returns:
            The last leg, and the bits that went through it.
        """
        while True:
            self._leg = leg
            done = leg.transfer.done
            yield (done | leg.torn) if self._wanders else done
            self._leg = None
            if done.triggered:
                return leg, bits
            # What remains is at least one bit, for the transfer was not done.
            on_air: Any = leg.torn.value
            arrived = min(int(leg.access.payload(on_air)), bits - 1)
            bits -= arrived
            if leg.direction == "uplink":
                self._sent(leg.transfer, arrived)
            else:
                self._received(leg, arrived)
            self._diary.record(bits=arrived, cell=leg.cell.name, transfer=leg.transfer)
            self._diary.begin("handover", number)
            leg = yield from self._leg_of(leg.direction, bits, deadline)
            self._diary.record(cell=leg.cell.name)
            self._diary.begin("upload" if leg.direction == "uplink" else "download", number)
            if leg.direction == "downlink":
                self._body.draw("receive", self.radio.receive)

    def _radiate(self, watts: float, duty: float) -> None:
        drawn = duty * self.radio.transmit_power(watts) if watts > 0 else 0.0
        self._body.draw("transmit", drawn)

    def _wake(self, component: Component) -> None:
        """Pay for the sleep from which the modem wakes up."""
        if self.radio.waking:
            self._body.book(component, self.radio.waking)

    def _sent(self, transfer: Transfer, bits: int) -> None:
        """Account for an upload, whole or in part."""
        if self._body.follows:
            self._body.draw("transmit", 0.0)
        elif transfer.airtime > 0:
            watts = transfer.radiated / transfer.airtime
            self._body.book("transmit", self.radio.transmit_power(watts) * transfer.airtime)
        self._context.traffic.sent_up += bits

    def _received(self, leg: TransferSegment, bits: int) -> None:
        """Account for a download, whole or in part."""
        self._body.draw("receive", 0.0)
        self._context.traffic.received_down += bits
        # A transfer that the server began is counted by the server, once it is through.
        over = leg.transfer.done.triggered
        if leg.own if over else not leg.transfer.goes_on:
            self._context.traffic.sent_down += bits
