"""Mobility: the position of a device, its gains, and its serving cell."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import simpy

from channel_models.validation import FloatArray
from wfl_sim.device_models.mobility import Track
from wfl_sim.network.carriers.cell import Cell
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.device import Device
from wfl_sim.radio.procedures.handover import A3Trigger, HandoverConfig


@dataclass(frozen=True)
class MobilityContext:
    """Cells and gains of the area in which devices move."""

    cells: Sequence[Cell]
    gains: Callable[[int, tuple[float, float]], FloatArray]
    """Linear large-scale gains (cells,) of a device at a position in m."""
    strengths: Callable[[FloatArray], Sequence[float]]
    """Signal strengths in dB, one for each cell, from gains (cells,): they decide on handovers."""
    move: Callable[[int, FloatArray], None]
    """Sets the gains of a device."""
    handover: HandoverConfig | None
    """None if devices stay in their cells."""
    step: float
    """Distance in m between two updates of the gains."""
    covers: Callable[[int, int, float], bool]
    """Whether a cell can serve a device at a linear large-scale gain."""


@dataclass(eq=False)
class MobilityProcess:
    """Updates the gains of a device whenever it has travelled some metres, and hands it over."""

    context: RunContext
    device: Device
    """That moves."""
    track: Track
    serving: int
    """Number of the serving cell at time zero."""
    mobility: MobilityContext
    """Cells and gains."""

    def __post_init__(self) -> None:
        self._trigger = (
            A3Trigger(self.mobility.handover) if self.mobility.handover is not None else None
        )
        self._note_cell()
        self.context.env.process(self._run())

    def __repr__(self) -> str:
        return f"MobilityProcess({self.device.name!r}, {self.track!r})"

    def _run(self) -> Generator[simpy.Event, Any, None]:
        env, handover = self.context.env, self.mobility.handover
        self._update()
        while True:
            moved = self.track.after(env.now, self.mobility.step)
            due = self._trigger.due if self._trigger is not None else inf
            until = min(moved, due)
            if until == inf:
                self.device.reachability.stay()
                return
            yield env.timeout(max(until - env.now, 0.0))
            if until == due and self._trigger is not None and handover is not None:
                self._hand_over(self._trigger.target(due), handover)
                self._trigger.restart()
                yield env.timeout(handover.interruption)
                self.device.transceiver.resume()
            self._update()

    def _update(self) -> None:
        now, device = self.context.env.now, self.device
        x, y = self.track.at(now)
        gains = self.mobility.gains(device.index, (x, y))
        self.mobility.move(device.index, gains)
        device.transceiver.moved(float(gains[self.serving]))
        covered = self.mobility.covers(device.index, self.serving, float(gains[self.serving]))
        device.reachability.set_covered(covered)
        self.context.note_level(device.name, "x", x)
        self.context.note_level(device.name, "y", y)
        if self._trigger is not None:
            self._trigger.update(now, self.serving, self.mobility.strengths(gains))

    def _hand_over(self, target: int, handover: HandoverConfig) -> None:
        context, device = self.context, self.device
        now = context.env.now
        gains = self.mobility.gains(device.index, self.track.at(now))
        context.handovers.add(device.index, self.serving, target, now, handover.ping_pong)
        self.serving = target
        device.transceiver.hand_over(self.mobility.cells[target], float(gains[target]))
        self._note_cell()

    def _note_cell(self) -> None:
        self.context.note_level(self.device.name, "cell", float(self.serving))
