"""Presence: whether a device can be asked, as it comes and goes, and what it draws at rest."""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import simpy

from wfl_sim.network.activity_log import ActivityLog
from wfl_sim.network.context import RunContext
from wfl_sim.network.power_meter import PowerMeter
from wfl_sim.records import Activity


class Reachability:
    """A device can be asked while it is within reach and its battery lets it work."""

    def __init__(
        self,
        context: RunContext,
        body: PowerMeter,
        diary: ActivityLog,
        *,
        idle_power: float,
        away_power: float,
        changed: Callable[[bool], None],
    ) -> None:
        """Be present.

        Args:
            context: of the run.
            body: draws the power.
            diary: of the device.
            idle_power: W, drawn while it can be asked.
            away_power: W, drawn while it cannot be reached.
            changed: is told of every change, and whether the device has gone with it.
        """
        self.idle_power = idle_power
        self._context = context
        self._body = body
        self._diary = diary
        self._away_power = away_power
        self._changed = changed
        self._reachable = self._powered = True
        self._left_for_good = False

    def __repr__(self) -> str:
        return f"Presence(reachable={self._reachable}, powered={self._powered})"

    @property
    def present(self) -> bool:
        """Whether the device can be asked."""
        return self._reachable and self._powered

    @property
    def lost(self) -> bool:
        """Whether the device is away and will never come back."""
        supply = self._body.supply
        dead = supply is not None and supply.empty and not supply.battery.revives
        return dead or (self._left_for_good and not self._reachable)

    def begin(self, intervals: Iterator[tuple[float, float]] | None) -> None:
        """Draw the idle power, and come and go from now on.

        Args:
            intervals: s, when the device can be reached; None for always.
        """
        self._body.draw("idle", self.idle_power)
        if intervals is not None:
            self._context.env.process(self._come_and_go(intervals))

    def settle(self) -> None:
        """Be idle or away, with the power that belongs to it."""
        activity: Activity = "idle" if self.present else "off"
        if activity != self._diary.activity:
            self._diary.begin(activity)
        away = self._away_power if self._powered else 0.0
        self._body.draw("idle", self.idle_power if self.present else away)

    def supplied(self, powered: bool) -> None:
        """Note that the battery is empty, or that the device can start again."""
        self._switch(reachable=self._reachable, powered=powered)

    def _come_and_go(
        self, intervals: Iterator[tuple[float, float]]
    ) -> Generator[simpy.Event, Any, None]:
        env = self._context.env
        for start, end in intervals:
            if start > env.now:
                self._switch(reachable=False, powered=self._powered)
                yield env.timeout(start - env.now)
            self._switch(reachable=True, powered=self._powered)
            if end == float("inf"):
                return
            yield env.timeout(end - env.now)
            if self.lost:
                return
        self._left_for_good = True
        self._switch(reachable=False, powered=self._powered)

    def _switch(self, *, reachable: bool, powered: bool) -> None:
        if (reachable, powered) == (self._reachable, self._powered) and not self.lost:
            return
        before = self.present
        if powered != self._powered and self._diary.activity == "off":
            self._diary.begin("off")
        self._reachable, self._powered = reachable, powered
        self._changed(before and not self.present)
        if self.lost or self.present:
            self._context.notify()
