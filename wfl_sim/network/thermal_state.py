"""Heat: a board's temperature while a run lasts, exact between changes of power."""

import simpy

from wfl_sim.device_models.thermal import ThermalModel


class ThermalState:
    """The temperature of one board, and whether it throttles."""

    def __init__(self, env: simpy.Environment, thermal: ThermalModel) -> None:
        """Start at the temperature of the surroundings with nothing drawn."""
        self.thermal = thermal
        self.throttled = False
        self._env = env
        self._temperature = thermal.ambient
        self._watts = 0.0
        self._since = env.now

    def __repr__(self) -> str:
        state = ", throttled" if self.throttled else ""
        return f"Heat({self._temperature:.6g} K, {self._watts:.6g} W{state})"

    @property
    def temperature(self) -> float:
        """K at this moment."""
        self._settle()
        return self._temperature

    def set_power(self, watts: float) -> None:
        """Let the board turn so many W into heat from now on."""
        self._settle()
        self._watts = watts

    def look(self) -> None:
        """Begin or end to throttle where the temperature asks for it."""
        temperature = self.temperature
        if temperature >= self.thermal.throttle:
            self.throttled = True
        elif temperature <= self.thermal.resume:
            self.throttled = False

    def turn(self) -> None:
        """Begin or end to throttle: the crossing that `next_turn` told has come."""
        self.throttled = not self.throttled

    def next_turn(self) -> float:
        """Return the s until throttling begins or ends if the power stays; inf if it never does."""
        thermal = self.thermal
        target = thermal.resume if self.throttled else thermal.throttle
        start = self.temperature
        # At the border already: the rounding of an exponential must not hide the next turn.
        if (start <= target) if self.throttled else (start >= target):
            return 0.0
        return thermal.reaches(start, self._watts, target)

    def _settle(self) -> None:
        elapsed = self._env.now - self._since
        if elapsed:
            self._temperature = self.thermal.after(self._temperature, self._watts, elapsed)
            self._since = self._env.now
