"""Battery state: the charge of a battery, integrated exactly; its crossings are events.

Between two changes of power the level is linear. The moment at which it reaches the cut-off, the
restart level or the capacity is known in closed form; a timer is set for the next of them.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import simpy

from wfl_sim.device_models.battery import Battery

_ROUNDING = 1e-12


@dataclass(eq=False)
class BatteryState:
    """The level of one battery, which starts at its initial level without load."""

    env: simpy.Environment
    battery: Battery
    """Its capacity, thresholds and charging."""
    _: KW_ONLY
    on_power: Callable[[bool], None]
    """Called with False when the battery is empty, and with True when the device can start
    again."""
    on_change: Callable[[], None]
    """Called when the slope of the level changes without a change of load: battery full, or
    charging power changes."""

    def __post_init__(self) -> None:
        self.empty = False
        self.charged = 0.0
        """Energy in J that was stored."""
        self.spilled = 0.0
        """Energy in J that came in while the battery was full."""
        self._level = self.battery.initial * self.battery.capacity
        self._drawn = 0.0
        self._watts = 0.0
        self._since = self.env.now
        self._income, self._income_until = self.battery.income(self.env.now)
        self._due = float("inf")
        self._timer = 0
        self._arm()

    def __repr__(self) -> str:
        return (
            f"BatteryState({self._level:.6g} of {self.battery.capacity:.6g} J, {self._watts:.6g} W)"
        )

    @property
    def level(self) -> float:
        """Present charge in J."""
        self._settle()
        return self._level

    @property
    def left(self) -> float:
        """Present charge above the cut-off in J."""
        return self.level - self.battery.cutoff * self.battery.capacity

    @property
    def drawn(self) -> float:
        """Energy in J that the device has drawn until now."""
        self._settle()
        return self._drawn

    def set_draw(self, watts: float) -> None:
        """Set the load in W from now on."""
        self._settle()
        self._watts = watts
        self._arm()

    def take(self, joules: float) -> None:
        """Draw so many J in an instant."""
        self._settle()
        self._level -= joules
        self._drawn += joules
        self._arm()

    def _settle(self) -> None:
        """Bring the level to this moment; the power has been constant since the last call."""
        elapsed = self.env.now - self._since
        if not elapsed:
            return
        income, taken = self._income * elapsed, self._watts * elapsed
        room = self.battery.capacity - self._level
        spilled = max(income - taken - room, 0.0)
        self._level += income - taken - spilled
        self.charged += income - spilled
        self.spilled += spilled
        self._drawn += taken
        self._since = self.env.now

    def _next(self) -> float:
        """Return the time of the next change that no call causes."""
        net, battery = self._income - self._watts, self.battery
        target = 0.0
        if net < 0 and not self.empty:
            target = battery.cutoff * battery.capacity
        elif net > 0 and self.empty:
            target = battery.restart * battery.capacity
        elif net > 0 and self._level < battery.capacity:
            target = battery.capacity
        else:
            return self._income_until
        return min(self.env.now + max((target - self._level) / net, 0.0), self._income_until)

    def _arm(self) -> None:
        """Set a timer if the next change comes before that of the present timer.

        A timer that fires too early sets the next one, so later changes need none.
        """
        due = self._next()
        if due < self._due:
            self._due = due
            self._timer += 1
            timer = self._timer
            self.env.timeout(due - self.env.now).callbacks.append(lambda _: self._fire(timer))

    def _fire(self, timer: int) -> None:
        if timer != self._timer:
            return
        self._due = float("inf")
        self._settle()
        battery, now = self.battery, self.env.now
        slack = _ROUNDING * battery.capacity
        net = self._income - self._watts
        if now >= self._income_until:
            self._income, self._income_until = battery.income(now)
            self.on_change()
        elif not self.empty and net < 0 and self._at(battery.cutoff * battery.capacity, slack):
            self.empty = True
            self.on_power(False)
        elif self.empty and net > 0 and self._at(battery.restart * battery.capacity, slack):
            self.empty = False
            self.on_power(True)
        elif net > 0 and self._level < battery.capacity and self._at(battery.capacity, slack):
            self.charged += battery.capacity - self._level
            self._level = battery.capacity
            self.on_change()
        self._arm()

    def _at(self, target: float, slack: float) -> bool:
        """Return whether the level is at a target, within the precision of level and clock."""
        # The net power leads towards the target: a level beyond it has reached it.
        net = self._income - self._watts
        gap = (target - self._level) * (1.0 if net > 0 else -1.0)
        return gap <= slack or self.env.now + gap / abs(net) <= self.env.now
