"""Local update: a device's arithmetic in a round, alone or step by step with a split server."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import simpy

from wfl_sim.entities.delivery import Delivery, Reply
from wfl_sim.entities.effort import Effort

if TYPE_CHECKING:
    from wfl_sim.entities.device import Device
    from wfl_sim.federation import Federation


class LocalUpdate:
    """Where the network is split, the activations and gradients of each step go over the air."""

    def __init__(self, federation: "Federation", device: "Device", number: int, turn: int) -> None:
        """Begin with nothing computed.

        Args:
            federation: the world.
            device: that computes.
            number: of the round.
            turn: updates that the device has begun in this round before.
        """
        self._federation = federation
        self._device = device
        self._number = number
        self._turn = turn
        self._reply: Reply | None = None
        self._effort: Effort | None = None
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
            self._reply = Reply()
            answer = self._federation.server.answer(device, number, exchange, self._reply)
            gradients: Delivery = yield self._federation.env.process(answer)
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
        device, federation = self._device, self._federation
        device.diary.begin("compute", self._number)
        computing = device.computing
        drawn = federation.plan.workload(device.index, self._number, self._turn)
        job = device.job if drawn is None else computing.job(device.hardware, drawn)
        self._effort = Effort(federation.env, device.body, device.hardware, computing, job)
        self._effort_flops = part * (drawn or device.workload).update_flops
        yield from self._effort.run(part * factor)
        self._effort = None
        device.diary.record(flops=self._effort_flops)
