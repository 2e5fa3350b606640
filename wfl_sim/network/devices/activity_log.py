"""Activity log: the spans of a device, which follow one another without a gap."""

from wfl_sim.network.carriers.transfer import Transfer
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.power_meter import PowerMeter
from wfl_sim.records import Activity, Outcome


class ActivityLog:
    """The open span of one device; closed spans go to the rows of the run.

    Args:
        context: of the run.
        actor: name of the device.
        power_meter: measures the energy of each span.
    """

    def __init__(self, context: RunContext, actor: str, power_meter: PowerMeter) -> None:
        self.activity: Activity = "idle"
        self.since = context.env.now
        self._context = context
        self._actor = actor
        self._power_meter = power_meter
        self._round = -1
        self._joules_before = 0.0

    def __repr__(self) -> str:
        return f"ActivityLog({self._actor!r}, {self.activity} since {self.since:.6g} s)"

    def begin(self, activity: Activity, number: int = -1) -> None:
        """Close the open span as done and open another, in round `number`."""
        self.record()
        self.activity, self._round = activity, number

    def record(
        self,
        *,
        outcome: Outcome = "done",
        bits: int = 0,
        flops: float = 0.0,
        cell: str = "",
        transfer: Transfer | None = None,
    ) -> None:
        """Close the open span; one of no duration leaves a row if it has cost anything."""
        now, joules = self._context.env.now, self._power_meter.joules()
        if now == self.since and joules == self._joules_before:
            return
        self._power_meter.note()
        self._context.record(
            self._actor,
            self.activity,
            self._round,
            self.since,
            bits=bits,
            flops=flops,
            joules=joules - self._joules_before,
            cell=cell,
            outcome=outcome,
            mean_sinr_db=transfer.mean_sinr_db if transfer else None,
            mean_rate=bits / (now - self.since) if transfer and now > self.since else None,
        )
        if transfer:
            self._context.note_pauses(self._actor, transfer.pauses)
        self.since, self._joules_before = now, joules
