"""Supply: a battery while a run lasts. Its level is integrated exactly, its crossings are events.

Between two changes of power the level is linear, so the moment at which it reaches the cut-off,
the restart level or the capacity is known in closed form; a timer is set for the next of them.
"""

from collections.abc import Callable

import simpy

from wfl_sim.device_models.battery import Battery

_ROUNDING = 1e-12


class BatteryState:
    """The level of one battery, and who is told when the device dies and comes back."""

    def __init__(
        self,
        env: simpy.Environment,
        battery: Battery,
        *,
        switched: Callable[[bool], None],
        noted: Callable[[], None],
    ) -> None:
        """Start at the initial level with nothing drawn.

        Args:
            env: the clock.
            battery: what it is.
            switched: is told False when the device dies and True when it comes back.
            noted: is told when the level bends by itself: when it is full, or the income changes.
        """
        self.battery = battery
        self.empty = False
        self.charged = 0.0
        """J that came in and were kept"""
        self.spilled = 0.0
        """J that came in when it was full"""
        self._env = env
        self._switched = switched
        self._noted = noted
        self._level = battery.initial * battery.capacity
        self._drawn = 0.0
        self._watts = 0.0
        self._since = env.now
        self._income, self._income_until = battery.income(env.now)
        self._due = float("inf")
        self._timer = 0
        self._arm()

    def __repr__(self) -> str:
        return f"Supply({self._level:.6g} of {self.battery.capacity:.6g} J, {self._watts:.6g} W)"

    @property
    def level(self) -> float:
        """J left at this moment."""
        self._settle()
        return self._level

    @property
    def left(self) -> float:
        """J left above the cut-off at this moment."""
        return self.level - self.battery.cutoff * self.battery.capacity

    @property
    def drawn(self) -> float:
        """J that the device has taken until this moment."""
        self._settle()
        return self._drawn

    def set_draw(self, watts: float) -> None:
        """Let the device draw so many W from now on."""
        self._settle()
        self._watts = watts
        self._arm()

    def take(self, joules: float) -> None:
        """Let the device take so many J at once."""
        self._settle()
        self._level -= joules
        self._drawn += joules
        self._arm()

    def _settle(self) -> None:
        """Bring the level to this moment; the income has been constant since the last time."""
        elapsed = self._env.now - self._since
        if not elapsed:
            return
        income, taken = self._income * elapsed, self._watts * elapsed
        room = self.battery.capacity - self._level
        spilled = max(income - taken - room, 0.0)
        self._level += income - taken - spilled
        self.charged += income - spilled
        self.spilled += spilled
        self._drawn += taken
        self._since = self._env.now

    def _next(self) -> float:
        """Return the time of the next change that comes by itself."""
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
        return min(self._env.now + max((target - self._level) / net, 0.0), self._income_until)

    def _arm(self) -> None:
        """Set a timer where the next change comes before the one that a timer is set for.

        A timer that rings too early looks again, so changes that move away need none.
        """
        due = self._next()
        if due < self._due:
            self._due = due
            self._timer += 1
            timer = self._timer
            self._env.timeout(due - self._env.now).callbacks.append(lambda _: self._ring(timer))

    def _ring(self, timer: int) -> None:
        if timer != self._timer:
            return
        self._due = float("inf")
        self._settle()
        battery, now = self.battery, self._env.now
        slack = _ROUNDING * battery.capacity
        net = self._income - self._watts
        if now >= self._income_until:
            self._income, self._income_until = battery.income(now)
            self._noted()
        elif not self.empty and net < 0 and self._at(battery.cutoff * battery.capacity, slack):
            self.empty = True
            self._switched(False)
        elif self.empty and net > 0 and self._at(battery.restart * battery.capacity, slack):
            self.empty = False
            self._switched(True)
        elif net > 0 and self._level < battery.capacity and self._at(battery.capacity, slack):
            self.charged += battery.capacity - self._level
            self._level = battery.capacity
            self._noted()
        self._arm()

    def _at(self, target: float, slack: float) -> bool:
        """Whether the level is at a target as nearly as level and clock can tell."""
        # The net power points at the target: what is beyond it has been reached.
        net = self._income - self._watts
        gap = (target - self._level) * (1.0 if net > 0 else -1.0)
        return gap <= slack or self._env.now + gap / abs(net) <= self._env.now
