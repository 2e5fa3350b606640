"""Run context: clock, random streams, ledger, counters and rows that all entities share."""

import math
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from wfl_sim.device_models.energy import EnergyLedger
from wfl_sim.execution.plan import Plan
from wfl_sim.execution.task import StateRef
from wfl_sim.radio.bands.medium import RatePlan
from wfl_sim.randomness import stream
from wfl_sim.records import Activity, Level, Quantity, RadioSample, Span


class Environment(simpy.Environment):
    """SimPy's environment. A failed process ends the run with what it has raised.

    SimPy hands on copies of exceptions, made of their `args`. A class that takes other arguments,
    such as `json.JSONDecodeError`, has none: a `RuntimeError` with its cause takes its place.
    """

    def process(self, generator: Generator[simpy.Event, Any, Any]) -> simpy.Process:
        """Start a process."""
        return simpy.Process(self, _with_copies(generator))


def _with_copies(generator: Generator[simpy.Event, Any, Any]) -> Generator[simpy.Event, Any, Any]:
    try:
        return (yield from generator)
    except Exception as error:
        try:
            type(error)(*error.args)
        except Exception:
            copied = RuntimeError(f"{type(error).__name__}: {error}")
        else:
            raise
        raise copied from error


_ROUNDING = 1e-9


class RadioRecord:
    """Samples of all links of a run, at every multiple of `interval` s at which they send.

    Links from `devices` on are users of background traffic.
    """

    def __init__(self, interval: float, devices: float = math.inf) -> None:
        self.interval = interval
        self._devices = devices
        self.rows: list[RadioSample] = []

    def __repr__(self) -> str:
        return f"RadioRecord({self.interval} s, {len(self.rows)} rows)"

    def note(self, plan: RatePlan, start: float, end: float) -> None:
        """Take the samples of a plan that was followed from `start` to `end`, in s."""
        for step, until in enumerate(plan.until.tolist()):
            until = min(until, end)
            first = math.ceil(start / self.interval - _ROUNDING)
            last = math.ceil(until / self.interval - _ROUNDING)
            links = plan.samples[step]() if first < last else ()
            for number in range(first, last):
                self.rows += self._rows(number * self.interval, links)
            if until >= end:
                return
            start = until

    def _rows(
        self, time: float, links: Iterable[tuple[int, Mapping[str, Any]]]
    ) -> Iterable[RadioSample]:
        for index, facts in links:
            name = f"device-{index}" if index < self._devices else f"user-{index}"
            yield RadioSample(time=time, device=name, **facts)


@dataclass
class TrafficCounters:
    """Bits of payload over the air, counted when a transfer ends.

    Every bit that was sent up was received or lost. So was every bit sent down in unicast.
    """

    sent_up: int = 0
    received_up: int = 0
    """Bits that have reached the server over the backhaul."""
    sent_down: int = 0
    """A broadcast counts once."""
    received_down: int = 0
    """A broadcast counts once for each receiver."""
    lost_up: int = 0
    """Bits of uploads that were lost or abandoned."""
    lost_down: int = 0
    """Bits of abandoned downloads; a broadcast counts once for each receiver that left."""

    @property
    def under_way_up(self) -> int:
        """Bits that were sent up and are neither received nor lost: they are on the backhaul."""
        return self.sent_up - self.received_up - self.lost_up


@dataclass
class HandoverCounters:
    """Changes of the serving cell."""

    count: int = 0
    ping_pong: int = 0
    """Handovers back to the previous cell within the time window."""
    _last: dict[int, tuple[int, float]] = field(default_factory=dict)

    def add(self, device: int, source: int, target: int, now: float, window: float) -> None:
        """Count a handover that begins now; one back within `window` s is a ping-pong."""
        before, then = self._last.get(device, (-1, 0.0))
        self.count += 1
        self.ping_pong += target == before and now - then <= window
        self._last[device] = source, now


@dataclass
class BackgroundCounters:
    """What users beside the federation have sent and received."""

    transfers: int = 0
    """Files, and times with a full buffer, that have ended."""
    bits_up: float = 0.0
    bits_down: float = 0.0
    joules: float = 0.0
    """Energy of the users' radios beyond rest."""


