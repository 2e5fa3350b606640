"""Federation: the world that a rounds policy drives."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from wfl_sim.energy import Ledger
from wfl_sim.execution.plan import Plan
from wfl_sim.execution.task import Handle
from wfl_sim.randomness import stream
from wfl_sim.records import Level, Span

if TYPE_CHECKING:
    from wfl_sim.entities.device import Device
    from wfl_sim.entities.edge import Edge
    from wfl_sim.entities.server import Server
    from wfl_sim.entities.slumber import Slumber


@dataclass
class Traffic:
    """Bits over the air, counted when a transfer ends.

    What was sent up was received or lost; so was what was sent down to each apart.
    """

    sent_up: int = 0
    received_up: int = 0
    """at the server, after the wire"""
    sent_down: int = 0
    """a broadcast counts once"""
    received_down: int = 0
    """a broadcast counts once for each receiver"""
    lost_up: int = 0
    """of uploads that were abandoned"""
    lost_down: int = 0
    """of downloads that were abandoned; a broadcast counts once for each receiver that left"""


@dataclass
class Handovers:
    """Changes of the serving cell."""

    count: int = 0
    ping_pong: int = 0
    """those that went back to the cell before, soon after"""
    _last: dict[int, tuple[int, float]] = field(default_factory=dict)

    def begun(self, device: int, source: int, target: int, now: float, window: float) -> None:
        """Count a handover of a device at a time; one back within `window` s is a ping-pong."""
        before, then = self._last.get(device, (-1, 0.0))
        self.count += 1
        self.ping_pong += target == before and now - then <= window
        self._last[device] = source, now


@dataclass(frozen=True)
class Measurement:
    """An evaluation that is due: the time, the totals until then, and the tasks that will tell."""

    time: float
    round: int
    bits_up: int
    bits_down: int
    joules: float
    overall: str | None
    """key of the evaluation on pooled examples"""
    personal: tuple[str, ...]
    """keys of the evaluations of each device on its own examples"""

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that the rows of this measurement need."""
        return (*((self.overall,) if self.overall else ()), *self.personal)


@dataclass
class Federation:
    """Clock, devices, server, ledgers and rows of one run."""

    env: simpy.Environment
    seed: int
    plan: Plan
    ledger: Ledger
    traffic: Traffic = field(default_factory=Traffic)
    handovers: Handovers = field(default_factory=Handovers)
    spans: list[Span] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    slumbers: "dict[str, Slumber]" = field(default_factory=dict)
    """of the cells whose base station sleeps, by name"""
    devices: "Sequence[Device]" = ()
    server: "Server" = field(init=False)
    edges: "Sequence[Edge]" = ()
    """servers between cells and the server; none where the server does all"""
    _turn: simpy.Event | None = None

    def __repr__(self) -> str:
        return f"Federation({len(self.devices)} devices, {self.env.now:.6g} s)"

    def stream(self, *names: str | int) -> np.random.Generator:
        """Return the named random stream of this run."""
        return stream(self.seed, *names)

    def free(self) -> "list[Device]":
        """Return the devices that can be asked now and take no part, in ascending order."""
        return [device for device in self.devices if device.present and not device.busy]

    def anybody(self) -> "Generator[simpy.Event, Any, list[Device]]":
        """Wait until a device can be asked.

        Returns:
            The devices that can be asked; none where no device will ever come back.
        """
        while not (there := self.free()) and not self.deserted:
            yield self.turn()
        return there

    @property
    def deserted(self) -> bool:
        """Whether all devices are away, and none will ever come back."""
        return all(device.lost for device in self.devices)

    def turn(self) -> simpy.Event:
        """Return the event that a device has come, gone for good, or ended its part."""
        if self._turn is None or self._turn.triggered:
            self._turn = self.env.event()
        return self._turn

    def look_again(self) -> None:
        """Note that a device has come back, never will, or has ended its part."""
        if self._turn is not None and not self._turn.triggered:
            self._turn.succeed()

    def measure(self, number: int, shared: Handle) -> None:
        """Note that the states of this moment are to be evaluated."""
        overall, personal = self.plan.evaluate(shared)
        if overall is None and not personal:
            return
        self.measurements.append(
            Measurement(
                time=self.env.now,
                round=number,
                bits_up=self.traffic.sent_up,
                bits_down=self.traffic.sent_down,
                joules=float(self.ledger.drawn(self.env.now).sum()),
                overall=overall,
                personal=personal,
            )
        )
