"""Reachability: whether a device is available, and its power while it is idle or away."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import simpy

from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.activity_log import ActivityLog
from wfl_sim.network.devices.power_meter import PowerMeter
from wfl_sim.records import Activity


@dataclass(eq=False)
class Reachability:
    """A device is present while it is reachable, in coverage, and its battery has enough charge."""

    context: RunContext
    power_meter: PowerMeter
    """Of the device."""
    activity_log: ActivityLog
    """Of the device."""
    _: KW_ONLY
    idle_power: float
    """W while it is present."""
    away_power: float
    """W while it is not reachable."""
    on_change: Callable[[bool], None]
    """Called at every change; the argument tells whether the device has become absent."""

    def __post_init__(self) -> None:
        self._reachable = self._powered = self._covered = True
        self._left_for_good = self._stays = False
        self.present = True
        """Whether the device is reachable, covered and powered."""
        self.uncovered_since: float | None = None
        """Time in s at which the device left coverage; None while it is covered."""

    def __repr__(self) -> str:
        return f"Reachability(reachable={self._reachable}, powered={self._powered})"

    @property
    def gone(self) -> bool:
        """Whether the device is away and will never come back."""
        battery = self.power_meter.battery_state
        dead = battery is not None and battery.empty and not battery.battery.revives
        left = self._left_for_good and not self._reachable
        return dead or left or (self._stays and not self._covered)

    def begin(self, intervals: Iterator[tuple[float, float]] | None) -> None:
        """Draw the idle power, and come and go from now on.

        Args:
            intervals: start and end in s of the times when it is reachable; None for always.
        """
        self.power_meter.draw("idle", self.idle_power)
        if intervals is not None:
            self.context.env.process(self._come_and_go(intervals))

    def settle(self) -> None:
        """Be idle or off, with the power of that activity."""
        activity: Activity = "idle" if self.present else "off"
        if activity != self.activity_log.activity:
            self.activity_log.begin(activity)
        away = self.away_power if self._powered else 0.0
        self.power_meter.draw("idle", self.idle_power if self.present else away)

    def set_powered(self, powered: bool) -> None:
        """Note that the battery is empty, or that the device can start again."""
        self._switch(reachable=self._reachable, powered=powered, covered=self._covered)

    def set_covered(self, covered: bool) -> None:
        """Note whether the serving cell can serve the device where it is now."""
        if covered != self._covered:
            now = self.context.env.now
            self.uncovered_since = None if covered else now
            self._switch(reachable=self._reachable, powered=self._powered, covered=covered)

    def stay(self) -> None:
        """Note that the device moves no more."""
        self._stays = True
        if self.gone:
            self.context.notify()

    def _come_and_go(
        self, intervals: Iterator[tuple[float, float]]
    ) -> Generator[simpy.Event, Any, None]:
        env = self.context.env
        for start, end in intervals:
            if start > env.now:
                self._reach(False)
                yield env.timeout(start - env.now)
            self._reach(True)
            if end == float("inf"):
                return
            yield env.timeout(end - env.now)
            if self.gone:
                return
        self._left_for_good = True
        self._reach(False)

    def _reach(self, reachable: bool) -> None:
        self._switch(reachable=reachable, powered=self._powered, covered=self._covered)

    def _switch(self, *, reachable: bool, powered: bool, covered: bool) -> None:
        state = self._reachable, self._powered, self._covered
        if (reachable, powered, covered) == state and not self.gone:
            return
        before = self.present
        if powered != self._powered and self.activity_log.activity == "off":
            self.activity_log.begin("off")
        self._reachable, self._powered, self._covered = reachable, powered, covered
        self.present = reachable and powered and covered
        self.on_change(before and not self.present)
        if self.gone or self.present:
            self.context.notify()
