"""Diary: what a device does, as spans that follow one another without gap."""

from wfl_sim.network.carrier import Transfer
from wfl_sim.network.context import RunContext
from wfl_sim.network.power_meter import PowerMeter
from wfl_sim.records import Activity, Outcome, Span


class ActivityLog:
    """The open span of one device, and the closed ones in the rows of the run."""

    def __init__(self, context: RunContext, actor: str, body: PowerMeter) -> None:
        """Open with an idle span.

        Args:
            context: of the run.
            actor: name of the device.
            body: knows the joules.
        """
        self.activity: Activity = "idle"
        self.since = context.env.now
        self._context = context
        self._actor = actor
        self._body = body
        self._round = -1
        self._joules_then = 0.0

    def __repr__(self) -> str:
        return f"Diary({self._actor!r}, {self.activity} since {self.since:.6g} s)"

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
        """Close the open span; one that has lasted no time leaves no row."""
        now = self._context.env.now
        if now == self.since:
            return
        joules = self._body.joules()
        self._body.note()
        self._context.spans.append(
            Span(
                start=self.since,
                end=now,
                actor=self._actor,
                activity=self.activity,
                round=self._round,
                bits=bits,
                flops=flops,
                joules=joules - self._joules_then,
                cell=cell,
                outcome=outcome,
                mean_sinr_db=transfer.mean_sinr_db if transfer else None,
                mean_rate=bits / (now - self.since) if transfer else None,
            )
        )
        self.since, self._joules_then = now, joules
