"""Device: downloads, trains, uploads, waits; comes and goes.

Its spans follow one another without gap from the start to the end of the run, and every change of
activity closes an interval of power in the ledger.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from wfl_sim.battery import Battery
from wfl_sim.compute import Computing, Hardware
from wfl_sim.energy import Component
from wfl_sim.entities.air import Air
from wfl_sim.entities.body import Body
from wfl_sim.entities.carrier import Transfer
from wfl_sim.entities.cell import Access, Cell
from wfl_sim.entities.delivery import Contribution, Delivery, Reply
from wfl_sim.entities.diary import Diary
from wfl_sim.entities.effort import Effort
from wfl_sim.entities.leg import Leg
from wfl_sim.execution.task import Handle
from wfl_sim.modem import Radio, radio_of
from wfl_sim.protocols import Workload
from wfl_sim.radio.direction import Direction
from wfl_sim.records import Activity, Outcome

if TYPE_CHECKING:
    from wfl_sim.federation import Federation


class Device:
    """One participant of the federation."""

    def __init__(
        self,
        federation: "Federation",
        index: int,
        *,
        hardware: Hardware,
        workload: Workload,
        cell: Cell,
        mean_gain: float,
        power: float = 0.2,
        examples: int = 1,
        computing: Computing | None = None,
        radio: Radio | None = None,
        battery: Battery | None = None,
        away_power: float | None = None,
        intervals: Iterator[tuple[float, float]] | None = None,
        excluded: bool = False,
        wanders: bool = False,
    ) -> None:
        """Put an idle device into a cell.

        Args:
            federation: the world.
            index: the device's number, also of its link in the cell.
            hardware: what it computes with.
            workload: costs of one local update.
            cell: the serving cell.
            mean_gain: linear large-scale power gain to the cell.
            power: W that it can radiate.
            examples: that it trains on.
            computing: how it computes; as the hardware says unless given.
            radio: what sending and receiving draw; as the hardware says unless given.
            battery: what it runs on; None for the mains.
            away_power: W, drawn while it cannot be reached; the idle power unless given.
            intervals: s, when it can be reached; None for always.
            excluded: whether it can take no part at all, being too small.
            wanders: whether it may be handed over to other cells.
        """
        self.name = f"device-{index}"
        self.index = index
        self.hardware = hardware
        self.workload = workload
        self.cell = cell
        self.mean_gain = mean_gain
        self.power = power
        self.examples = examples
        self.heard_in = -1
        """round of the newest upload that the server has got; -1 before the first"""
        self._heard: Handle | None = None
        self.body = Body(federation, index, battery, hardware.thermal, self._powered_changed)
        self.excluded = excluded
        self._diary = Diary(federation, self.name, self.body)
        self._computing = computing or Computing()
        self.job = self._computing.job(hardware, workload)
        self._federation = federation
        self._radio = radio or radio_of(hardware)
        self._idle_power = hardware.idle_power + self._radio.rest
        self._away_power = self._idle_power if away_power is None else away_power
        self._reachable = self._powered = True
        self._left_for_good = False
        share = self._computing.share(hardware, self.job)
        seconds = self.job.seconds(share)
        self.round_joules = seconds * (self._idle_power + self.job.power(share))
        """J that the last round has cost; before the first, those of computing alone"""
        self.expected_compute = seconds
        """s, jitter and throttling left out"""
        self.round_seconds = seconds
        """s from being asked to the last bit sent in the last round; before the first, those of
        computing alone"""
        self.times_asked = 0
        self._spent_then = self._asked = 0.0
        self._number, self._turn = -1, 0
        self._part: simpy.Process | None = None
        self._work: simpy.Process | None = None
        self._stopping = False
        self._leg: Leg | None = None
        self._awaited: Delivery | None = None
        self._reply: Reply | None = None
        self._air: Air | None = None
        self._wanders = wanders
        self._resuming: simpy.Event | None = None
        self._effort: Effort | None = None
        self._effort_flops = 0.0
        self._draw("idle", self._idle_power)
        if excluded:
            intervals = iter(())
        if intervals is not None:
            federation.env.process(self._come_and_go(intervals))

    def __repr__(self) -> str:
        return f"Device({self.name!r}, {self._diary!r})"

    @property
    def present(self) -> bool:
        """Whether it can be asked."""
        return self._reachable and self._powered

    @property
    def lost(self) -> bool:
        """Whether it is away and will never come back."""
        supply = self.body.supply
        dead = supply is not None and supply.empty and not supply.battery.revives
        return dead or (self._left_for_good and not self._reachable)

    @property
    def busy(self) -> bool:
        """Whether it takes part, or its upload is still on the way to the server."""
        return self._part is not None and self._part.is_alive

    @property
    def reported_loss(self) -> float:
        """Mean training loss in nat of the newest update that the server has got: trains it.

        Raises:
            ValueError: there is none, or the run trains nothing.
        """
        if self._heard is None:
            raise ValueError(f"{self.name} has not been heard of")
        return self._federation.plan.value(self._heard, "train_loss")

    @property
    def expected_download(self) -> float:
        """s for all downloads of a round, alone on the band at the mean gain; 0 without any."""
        bits, exchange = self.workload.download_bits, self.workload.exchange
        crossing = self._expected(
            "downlink", self.cell.order, exchange.down_bits if exchange else 0
        )
        return self._expected("downlink", self.cell.order, bits) + self.workload.steps * crossing

    @property
    def expected_upload(self) -> float:
        """s for all uploads of a round, alone on the band at the mean gain; 0 without any."""
        bits, exchange = self.workload.upload_bits, self.workload.exchange
        crossing = self._expected("uplink", self.cell.request, exchange.up_bits if exchange else 0)
        return self._expected("uplink", self.cell.request, bits) + self.workload.steps * crossing

    @property
    def charge_left(self) -> float:
        """J that it can still draw; infinite on the mains."""
        supply = self.body.supply
        return float("inf") if supply is None else supply.left

    @property
    def charge_share(self) -> float:
        """Level of the battery as a share of its capacity; 1 on the mains."""
        supply = self.body.supply
        return 1.0 if supply is None else supply.level / supply.battery.capacity

    def participate(
        self,
        number: int,
        delivery: Delivery,
        *,
        deadline: float = float("inf"),
        air: Air | None = None,
    ) -> simpy.Process:
        """Begin one local update in round `number`.

        Args:
            number: of the round.
            delivery: what brings the state to start from.
            deadline: s on the simulated clock, when the upload should be through. Allocators that
                know deadlines work towards it; nothing ends when it passes.
            air: a joint analog transmission, in place of an upload of its own.

        Returns:
            A process that ends when the upload is at the server, with the Contribution as value, or
            when the device has abandoned its work, with None.
        """
        federation = self._federation
        self.times_asked += 1
        self._spent_then, self._asked = self.body.joules(), federation.env.now
        self._turn = self._turn + 1 if number == self._number else 0
        self._number = number
        self._air = air
        process = federation.env.process(self._participate(number, delivery, deadline))
        self._work = self._part = process
        self._part.callbacks.append(lambda _: federation.look_again())
        return process

    def dismiss(self) -> simpy.Process | None:
        """Let it abandon its work: nobody waits for it. What has left the device goes on.

        Returns:
            The process of its part, which ends when it can be asked again; None where it had none.
        """
        self._stop()
        self.rest()
        return self._part if self.busy else None

    def moved(self, mean_gain: float) -> None:
        """Note another mean gain to the cell; the rate of what is on the air follows."""
        self.mean_gain = mean_gain
        if self._leg is not None:
            self._leg.port.refresh()

    def hand_over(self, cell: Cell, mean_gain: float) -> None:
        """Belong to another cell; what is on the air goes on there after `resume`."""
        self.cell, self.mean_gain = cell, mean_gain
        self._resuming = self._federation.env.event()
        if self._leg is not None:
            self._leg.tear(self.index)

    def resume(self) -> None:
        """Send and receive again after a handover."""
        if self._resuming is not None:
            resuming, self._resuming = self._resuming, None
            resuming.succeed()

    def rest(self) -> None:
        """Be idle until asked again, unless it has gone or come back in the meantime."""
        if self._work is None and self._diary.activity == "wait":
            self._diary.begin("idle")

    def close(self) -> None:
        """Close the open span at the end of the run."""
        ended: Outcome = "done" if self._diary.activity in ("idle", "off") else "cut"
        self._diary.record(outcome="lost" if self.excluded else ended)
        self.body.note()

    def _expected(self, direction: Direction, access: Access, bits: int) -> float:
        if not bits:
            return 0.0
        rate = self.cell.expected_rate(direction, self.mean_gain, self.power)
        return access.delay + access.on_air(bits) / rate

    def _participate(
        self, number: int, delivery: Delivery, deadline: float
    ) -> Generator[simpy.Event, Any, Contribution | None]:
        federation, bits = self._federation, self.workload.upload_bits
        try:
            if delivery.on_air is not None:
                yield from self._download(number, delivery)
            yield from self._learn(number)
            if self._air is not None:
                arrived = yield from self._sound(number, self._air)
            else:
                arrived = not bits or (yield from self._upload(number, deadline))
        except simpy.Interrupt:
            yield from self._abandon()
            return None
        self._work = None
        self.round_joules = self.body.joules() - self._spent_then
        self.round_seconds = federation.env.now - self._asked
        # From here on the update is a fact, whatever becomes of the device: so it is named here.
        upload = federation.plan.local_update(self.index, number, delivery.shared, self._turn)
        self._diary.begin("wait", number)
        if bits and arrived and self._air is None:
            # Who has asked must get it, even where another edge server serves the device by now.
            asked = delivery.cell or self.cell
            yield from (self.cell if self.cell.hub == asked.hub else asked).forward(bits)
            federation.traffic.received_up += bits
        if arrived:
            self.heard_in, self._heard = number, upload
        return Contribution(self, upload if arrived else None, delivery)

    def _download(self, number: int, delivery: Delivery) -> Generator[simpy.Event, Any, None]:
        assert delivery.on_air is not None
        assert delivery.cell is not None
        self._diary.begin("wait", number)
        self._awaited, bits = delivery, delivery.bits
        transfer: Transfer = yield delivery.on_air
        self._awaited = None
        leg = Leg(delivery.cell, "downlink", transfer, self._federation.env.event())
        if self.cell is not leg.cell:
            leg.tear(self.index)
        self._diary.begin("download", number)
        self._wake("receive")
        self._draw("receive", self._radio.receive)
        leg, bits = yield from self._through(leg, bits, number)
        self._received(leg, bits)
        self._diary.record(bits=bits, cell=leg.cell.name, transfer=leg.transfer)

    def _learn(self, number: int) -> Generator[simpy.Event, Any, None]:
        """Do the local update; where the network is split, each step goes over the air."""
        steps, exchange = self.workload.steps, self.workload.exchange
        factor = self._computing.jitter.draw(self._stream("jitter", self.index, number))
        if exchange is None:
            yield from self._compute(number, factor)
            return
        for _ in range(steps):
            yield from self._compute(number, factor, exchange.forward / steps)
            leg, bits = yield from self._transmit(number, exchange.up_bits)
            self._diary.record(bits=bits, cell=leg.cell.name, transfer=leg.transfer)
            self._diary.begin("wait", number)
            self._reply = Reply()
            answer = self._federation.server.answer(self, number, exchange, self._reply)
            gradients: Delivery = yield self._federation.env.process(answer)
            self._reply = None
            yield from self._download(number, gradients)
            yield from self._compute(number, factor, (1 - exchange.forward) / steps)

    def _compute(
        self, number: int, factor: float, part: float = 1.0
    ) -> Generator[simpy.Event, Any, None]:
        """Do a part of the arithmetic of a local update; `factor` stretches its time."""
        self._diary.begin("compute", number)
        federation, computing = self._federation, self._computing
        drawn = federation.plan.workload(self.index, number, self._turn)
        job = self.job if drawn is None else computing.job(self.hardware, drawn)
        self._effort = Effort(federation.env, self.body, self.hardware, computing, job)
        self._effort_flops = part * (drawn or self.workload).update_flops
        yield from self._effort.run(part * factor)
        self._effort = None
        self._diary.record(flops=self._effort_flops)

    def _upload(self, number: int, deadline: float) -> Generator[simpy.Event, Any, bool]:
        """Send the update; the value says whether it has arrived."""
        leg, bits = yield from self._transmit(number, self.workload.upload_bits, deadline)
        lost = self._is_lost(number, leg)
        self._federation.traffic.lost_up += bits if lost else 0
        outcome: Outcome = "lost" if lost else "done"
        self._diary.record(bits=bits, cell=leg.cell.name, transfer=leg.transfer, outcome=outcome)
        return not lost

    def _transmit(
        self, number: int, bits: int, deadline: float = float("inf")
    ) -> Generator[simpy.Event, Any, tuple[Leg, int]]:
        """Send bits; the span of the last leg stays open, and it and its bits are returned."""
        self._diary.begin("upload", number)
        self._wake("transmit")
        leg = yield from self._leg_of("uplink", bits, deadline)
        leg, bits = yield from self._through(leg, bits, number, deadline)
        self._sent(leg.transfer, bits)
        return leg, bits

    def _sound(self, number: int, air: Air) -> Generator[simpy.Event, Any, bool]:
        """Send together with all others; the value says whether this device has."""
        self._diary.begin("wait", number)
        seconds, watts = yield air.ready(self)
        if not watts[self.index]:
            return False
        self._diary.begin("upload", number)
        self._wake("transmit")
        self._draw("transmit", self._radio.transmit_power(watts[self.index]))
        yield self._federation.env.timeout(seconds)
        self._draw("transmit", 0.0)
        self._diary.record(cell=self.cell.name)
        return True

    def _leg_of(
        self, direction: Direction, bits: int, deadline: float
    ) -> Generator[simpy.Event, Any, Leg]:
        """Begin a transfer in the cell of the moment, as soon as it grants one."""
        env = self._federation.env
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
            [self.index],
            access.on_air(bits),
            deadline=deadline,
            watch=self._radiate if self.body.follows and direction == "uplink" else None,
        )
        return Leg(cell, direction, transfer, env.event(), own=True)

    def _through(
        self, leg: Leg, bits: int, number: int, deadline: float = float("inf")
    ) -> Generator[simpy.Event, Any, tuple[Leg, int]]:
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
                self._draw("receive", self._radio.receive)

    def _received(self, leg: Leg, bits: int) -> None:
        """Account for a download, whole or in part."""
        self._draw("receive", 0.0)
        self._federation.traffic.received_down += bits
        # A transfer that the server began is counted by the server, once it is through.
        over = leg.transfer.done.triggered
        if leg.own if over else not leg.transfer.goes_on:
            self._federation.traffic.sent_down += bits

    def _is_lost(self, number: int, leg: Leg) -> bool:
        heard = leg.transfer.mean_sinr_db
        probability = leg.cell.loss.probability(-np.inf if heard is None else heard)
        return probability > 0 and bool(
            self._stream("loss", self.name, number).uniform() < probability
        )

    def _stream(self, *names: str | int) -> np.random.Generator:
        """Return a stream of this local update; a second one in the same round has its own."""
        return self._federation.stream(*names, *([self._turn] if self._turn else []))

    def _radiate(self, watts: float, duty: float) -> None:
        self._draw("transmit", duty * self._radio.transmit_power(watts) if watts > 0 else 0.0)

    def _wake(self, component: Component) -> None:
        """Pay for the sleep from which the modem wakes up."""
        if self._radio.waking:
            self.body.book(component, self._radio.waking)

    def _sent(self, transfer: Transfer, bits: int) -> None:
        """Account for an upload, whole or in part."""
        if self.body.follows:
            self._draw("transmit", 0.0)
        elif transfer.airtime > 0:
            watts = transfer.radiated / transfer.airtime
            self.body.book("transmit", self._radio.transmit_power(watts) * transfer.airtime)
        self._federation.traffic.sent_up += bits

    def _abandon(self) -> Generator[simpy.Event, Any, None]:
        """Give up what is being done: what it has cost until now stays counted."""
        traffic, flops, bits = self._federation.traffic, 0.0, 0
        transfer: Transfer | None = None
        cell = ""
        if self._air is not None:
            self._air.withdraw(self)
            self._draw("transmit", 0.0)
        if self._leg is not None:
            leg, self._leg = self._leg, None
            transfer, cell = leg.transfer, leg.cell.name
            bits = int(leg.access.payload((yield leg.leave(self.index))))
        elif self._reply is not None:
            self._reply.wanted = False
            self._reply = None
        elif (delivery := self._awaited) is not None and delivery.on_air is not None:
            delivery.receivers.remove(self.index)
            if delivery.on_air.triggered and delivery.cell is not None:
                reached: Any = delivery.on_air.value
                delivery.cell.downlink.leave(reached, self.index)
        if self._diary.activity == "download":
            traffic.lost_down += bits
            traffic.sent_down += 0 if transfer and transfer.goes_on else bits
        elif self._diary.activity == "upload" and transfer:
            self._sent(transfer, bits)
            traffic.lost_up += bits
        elif self._effort is not None:
            flops = self._effort_flops * self._effort.done
            self._effort = None
        self._draw("receive", 0.0)
        self._draw("compute", 0.0)
        self._diary.record(outcome="dropped", bits=bits, flops=flops, cell=cell, transfer=transfer)
        self._work, self._awaited, self._stopping = None, None, False
        self._begin_presence()

    def _come_and_go(
        self, intervals: Iterator[tuple[float, float]]
    ) -> Generator[simpy.Event, Any, None]:
        env = self._federation.env
        for start, end in intervals:
            if start > env.now:
                self._switch(reachable=False, powered=self._powered)
                yield env.timeout(start - env.now)
            self._switch(reachable=True, powered=self._powered)
            if end == float("inf"):
                return
            yield env.timeout(end - env.now)
            if self.lost:
                return
        self._left_for_good = True
        self._switch(reachable=False, powered=self._powered)

    def _powered_changed(self, powered: bool) -> None:
        self._switch(reachable=self._reachable, powered=powered)

    def _switch(self, *, reachable: bool, powered: bool) -> None:
        if (reachable, powered) == (self._reachable, self._powered) and not self.lost:
            return
        before = self.present
        if powered != self._powered and self._diary.activity == "off":
            self._diary.begin("off")
        self._reachable, self._powered = reachable, powered
        if self._work is None:
            self._begin_presence()
        elif before and not self.present:
            self._stop()
        if self.lost or self.present:
            self._federation.look_again()

    def _stop(self) -> None:
        """Interrupt what is being done, once."""
        if self._work is not None and not self._stopping:
            self._stopping = True
            self._work.interrupt()

    def _begin_presence(self) -> None:
        """Be idle or away, with the power that belongs to it."""
        activity: Activity = "idle" if self.present else "off"
        if activity != self._diary.activity:
            self._diary.begin(activity)
        away = self._away_power if self._powered else 0.0
        self._draw("idle", self._idle_power if self.present else away)

    def _draw(self, component: Component, watts: float) -> None:
        self.body.draw(component, watts)
