"""Local computation of a device in a round: one local update, or steps shared with the server."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import simpy

from wfl_sim.device_models.compute import ComputeConfig
from wfl_sim.device_models.hardware import Hardware
from wfl_sim.device_models.workload import StepExchange, UpdateCost
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.activity_log import ActivityLog
from wfl_sim.network.devices.client import Client, Download, StepReply, Terms
from wfl_sim.network.devices.power_meter import PowerMeter
from wfl_sim.network.devices.reachability import Reachability
from wfl_sim.network.devices.transceiver import Transceiver

SplitAnswer = Callable[
    [Client, int, StepExchange, StepReply], Generator[simpy.Event, Any, Download | None]
]
"""The server's part of a step: of a device, in a round."""


class WorkingClient(Client, Protocol):
    """The parts of a device that take part in a round."""

    hardware: Hardware
    compute: ComputeConfig
    update_cost: UpdateCost
    power_meter: PowerMeter
    activity_log: ActivityLog
    transceiver: Transceiver
    reachability: Reachability
    answer: SplitAnswer | None

    def in_vain(self, deadline: float) -> tuple[float, float] | None:
        """Return seconds and W of an upload until it fails in outage; None in reach."""


@dataclass(eq=False)
class LocalComputation:
    """One local update.

    Of a split network every step sends activations and gets gradients; where documents are
    retrieved it sends requests and gets documents.
    """

    context: RunContext
    device: WorkingClient
    number: int
    repetition: int
    terms: Terms
    """What the policy sets."""

    def __post_init__(self) -> None:
        self._to_do = self._part = 1.0
        self._workload, self._cost = self.device.workload, self.device.update_cost
        self._reply: StepReply | None = None
        self._running: RunningComputation | None = None
        self._running_flops = 0.0

    def __repr__(self) -> str:
        return f"LocalComputation({self.device.name!r}, round {self.number})"

    @property
    def left(self) -> float:
        """Share of the update that is still to be computed."""
        done = self._running.done * self._part if self._running is not None else 0.0
        return self._to_do - done

    def run(self, factor: float) -> Generator[simpy.Event, Any, None]:
        """Compute the whole update; its time is multiplied by `factor`."""
        device, number = self.device, self.number
        drawn = self.context.plan.workload(device.index, number, self.repetition)
        if drawn is not None:
            self._workload = drawn
            self._cost = device.compute.job(device.hardware, drawn)
        steps, exchange = self._workload.steps, self._workload.exchange
        if exchange is None:
            yield from self._compute(factor)
            return
        for _ in range(steps):
            yield from self._compute(factor, exchange.forward / steps)
            segment, bits = yield from device.transceiver.send(exchange.up_bits, number, self.terms)
            device.transceiver.record(segment, bits)
            device.activity_log.begin("wait", number)
            self._reply = StepReply()
            assert device.answer is not None
            answer = device.answer(device, number, exchange, self._reply)
            gradients: Download = yield self.context.env.process(answer)
            self._reply = None
            yield from device.transceiver.receive(gradients, number)
            yield from self._compute(factor, (1 - exchange.forward) / steps)

    def abandon(self) -> float:
        """Stop; an answer of the server is no longer wanted.

        Returns:
            FLOPs of the unfinished computation that have been done.
        """
        if self._reply is not None:
            self._reply.wanted = False
        flops = self._running_flops * self._running.done if self._running is not None else 0.0
        self.device.power_meter.draw("compute", 0.0)
        return flops

    def _compute(self, factor: float, part: float = 1.0) -> Generator[simpy.Event, Any, None]:
        """Compute a part of the update."""
        device, context = self.device, self.context
        device.activity_log.begin("compute", self.number)
        self._running = RunningComputation(
            context.env,
            device.power_meter,
            device.hardware,
            device.compute,
            self._cost,
            self.terms.frequency,
        )
        self._part = part
        self._running_flops = part * self._workload.update_flops
        yield from self._running.run(part * factor)
        self._running = None
        self._to_do -= part
        context.complete()
        device.activity_log.record(flops=self._running_flops)


class RunningComputation:
    """The progress of a computation. Between two events its speed is constant.

    Args:
        env: the clock.
        power_meter: draws the power, and heats the board.
        hardware: of the device.
        compute: chooses the frequency, and knows the load of other programs.
        cost: of the whole computation.
        frequency: share of the highest clock that a policy sets; None for that of `compute`.
    """

    def __init__(
        self,
        env: simpy.Environment,
        power_meter: PowerMeter,
        hardware: Hardware,
        compute: ComputeConfig,
        cost: UpdateCost,
        frequency: float | None = None,
    ) -> None:
        self.frequency = compute.share(hardware, cost)
        if frequency is not None and hardware.dvfs is not None:
            self.frequency = max(frequency, hardware.dvfs.least)
        self._env = env
        self._power_meter = power_meter
        self._thermal = hardware.thermal
        self._load = compute.load.steps if compute.load is not None else None
        self._cost = cost
        self._left = 1.0
        self._speed = 0.0
        self._since = env.now

    def __repr__(self) -> str:
        return f"RunningComputation({self.done:.3f} of {self._cost!r})"

    @property
    def done(self) -> float:
        """Share of the computation that is done at this moment."""
        return 1.0 - self._left + (self._env.now - self._since) * self._speed

    def run(self, factor: float) -> Generator[simpy.Event, Any, None]:
        """Compute until all is done; the time is multiplied by `factor`."""
        env, thermal_state = self._env, self._power_meter.thermal_state
        if thermal_state is not None:
            thermal_state.update()
        while self._left > 0:
            frequency = self._allowed_frequency()
            self._power_meter.draw("compute", self._cost.power(frequency))
            free, until = self._free_share()
            seconds = self._cost.seconds(frequency) * factor
            if not seconds:
                break
            to_finish = self._left * seconds / free if free else inf
            to_toggle = thermal_state.next_toggle() if thermal_state is not None else inf
            step = min(to_finish, until - env.now, to_toggle)
            self._since, self._speed = env.now, free / seconds
            self._power_meter.note(frequency)
            yield env.timeout(step)
            done = step == to_finish
            self._left = 0.0 if done else max(self._left - step * self._speed, 0.0)
            self._since = env.now
            if thermal_state is not None and step == to_toggle:
                thermal_state.toggle()
        self._left = self._speed = 0.0
        self._power_meter.draw("compute", 0.0)

    def _allowed_frequency(self) -> float:
        """Return the present frequency, as a share of the maximum."""
        thermal_state = self._power_meter.thermal_state
        if thermal_state is None or self._thermal is None or not thermal_state.throttled:
            return self.frequency
        return min(self.frequency, self._thermal.throttled)

    def _free_share(self) -> tuple[float, float]:
        """Return the share of the processor that is free, and until which time in s."""
        if self._load is None:
            return 1.0, inf
        load, until = self._load.at(self._env.now)
        return 1.0 - load, until
