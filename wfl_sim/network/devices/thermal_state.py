"""Thermal state: the temperature of a board, exact between changes of power."""

import simpy

from wfl_sim.device_models.thermal import ThermalModel


class ThermalState:
    """The temperature of one board, and whether it throttles.

    It starts at the temperature that its idle power holds.
    """

    def __init__(self, env: simpy.Environment, thermal: ThermalModel, idle: float = 0.0) -> None:
        self.thermal = thermal
        self.throttled = False
        self._env = env
        self._temperature = thermal.limit(idle)
        self._watts = idle
        self._since = env.now

    def __repr__(self) -> str:
        state = ", throttled" if self.throttled else ""
        return f"ThermalState({self._temperature:.6g} K, {self._watts:.6g} W{state})"

    @property
    def temperature(self) -> float:
        """Present temperature in K."""
        self._settle()
        return self._temperature

    def set_power(self, watts: float) -> None:
        """Set the power in W that heats the board from now on."""
        self._settle()
        self._watts = watts

    def update(self) -> None:
        """Begin or end to throttle according to the present temperature."""
        temperature = self.temperature
        if temperature >= self.thermal.throttle:
            self.throttled = True
        elif temperature <= self.thermal.resume:
            self.throttled = False

    def toggle(self) -> None:
        """Begin or end to throttle, at the moment that `next_toggle` has returned."""
        self.throttled = not self.throttled

    def next_toggle(self) -> float:
        """Return the seconds until throttling begins or ends at constant power; inf for never."""
        thermal = self.thermal
        target = thermal.resume if self.throttled else thermal.throttle
        start = self.temperature
        # At the threshold already: the rounding of an exponential must not hide the next toggle.
        if (start <= target) if self.throttled else (start >= target):
            return 0.0
        return thermal.reaches(start, self._watts, target)

    def _settle(self) -> None:
        elapsed = self._env.now - self._since
        if elapsed:
            self._temperature = self.thermal.after(self._temperature, self._watts, elapsed)
            self._since = self._env.now
