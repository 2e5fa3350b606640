"""Device: a client of the federation, which takes part in rounds, waits, comes and goes.

Its spans follow one another without a gap from start to end of the run, and every change of
activity closes an interval of power in the ledger.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from operator import attrgetter

import simpy

from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models import ComputeConfig, Hardware
from wfl_sim.device_models.battery import Battery
from wfl_sim.device_models.radio_power import RadioPower, radio_of
from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.task import StateRef
from wfl_sim.network.carriers.cell import Cell
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.activity_log import ActivityLog
from wfl_sim.network.devices.client import NO_TERMS, Download, JointUpload, Terms
from wfl_sim.network.devices.local_computation import SplitAnswer
from wfl_sim.network.devices.participation import Participation
from wfl_sim.network.devices.power_meter import PowerMeter
from wfl_sim.network.devices.reachability import Reachability
from wfl_sim.network.devices.transceiver import Transceiver
from wfl_sim.radio.cell import Direction
from wfl_sim.records import Outcome


class Device:
    """A client of the federation; `Client` documents the members that others may use.

    Args:
        context: of the run.
        index: the device's number, also of its link in every cell.
        hardware: computes, and draws power.
        workload: costs of one local update.
        cell: the serving cell.
        mean_gain: linear large-scale power gain to the cell.
        power: maximum transmit power in W.
        examples: number of training examples.
        compute: how the hardware computes.
        radio: power of sending and receiving; that of the hardware by default.
        battery: None for mains power.
        away_power: W while it cannot be reached; the idle power by default.
        intervals: start and end in s of the times when it is reachable; None for always.
        excluded: whether it takes no part, being too small or out of reach.
        answer: the server's part of a step of a split network; None if it is not split.
        can_hand_over: whether other cells may take over.
        in_vain: seconds and W of an upload until it fails, for a device in outage.
    """

    def __init__(
        self,
        context: RunContext,
        index: int,
        *,
        hardware: Hardware,
        workload: Workload,
        cell: Cell,
        mean_gain: float,
        power: float = 0.2,
        examples: int = 1,
        compute: ComputeConfig | None = None,
        radio: RadioPower | None = None,
        battery: Battery | None = None,
        away_power: float | None = None,
        intervals: Iterator[tuple[float, float]] | None = None,
        excluded: bool = False,
        answer: SplitAnswer | None = None,
        can_hand_over: bool = False,
        in_vain: tuple[float, float] | None = None,
    ) -> None:
        self.name = f"device-{index}"
        self.index = index
        self.hardware = hardware
        self.workload = workload
        self.power = power
        self.examples = examples
        self.excluded = excluded
        self.answer = answer
        self._in_vain = in_vain
        self.last_upload: StateRef | None = None
        self.last_upload_round = -1
        self.times_asked = 0
        self._context = context
        radio = radio or radio_of(hardware)
        idle_power = hardware.idle_power + radio.rest
        self.power_meter = PowerMeter(
            context, index, battery, hardware.thermal, self._set_powered, idle_power
        )
        self.activity_log = ActivityLog(context, self.name, self.power_meter)
        self.transceiver = Transceiver(
            context,
            index,
            lambda: self.power,
            self.power_meter,
            self.activity_log,
            radio=radio,
            cell=cell,
            mean_gain=mean_gain,
            can_hand_over=can_hand_over,
        )
        self.reachability = Reachability(
            context,
            self.power_meter,
            self.activity_log,
            idle_power=idle_power,
            away_power=idle_power if away_power is None else away_power,
            on_change=self._reachability_changed,
        )
        self.compute = compute or ComputeConfig()
        self.update_cost = self.compute.job(hardware, workload)
        frequency = self.compute.share(hardware, self.update_cost)
        self.expected_cost = self.compute.expected(self.update_cost)
        self.expected_compute = self.round_seconds = self.expected_cost.seconds(frequency)
        self.round_joules = self.round_seconds * (idle_power + self.update_cost.power(frequency))
        self._round, self._repetition = -1, 0
        self._participation: Participation | None = None
        self.reachability.begin(iter(()) if excluded else intervals)

    def __repr__(self) -> str:
        return f"Device({self.name!r}, {self.activity_log!r})"

    @property
    def cell(self) -> Cell:
        """The serving cell."""
        return self.transceiver.cell

    @property
    def mean_gain(self) -> float:
        """Linear large-scale power gain to the serving cell."""
        return self.transceiver.mean_gain

    @property
    def present(self) -> bool:
        """Whether it can be reached and has energy to work."""
        return self.reachability.present

    @property
    def gone(self) -> bool:
        """Whether it is away and will never come back."""
        return self.reachability.gone

    @property
    def busy(self) -> bool:
        """Whether it takes part in a round, or its upload is on the way to a server that waits."""
        part = self._participation
        return part is not None and part.process.is_alive and (part.working or part.awaited)

    @property
    def available(self) -> bool:
        """Whether it is present and not busy."""
        return self.present and not self.busy

    @property
    def working_since(self) -> float:
        """Time in s at which its last participation began; infinite before the first."""
        return inf if self._participation is None else self._participation.start

    @property
    def reported_loss(self) -> float:
        """Mean training loss in nat of `last_upload`; the update is trained now if necessary.

        Raises:
            ValueError: there is no upload, or the run trains nothing.
        """
        if self.last_upload is None:
            raise ValueError(f"{self.name} has not been heard of")
        return self._context.plan.value(self.last_upload, "train_loss")

    @property
    def expected_download(self) -> float:
        """Duration in s of all downloads of a round, alone on the band at the mean gain.

        Infinite in outage, where the rate at the mean gain is 0.
        """
        exchange = self.workload.exchange
        step_bits = exchange.down_bits if exchange else 0
        return self._expected("downlink", self.workload.download_bits, step_bits)

    @property
    def expected_upload(self) -> float:
        """Duration in s of all uploads of a round, as `expected_download`."""
        exchange = self.workload.exchange
        step_bits = exchange.up_bits if exchange else 0
        return self._expected("uplink", self.workload.upload_bits, step_bits)

    @property
    def charge_left(self) -> float:
        """Energy in J above the cut-off of the battery; infinite on mains power."""
        battery = self.power_meter.battery_state
        return inf if battery is None else battery.left

    @property
    def battery_level(self) -> float:
        """Charge as a share of the battery's capacity; 1 on mains power."""
        battery = self.power_meter.battery_state
        return 1.0 if battery is None else battery.level / battery.battery.capacity

    def participate(
        self,
        number: int,
        download: Download,
        *,
        terms: Terms = NO_TERMS,
        deadline: float = inf,
        air: JointUpload | None = None,
    ) -> simpy.Process:
        """Begin one local update in round `number`, see `Client.participate`.

        Raises:
            LocatedError: the device has not ended a round, or cannot do what `terms` set.
        """
        if self.busy:
            message = f"{self.name} is asked in round {number}, and has not ended round "
            raise LocatedError(f"{message}{self._round}", "rounds")
        terms.check(self.name, self.power, self.hardware)
        terms = replace(terms, deadline=min(deadline, terms.deadline))
        self.times_asked += 1
        self._context.maybe_unavailable.add(self.index)
        # Edge servers count rounds of their own, so a device that has moved may go back in number.
        self._repetition = self._repetition + 1 if number <= self._round else 0
        self._round = max(self._round, number)
        self._participation = Participation(
            self._context, self, number, self._repetition, download, terms=terms, air=air
        )
        process = self._participation.process
        process.callbacks.append(lambda _: self._context.notify())
        return process

    def cancel(self) -> simpy.Event | None:
        """Stop the work of this round, see `Client.cancel`."""
        part = self._participation
        stopped = part.stop() if part is not None and self.busy else None
        self.idle()
        return stopped

    def idle(self) -> None:
        """Be idle until the next request, if the device is waiting."""
        working = self._participation is not None and self._participation.working
        if not working and self.activity_log.activity in ("wait", "backhaul"):
            self.activity_log.begin("idle")

    def close(self) -> None:
        """Close the open span at the end of the run."""
        done = self.activity_log.activity in ("idle", "off")
        outcome: Outcome = "lost" if self.excluded else "done" if done else "cut"
        self.activity_log.record(outcome=outcome)
        self.power_meter.note()

    def in_vain(self, deadline: float) -> tuple[float, float] | None:
        """Return seconds and W of an upload until it fails in outage; None in reach."""
        if self._in_vain is None:
            return None
        seconds, watts = self._in_vain
        return min(seconds, max(deadline - self._context.env.now, 0.0)), watts

    @property
    def compute_left(self) -> float:
        """Expected s of computing that are left of this participation."""
        part = self._participation
        return self.expected_compute * (part.compute_left if part else 0.0)

    @property
    def base_age(self) -> int:
        """Aggregations since the state from which this participation began."""
        return self._participation.base_age if self._participation else 0

    def _expected(self, direction: Direction, bits: int, step_bits: int) -> float:
        """Return the seconds of one payload of `bits`, and one of `step_bits` in every step."""
        carrier = self.cell.carrier(direction)

        def seconds(payload: int) -> float:
            if not payload:
                return 0.0
            rate = self.cell.expected_rate(direction, self.mean_gain, self.power)
            return carrier.delay + carrier.on_air(payload) / rate if rate > 0 else inf

        return seconds(bits) + self.workload.steps * seconds(step_bits)

    def _set_powered(self, powered: bool) -> None:
        self.reachability.set_powered(powered)

    def _reachability_changed(self, left: bool) -> None:
        """Be idle or off at once, or stop working first if the device has left."""
        self._context.maybe_unavailable.add(self.index)
        if self._participation is None or not self._participation.working:
            self.reachability.settle()
        elif left:
            self._participation.stop()

    # Names of earlier releases, for plug-ins.
    dismiss, rest = cancel, idle
    lost, charge_share = gone, battery_level
    heard = property(attrgetter("last_upload"))
    heard_in = property(attrgetter("last_upload_round"))
