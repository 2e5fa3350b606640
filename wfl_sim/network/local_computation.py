"""Local update: a device's arithmetic in a round, alone or step by step with a split server."""

from collections.abc import Callable, Generator
from typing import Any, Protocol

import simpy

from wfl_sim.device_models.compute import ComputeConfig
from wfl_sim.device_models.hardware import Hardware
from wfl_sim.device_models.workload import SplitExchange, UpdateCost
from wfl_sim.network.activity_log import ActivityLog
from wfl_sim.network.client import Client
from wfl_sim.network.context import RunContext
from wfl_sim.network.messages import Download, SplitReply
from wfl_sim.network.power_meter import PowerMeter
from wfl_sim.network.transceiver import Transceiver

SplitAnswer = Callable[
    [Client, int, SplitExchange, SplitReply], Generator[simpy.Event, Any, Download | None]
]
"""the server's part of a step: of a device, in a round"""


class ComputingDevice(Client, Protocol):
    """What the arithmetic of a round uses of a device."""

    hardware: Hardware
    computing: ComputeConfig
    job: UpdateCost
    body: PowerMeter
    diary: ActivityLog
    transceiver: Transceiver
    answer: SplitAnswer | None


class LocalComputation:
    """Where the network is split, the activations and gradients of each step go over the air."""

    def __init__(
        self, context: RunContext, device: ComputingDevice, number: int, turn: int
    ) -> None:
        """Begin with nothing computed.

        Args:
            context: of the run.
            device: that computes.
            number: of the round.
            turn: updates that the device has begun in this round before.
        """
        self._context = context
        self._device = device
        self._number = number
        self._turn = turn
        self._reply: SplitReply | None = None
        self._effort: RunningComputation | None = None
        self._effort_flops = 0.0

    def __repr__(self) -> str:
        return f"LocalUpdate({self._device.name!r}, round {self._number}, turn {self._turn})"

    def run(self, factor: float) -> Generator[simpy.Event, Any, None]:
        """Do the whole update; `factor` stretches its time."""
        device, number = self._device, self._number
        steps, exchange = device.workload.steps, device.workload.exchange
        if exchange is None:
            yield from self._compute(factor)
            return
        for _ in range(steps):
            yield from self._compute(factor, exchange.forward / steps)
            leg, bits = yield from device.transceiver.send(exchange.up_bits, number)
            device.diary.record(bits=bits, cell=leg.cell.name, transfer=leg.transfer)
            device.diary.begin("wait", number)
            self._reply = SplitReply()
            assert device.answer is not None
            answer = device.answer(device, number, exchange, self._reply)
            gradients: Download = yield self._context.env.process(answer)
            self._reply = None
            yield from device.transceiver.receive(gradients, number)
            yield from self._compute(factor, (1 - exchange.forward) / steps)

    def abandon(self) -> float:
        """Give up: no answer is wanted any more.

        Returns:
            FLOPs of what was being computed that have been done.
        """
        if self._reply is not None:
            self._reply.wanted = False
        flops = self._effort_flops * self._effort.done if self._effort is not None else 0.0
        self._device.body.draw("compute", 0.0)
        return flops

    def _compute(self, factor: float, part: float = 1.0) -> Generator[simpy.Event, Any, None]:
        """Do a part of the arithmetic."""
        device, context = self._device, self._context
        device.diary.begin("compute", self._number)
        computing = device.computing
        drawn = context.plan.workload(device.index, self._number, self._turn)
        job = device.job if drawn is None else computing.job(device.hardware, drawn)
        self._effort = RunningComputation(context.env, device.body, device.hardware, computing, job)
        self._effort_flops = part * (drawn or device.workload).update_flops
        yield from self._effort.run(part * factor)
        self._effort = None
        device.diary.record(flops=self._effort_flops)


class RunningComputation:
    """How much of a job is done. Between two changes its speed is constant."""

    def __init__(
        self,
        env: simpy.Environment,
        body: PowerMeter,
        hardware: Hardware,
        computing: ComputeConfig,
        job: UpdateCost,
    ) -> None:
        """Begin a job.

        Args:
            env: the clock.
            body: draws the power, and heats.
            hardware: of the device.
            computing: who chooses the frequency, and what else runs.
            job: what there is to do.
        """
        self.frequency = computing.share(hardware, job)
        self._env = env
        self._body = body
        self._thermal = hardware.thermal
        self._load = computing.load.steps if computing.load is not None else None
        self._job = job
        self._left = 1.0
        self._pace = 0.0
        self._since = env.now

    def __repr__(self) -> str:
        return f"Effort({self.done:.3f} of {self._job!r})"

    @property
    def done(self) -> float:
        """Share of the job that is done at this moment."""
        return 1.0 - self._left + (self._env.now - self._since) * self._pace

    def run(self, factor: float) -> Generator[simpy.Event, Any, None]:
        """Work until the job is done; `factor` stretches its time."""
        env, heat = self._env, self._body.heat
        if heat is not None:
            heat.look()
        while self._left > 0:
            share = self._share()
            self._body.draw("compute", self._job.power(share))
            free, until = self._free()
            lasts = self._job.seconds(share) * factor
            to_finish = self._left * lasts / free if free else float("inf")
            turn = heat.next_turn() if heat is not None else float("inf")
            step = min(to_finish, until - env.now, turn)
            self._since, self._pace = env.now, free / lasts
            self._body.note(share)
            yield env.timeout(step)
            done = step == to_finish
            self._left = 0.0 if done else max(self._left - step * self._pace, 0.0)
            self._since = env.now
            if heat is not None and step == turn:
                heat.turn()
        self._pace = 0.0
        self._body.draw("compute", 0.0)

    def _share(self) -> float:
        """Return the frequency that may be used now, as a share of the highest."""
        heat = self._body.heat
        if heat is None or self._thermal is None or not heat.throttled:
            return self.frequency
        return min(self.frequency, self._thermal.throttled)

    def _free(self) -> tuple[float, float]:
        """Return the share of the processor that is free, and the time until which it is."""
        if self._load is None:
            return 1.0, float("inf")
        load, until = self._load.at(self._env.now)
        return 1.0 - load, until
