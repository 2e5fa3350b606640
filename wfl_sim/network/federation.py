"""Federation: the world that a rounds policy drives."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import simpy

from wfl_sim.device_models.energy import EnergyLedger
from wfl_sim.execution.plan import Plan
from wfl_sim.execution.task import StateRef
from wfl_sim.network.context import DueEvaluation, HandoverCounters, TrafficCounters
from wfl_sim.randomness import stream
from wfl_sim.records import Level, Span

if TYPE_CHECKING:
    from wfl_sim.network.base_station_sleep import BaseStationSleep
    from wfl_sim.network.device import Device
    from wfl_sim.network.edge_server import EdgeServer
    from wfl_sim.network.server import Server


@dataclass
class Federation:
    """Clock, devices, server, ledgers and rows of one run."""

    env: simpy.Environment
    seed: int
    plan: Plan
    ledger: EnergyLedger
    traffic: TrafficCounters = field(default_factory=TrafficCounters)
    handovers: HandoverCounters = field(default_factory=HandoverCounters)
    spans: list[Span] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    measurements: list[DueEvaluation] = field(default_factory=list)
    slumbers: "dict[str, BaseStationSleep]" = field(default_factory=dict)
    """of the cells whose base station sleeps, by name"""
    devices: "Sequence[Device]" = ()
    server: "Server" = field(init=False)
    edges: "Sequence[EdgeServer]" = ()
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

    def measure(self, number: int, shared: StateRef) -> None:
        """Note that the states of this moment are to be evaluated."""
        overall, personal = self.plan.evaluate(shared)
        if overall is None and not personal:
            return
        self.measurements.append(
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