@dataclass(frozen=True)
class DueEvaluation:
    """An evaluation of the states of one moment, with the totals until then."""

    time: float
    round: int
    bits_up: int
    bits_down: int
    joules: float
    overall: str | None
    """Key of the evaluation on pooled examples."""
    personal: tuple[str, ...]
    """Keys of the evaluations of each device on its own examples."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of all evaluation tasks."""
        return (*((self.overall,) if self.overall else ()), *self.personal)


@dataclass
class RunContext:
    """Clock, random streams, ledger, counters and rows of one run."""

    env: simpy.Environment
    seed: int
    plan: Plan
    """Names the learning tasks and tells their costs."""
    ledger: EnergyLedger
    traffic: TrafficCounters = field(default_factory=TrafficCounters)
    background: BackgroundCounters = field(default_factory=BackgroundCounters)
    handovers: HandoverCounters = field(default_factory=HandoverCounters)
    spans: list[Span] = field(default_factory=list)
    pauses: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Start and end in s of what an actor's transfers waited for acknowledgements, in its spans."""
    levels: list[Level] = field(default_factory=list)
    evaluations: list[DueEvaluation] = field(default_factory=list)
    radio: RadioRecord | None = None
    """Samples of the radio; None unless they are recorded."""
    completed_at: float = 0.0
    """Time in s at which a transfer, a computation, an aggregation or a round was completed."""
    received: list[int] = field(default_factory=list)
    """Devices whose uploads have reached the server, whether it looks at them or not."""
    aggregations: int = 0
    """Number of times that the server, or an edge server, was to aggregate what has arrived."""
    empty_aggregations: int = 0
    """Number of those for which nothing had arrived."""
    unused_uploads: int = 0
    """Number of uploads that arrived, and that the rounds did not use."""
    partial_pools: int = 0
    """Number of cohorts that were selected while some devices were not available."""
    maybe_unavailable: set[int] = field(default_factory=set)
    """Devices that were asked, came or left, and have not been seen available since."""
    _changed: simpy.Event | None = None

    def __repr__(self) -> str:
        return f"RunContext(seed={self.seed}, {self.env.now:.6g} s)"

    def stream(self, *names: str | int) -> np.random.Generator:
        """Return the named random stream of this run."""
        return stream(self.seed, *names)

    def complete(self) -> None:
        """Note that something has been completed."""
        self.completed_at = self.env.now

    def fleet_changed(self) -> simpy.Event:
        """Return an event that succeeds at the next `notify`."""
        if self._changed is None or self._changed.triggered:
            self._changed = self.env.event()
        return self._changed

    def notify(self) -> None:
        """Announce that a device is available again, is lost for good, or has ended its round."""
        if self._changed is not None and not self._changed.triggered:
            self._changed.succeed()

    def record(
        self, actor: str, activity: Activity, number: int, start: float, **facts: Any
    ) -> None:
        """Append the span of an activity in round `number` that began at `start` s and ends now."""
        end = self.env.now
        self.spans.append(
            Span(start=start, end=end, actor=actor, activity=activity, round=number, **facts)
        )

    def note_pauses(self, actor: str, pauses: Sequence[tuple[float, float]]) -> None:
        """Note the pauses of a transfer that ends now."""
        if pauses:
            mine = self.pauses.setdefault(actor, [])
            mine += [(start, min(end, self.env.now)) for start, end in pauses]

    def note_level(self, actor: str, quantity: Quantity, value: float) -> None:
        """Append the present value of a quantity."""
        self.levels.append(Level(time=self.env.now, actor=actor, quantity=quantity, value=value))

    def measure(self, number: int, shared: StateRef) -> None:
        """Request an evaluation of the present states after round `number`."""
        overall, personal = self.plan.evaluate(shared)
        if overall is None and not personal:
            return
        self.evaluations.append(
            DueEvaluation(
                time=self.env.now,
                round=number,
                bits_up=self.traffic.sent_up,
                bits_down=self.traffic.sent_down,
                joules=float(self.ledger.drawn(self.env.now).sum()),
                overall=overall,
                personal=personal,
            )
        )
