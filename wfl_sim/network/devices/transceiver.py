"""Transceiver: the radio of a device, which sends and receives through every handover."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import simpy

from wfl_sim.device_models.energy import Component
from wfl_sim.device_models.radio_power import RadioPower
from wfl_sim.network.carriers.cell import Cell
from wfl_sim.network.carriers.cell_carrier import CellCarrier
from wfl_sim.network.carriers.transfer import Transfer, TransferRequest
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.activity_log import ActivityLog
from wfl_sim.network.devices.client import NO_TERMS, Download, Terms
from wfl_sim.network.devices.power_meter import PowerMeter
from wfl_sim.radio.cell import Direction
from wfl_sim.records import Outcome


@dataclass
class TransferSegment:
    """The transfer of a payload in one cell, between two handovers."""

    cell: Cell
    direction: Direction
    transfer: Transfer
    interrupted: simpy.Event
    """Succeeds with the bits of payload that have arrived when another cell takes over."""
    own: bool = False
    """Whether the device began it; otherwise the server did, perhaps for other devices too."""
    _left: simpy.Event | None = None

    @property
    def carrier(self) -> CellCarrier:
        """Uplink or downlink of the cell."""
        return self.cell.carrier(self.direction)

    def leave(self, device: int) -> simpy.Event:
        """Remove a device from the transfer, once.

        Returns:
            An event; its value is the bits on the air that have arrived until now.
        """
        if self._left is None:
            self._left = self.carrier.leave(self.transfer, device)
        return self._left

    def interrupt(self, device: int) -> None:
        """End the segment, because another cell takes over."""

        def left(event: simpy.Event) -> None:
            on_air: Any = event.value
            self.interrupted.succeed(self.carrier.payload(on_air))

        self.leave(device).callbacks.append(left)


class Transceiver:
    """Sends and receives one payload at a time, and accounts for its bits and joules.

    Args:
        context: of the run.
        index: number of the device, and of its link in every cell.
        power: returns the W that the device can radiate.
        power_meter: of the device.
        activity_log: of the device.
        radio: power of sending and receiving.
        cell: the serving cell.
        mean_gain: linear large-scale power gain to the cell.
        can_hand_over: whether other cells may take over.
    """

    def __init__(
        self,
        context: RunContext,
        index: int,
        power: Callable[[], float],
        power_meter: PowerMeter,
        activity_log: ActivityLog,
        *,
        radio: RadioPower,
        cell: Cell,
        mean_gain: float,
        can_hand_over: bool,
    ) -> None:
        self.radio = radio
        self.cell, self.mean_gain = cell, mean_gain
        self.weight = 1.0
        """Weight of uploads, for allocators that use it."""
        self._context, self._index = context, index
        self._power, self._power_meter = power, power_meter
        self._activity_log = activity_log
        self._can_hand_over = can_hand_over
        self._awaited: Download | None = None
        self._segment: TransferSegment | None = None
        self._resuming: simpy.Event | None = None
        self._before = 0
        """Bits of the present upload that were sent before handovers."""

    def __repr__(self) -> str:
        return f"Transceiver({self._index}, {self.cell.name!r})"

    @property
    def under_way(self) -> tuple[Transfer, float] | None:
        """The present transfer, and its bits that were left when the present plan began."""
        if self._segment is None:
            return None
        transfer = self._segment.transfer
        return transfer, self._segment.carrier.carrier.left(transfer)

    def moved(self, mean_gain: float) -> None:
        """Set the mean gain to the cell; the rate of the present transfer follows."""
        self.mean_gain = mean_gain
        if self._segment is not None:
            self._segment.carrier.carrier.refresh()

    def hand_over(self, cell: Cell, mean_gain: float) -> None:
        """Change the serving cell; the present transfer continues there after `resume`."""
        self.cell, self.mean_gain = cell, mean_gain
        cell.uplink.arrive(self._index)
        self._resuming = self._context.env.event()
        if self._segment is not None:
            self._segment.interrupt(self._index)

    def resume(self) -> None:
        """Send and receive again after a handover."""
        if self._resuming is not None:
            resuming, self._resuming = self._resuming, None
            resuming.succeed()

    def receive(self, download: Download, number: int) -> Generator[simpy.Event, Any, None]:
        """Wait for a download in round `number`, and receive it."""
        assert download.on_air is not None
        assert download.cell is not None
        self._activity_log.begin("wait", number)
        self._awaited = download
        transfer: Transfer = yield download.on_air
        self._awaited = None
        segment = TransferSegment(download.cell, "downlink", transfer, self._context.env.event())
        if self.cell is not segment.cell:
            segment.interrupt(self._index)
        self._activity_log.begin("download", number)
        self._wake("receive", segment.carrier)
        self._listen(segment)
        segment, bits = yield from self._complete(segment, download.bits, number)
        self._received(segment, bits)
        self.record(segment, bits)

    def send(
        self, bits: int, number: int, terms: Terms = NO_TERMS
    ) -> Generator[simpy.Event, Any, tuple[TransferSegment, int]]:
        """Send a payload in round `number`.

        Returns:
            The last segment, and its bits of payload. Its span stays open.
        """
        self._activity_log.begin("upload", number)
        self._wake("transmit", self.cell.uplink)
        segment = yield from self._begin_segment("uplink", bits, terms)
        segment, bits = yield from self._complete(segment, bits, number, terms)
        self._before = 0
        self._sent(segment.transfer, bits)
        return segment, bits

    def send_analog(
        self, seconds: float, watts: float, number: int, outcome: Outcome = "done"
    ) -> Generator[simpy.Event, Any, None]:
        """Radiate `watts` for `seconds`, together with other devices or in vain."""
        self._activity_log.begin("upload", number)
        self._wake("transmit", self.cell.uplink)
        self._radiate(watts, self.cell.uplink.duty)
        yield self._context.env.timeout(seconds)
        self._power_meter.draw("transmit", 0.0)
        self._activity_log.record(cell=self.cell.name, outcome=outcome)

    def abandon(self) -> Generator[simpy.Event, Any, tuple[TransferSegment | None, int]]:
        """End the present transfer, or stop waiting for one; its costs until now stay counted.

        Returns:
            The segment that was left, if any had begun, and the bits that had arrived.
        """
        segment, self._segment, bits = self._segment, None, 0
        download, self._awaited = self._awaited, None
        traffic = self._context.traffic
        traffic.lost_up, self._before = traffic.lost_up + self._before, 0
        if segment is not None:
            bits = int(segment.carrier.payload((yield segment.leave(self._index))))
            if segment.direction == "downlink":
                traffic.lost_down += bits
                traffic.sent_down += bits if segment.transfer.note_unheard() else 0
            else:
                self._sent(segment.transfer, bits)
                traffic.lost_up += bits
        elif download is not None and download.on_air is not None:
            download.receivers.remove(self._index)
            if download.on_air.triggered and download.cell is not None:
                transfer: Any = download.on_air.value
                download.cell.downlink.leave(transfer, self._index)
        self._power_meter.draw("receive", 0.0)
        if segment is None:
            self._power_meter.draw("transmit", 0.0)
        return segment, bits

    def record(self, segment: TransferSegment, bits: int, outcome: Outcome = "done") -> None:
        """Close the span of a segment with its bits of payload."""
        self._activity_log.record(
            bits=bits, cell=segment.cell.name, transfer=segment.transfer, outcome=outcome
        )

    def _begin_segment(
        self, direction: Direction, bits: int, terms: Terms
    ) -> Generator[simpy.Event, Any, TransferSegment]:
        """Begin a transfer in the present cell, as soon as it grants access."""
        while True:
            while self._resuming is not None:
                yield self._resuming
            cell, carrier = self.cell, self.cell.carrier(direction)
            yield from carrier.wait_for_access([self._index])
            if self.cell is cell and self._resuming is None:
                break
        request = TransferRequest(
            [self._index],
            bits,
            weight=terms.weight or self.weight,
            deadline=terms.deadline,
            level=min((terms.power or inf) / (self._power() * carrier.reduced), 1.0),
            share=terms.share or nan,
            on_power=self._radiate if self._follows_power and direction == "uplink" else None,
        )
        transfer, interrupted = carrier.send(request), self._context.env.event()
        return TransferSegment(cell, direction, transfer, interrupted, own=True)

    def _complete(
        self, segment: TransferSegment, bits: int, number: int, terms: Terms = NO_TERMS
    ) -> Generator[simpy.Event, Any, tuple[TransferSegment, int]]:
        """Wait for the last bit of a payload; return the segment of its last handover, its bits."""
        while True:
            self._segment = segment
            done = segment.transfer.done
            yield (done | segment.interrupted) if self._can_hand_over else done
            self._segment = None
            if done.triggered:
                self._context.complete()
                return segment, bits
            # At least one bit remains, because the transfer was not done.
            arrived = min(int(segment.interrupted.value), bits - 1)  # type: ignore[arg-type]
            bits -= arrived
            if segment.direction == "uplink":
                self._sent(segment.transfer, arrived)
                self._before += arrived
            else:
                self._received(segment, arrived)
            self.record(segment, arrived)
            self._activity_log.begin("handover", number)
            segment = yield from self._begin_segment(segment.direction, bits, terms)
            self._activity_log.record(cell=segment.cell.name)
            uplink = segment.direction == "uplink"
            self._activity_log.begin("upload" if uplink else "download", number)
            if not uplink:
                self._listen(segment)

    @property
    def _follows_power(self) -> bool:
        """Whether power drawn follows every change of what is radiated, in place of its mean."""
        return self._power_meter.tracks_power or not self.radio.affine

    def _listen(self, segment: TransferSegment) -> None:
        """Draw the power of receiving, in the share of the time in which the cell sends."""
        self._power_meter.draw("receive", segment.carrier.duty * self.radio.receive)

    def _radiate(self, watts: float, duty: float) -> None:
        drawn = duty * self.radio.transmit_power(watts) if watts > 0 else 0.0
        self._power_meter.draw("transmit", drawn)

    def _wake(self, component: Component, carrier: CellCarrier) -> None:
        """Book the energy of waking the modem up, which no wire asks for."""
        if self.radio.waking and carrier.duty:
            self._power_meter.book(component, self.radio.waking)

    def _sent(self, transfer: Transfer, bits: int) -> None:
        """Account for an upload, whole or in part."""
        if self._follows_power:
            self._power_meter.draw("transmit", 0.0)
        elif transfer.airtime > 0:
            watts = self.radio.transmit_power(transfer.radiated / transfer.airtime)
            self._power_meter.book("transmit", watts * transfer.airtime)
        self._context.traffic.sent_up += bits

    def _received(self, segment: TransferSegment, bits: int) -> None:
        """Account for a download, whole or in part."""
        self._power_meter.draw("receive", 0.0)
        self._context.traffic.received_down += bits
        # The server counts a transfer that it began itself, when it is complete.
        complete = segment.transfer.done.triggered
        if segment.own if complete else segment.transfer.note_unheard():
            self._context.traffic.sent_down += bits
