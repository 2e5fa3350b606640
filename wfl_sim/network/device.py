"""Device: takes part in rounds, waits, comes and goes.

Its spans follow one another without gap from the start to the end of the run, and every change of
activity closes an interval of power in the ledger.
"""

from collections.abc import Iterator

import simpy

from wfl_sim.device_models import ComputeConfig, Hardware
from wfl_sim.device_models.battery import Battery
from wfl_sim.device_models.radio_power import RadioPower, radio_of
from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.task import StateRef
from wfl_sim.network.activity_log import ActivityLog
from wfl_sim.network.cell import AccessOverhead, Cell
from wfl_sim.network.client import JointUpload
from wfl_sim.network.context import RunContext
from wfl_sim.network.local_computation import SplitAnswer
from wfl_sim.network.messages import Download
from wfl_sim.network.participation import Participation
from wfl_sim.network.power_meter import PowerMeter
from wfl_sim.network.reachability import Reachability
from wfl_sim.network.transceiver import Transceiver
from wfl_sim.radio.cell import Direction
from wfl_sim.records import Outcome


class Device:
    """One participant of the federation."""

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
        computing: ComputeConfig | None = None,
        radio: RadioPower | None = None,
        battery: Battery | None = None,
        away_power: float | None = None,
        intervals: Iterator[tuple[float, float]] | None = None,
        excluded: bool = False,
        answer: SplitAnswer | None = None,
        wanders: bool = False,
    ) -> None:
        """Put an idle device into a cell.

        Args:
            context: of the run.
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
            answer: the server's part of a step of a split network; None where none is split.
            wanders: whether it may be handed over to other cells.
        """
        self.name = f"device-{index}"
        self.index = index
        self.hardware = hardware
        self.workload = workload
        self.power = power
        self.examples = examples
        self.excluded = excluded
        self.answer = answer
        self.last_upload: StateRef | None = None
        """newest upload that the server has got"""
        self.last_upload_round = -1
        """its round; -1 before the first"""
        self._context = context
        self.body = PowerMeter(context, index, battery, hardware.thermal, self._supplied)
        self.diary = ActivityLog(context, self.name, self.body)
        self.transceiver = Transceiver(
            context,
            index,
            self.body,
            self.diary,
            radio=radio or radio_of(hardware),
            cell=cell,
            mean_gain=mean_gain,
            wanders=wanders,
        )
        idle_power = hardware.idle_power + self.transceiver.radio.rest
        self.reachability = Reachability(
            context,
            self.body,
            self.diary,
            idle_power=idle_power,
            away_power=idle_power if away_power is None else away_power,
            changed=self._reachability_changed,
        )
        self.computing = computing or ComputeConfig()
        self.job = self.computing.job(hardware, workload)
        share = self.computing.share(hardware, self.job)
        seconds = self.job.seconds(share)
        self.round_joules = seconds * (idle_power + self.job.power(share))
        """J that the last round has cost; before the first, those of computing alone"""
        self.expected_compute = seconds
        """s, jitter and throttling left out"""
        self.round_seconds = seconds
        """s from being asked to the last bit sent in the last round; before the first, those of
        computing alone"""
        self.times_asked = 0
        self._number, self._turn = -1, 0
        self._participation: Participation | None = None
        self.reachability.begin(iter(()) if excluded else intervals)

    def __repr__(self) -> str:
        return f"Device({self.name!r}, {self.diary!r})"

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
        """Whether it can be asked."""
        return self.reachability.present

    @property
    def gone(self) -> bool:
        """Whether it is away and will never come back."""
        return self.reachability.lost

    @property
    def busy(self) -> bool:
        """Whether it takes part, or its upload is still on the way to the server."""
        return self._participation is not None and self._participation.process.is_alive

    @property
    def reported_loss(self) -> float:
        """Mean training loss in nat of the newest update that the server has got: trains it.

        Raises:
            ValueError: there is none, or the run trains nothing.
        """
        if self.last_upload is None:
            raise ValueError(f"{self.name} has not been heard of")
        return self._context.plan.value(self.last_upload, "train_loss")

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
    def battery_level(self) -> float:
        """Level of the battery as a share of its capacity; 1 on the mains."""
        supply = self.body.supply
        return 1.0 if supply is None else supply.level / supply.battery.capacity

    def participate(
        self,
        number: int,
        download: Download,
        *,
        deadline: float = float("inf"),
        air: JointUpload | None = None,
    ) -> simpy.Process:
        """Begin one local update in round `number`.

        Args:
            number: of the round.
            download: brings the state to start from.
            deadline: s on the simulated clock, when the upload should be through. Allocators that
                know deadlines work towards it; nothing ends when it passes.
            air: a joint analog transmission, in place of an upload of its own.

        Returns:
            A process that ends when the upload is at the server, with the Contribution as value, or
            when the device has abandoned its work, with None.
        """
        self.times_asked += 1
        self._turn = self._turn + 1 if number == self._number else 0
        self._number = number
        self._participation = Participation(
            self._context, self, number, self._turn, download, deadline=deadline, air=air
        )
        process = self._participation.process
        process.callbacks.append(lambda _: self._context.notify())
        return process

    def cancel(self) -> simpy.Process | None:
        """Let it abandon its work: nobody waits for it. What has left the device goes on.

        Returns:
            The process of its participation, which ends when it can be asked again; None where it
            had none.
        """
        ours = self._participation
        if ours is not None:
            ours.stop()
        self.idle()
        return ours.process if ours is not None and self.busy else None

    def idle(self) -> None:
        """Be idle until asked again, unless it has gone or come back in the meantime."""
        at_work = self._participation is not None and self._participation.at_work
        if not at_work and self.diary.activity == "wait":
            self.diary.begin("idle")

    def close(self) -> None:
        """Close the open span at the end of the run."""
        ended: Outcome = "done" if self.diary.activity in ("idle", "off") else "cut"
        self.diary.record(outcome="lost" if self.excluded else ended)
        self.body.note()

    def _expected(self, direction: Direction, access: AccessOverhead, bits: int) -> float:
        if not bits:
            return 0.0
        rate = self.cell.expected_rate(direction, self.mean_gain, self.power)
        return access.delay + access.on_air(bits) / rate

    def _supplied(self, powered: bool) -> None:
        self.reachability.supplied(powered)

    def _reachability_changed(self, gone: bool) -> None:
        """Be idle or away at once, or stop working first where it has gone."""
        if self._participation is None or not self._participation.at_work:
            self.reachability.settle()
        elif gone:
            self._participation.stop()

    # Names of earlier releases, for plug-ins.
    dismiss = cancel
    rest = idle

    @property
    def lost(self) -> bool:
        """`gone`, by its earlier name."""
        return self.gone

    @property
    def charge_share(self) -> float:
        """`battery_level`, by its earlier name."""
        return self.battery_level

    @property
    def heard(self) -> StateRef | None:
        """`last_upload`, by its earlier name."""
        return self.last_upload

    @property
    def heard_in(self) -> int:
        """`last_upload_round`, by its earlier name."""
        return self.last_upload_round
