"""Walk: one device on its way, its gains, and the cell that serves it."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from wfl_sim.device_models.mobility import Track
from wfl_sim.network.cell import Cell
from wfl_sim.network.context import RunContext
from wfl_sim.network.device import Device
from wfl_sim.radio.handover import A3Trigger, HandoverConfig
from wfl_sim.records import Level, Quantity


@dataclass(frozen=True)
class MobilityContext:
    """What a device on its way needs to know of the world."""

    cells: Sequence[Cell]
    gains: Callable[[int, tuple[float, float]], NDArray[np.float64]]
    """(cells,) linear large-scale gains of a device at a place in m"""
    strengths: Callable[[NDArray[np.float64]], Sequence[float]]
    """dB, one a cell, from gains (cells,): what decides on the cell"""
    move: Callable[[int, NDArray[np.float64]], None]
    """give a device other gains"""
    rule: HandoverConfig | None
    """None where a device stays in its cell"""
    step: float
    """m travelled between two looks"""


class MobilityProcess:
    """Looks at the surroundings of a device whenever it has travelled some metres."""

    def __init__(
        self,
        context: RunContext,
        device: Device,
        track: Track,
        serving: int,
        surroundings: MobilityContext,
    ) -> None:
        """Begin at time zero.

        Args:
            context: of the run.
            device: that walks.
            track: where it is over time.
            serving: number of its cell.
            surroundings: of all devices.
        """
        self._context = context
        self._device = device
        self._track = track
        self._serving = serving
        self._world = surroundings
        self._a3 = A3Trigger(surroundings.rule) if surroundings.rule is not None else None
        self._note(serving)
        context.env.process(self._run())

    def __repr__(self) -> str:
        return f"Walk({self._device.name!r}, {self._track!r})"

    def _run(self) -> Generator[simpy.Event, Any, None]:
        env = self._context.env
        self._look()
        while True:
            moved = self._track.after(env.now, self._world.step)
            due = self._a3.due if self._a3 is not None else float("inf")
            until = min(moved, due)
            if until == float("inf"):
                return
            yield env.timeout(max(until - env.now, 0.0))
            if until == due and self._a3 is not None and self._world.rule is not None:
                self._hand_over(self._a3.target(due), self._world.rule)
                self._a3.restart()
                yield env.timeout(self._world.rule.interruption)
                self._device.transceiver.resume()
            self._look()

    def _look(self) -> None:
        now, device = self._context.env.now, self._device
        here = self._track.at(now)
        gains = self._world.gains(device.index, here)
        self._world.move(device.index, gains)
        device.transceiver.moved(float(gains[self._serving]))
        for quantity, value in zip(("x", "y"), here, strict=True):
            self._row(quantity, value)  # type: ignore[arg-type]
        if self._a3 is not None:
            self._a3.update(now, self._serving, self._world.strengths(gains))

    def _hand_over(self, target: int, rule: HandoverConfig) -> None:
        context, device = self._context, self._device
        gains = self._world.gains(device.index, self._track.at(context.env.now))
        context.handovers.begun(
            device.index, self._serving, target, context.env.now, rule.ping_pong
        )
        self._serving = target
        device.transceiver.hand_over(self._world.cells[target], float(gains[target]))
        self._note(target)

    def _note(self, serving: int) -> None:
        self._row("cell", float(serving))

    def _row(self, quantity: Quantity, value: float) -> None:
        now, actor = self._context.env.now, self._device.name
        self._context.levels.append(Level(time=now, actor=actor, quantity=quantity, value=value))
