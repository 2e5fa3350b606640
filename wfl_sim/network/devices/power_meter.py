"""Power meter: the power of a device, which its ledger entry, battery and temperature follow."""

from collections.abc import Callable

import simpy

from wfl_sim.device_models.battery import Battery
from wfl_sim.device_models.energy import Component
from wfl_sim.device_models.thermal import ThermalModel
from wfl_sim.network.context import RunContext
from wfl_sim.network.devices.battery_state import BatteryState
from wfl_sim.records import Quantity


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


class PowerMeter:
    """Books the energy of one device; its battery and its temperature follow the same power.

    Args:
        context: of the run.
        index: the device's number.
        battery: None for mains power.
        thermal: None for a board whose temperature is not modelled.
        idle: power in W before the run, which the temperature at its beginning follows.
        on_power: called with False when the battery is empty, and with True when the device can
            start again.
    """

    def __init__(
        self,
        context: RunContext,
        index: int,
        battery: Battery | None,
        thermal: ThermalModel | None,
        on_power: Callable[[bool], None],
        idle: float = 0.0,
    ) -> None:
        self._context = context
        self._index = index
        self._noted: dict[Quantity, tuple[float, float]] = {}
        self.thermal_state = (
            ThermalState(context.env, thermal, idle) if thermal is not None else None
        )
        self.battery_state = (
            BatteryState(context.env, battery, on_power=on_power, on_change=self.note)
            if battery is not None
            else None
        )
        self.note()

    def __repr__(self) -> str:
        return f"PowerMeter({self._index}, {self.battery_state or 'mains'})"

    @property
    def tracks_power(self) -> bool:
        """Whether power must be known at every moment, not only its integral at the end."""
        return self.battery_state is not None or self.thermal_state is not None

    def draw(self, component: Component, watts: float) -> None:
        """Set the power of a component from now on."""
        ledger = self._context.ledger
        ledger.set_power(self._index, component, watts, self._context.env.now)
        if not self.tracks_power:
            return
        total = ledger.power(self._index)
        if self.battery_state is not None:
            self.battery_state.set_draw(total)
        if self.thermal_state is not None:
            self.thermal_state.set_power(total)

    def book(self, component: Component, joules: float) -> None:
        """Add energy that was integrated elsewhere, or that is drawn in an instant.

        Its heat is neglected.
        """
        if self.battery_state is not None:
            self.battery_state.take(joules)
        self._context.ledger.add(self._index, component, joules, self._context.env.now)

    def joules(self) -> float:
        """Return the energy drawn until now in J."""
        return self._context.ledger.total(self._index, self._context.env.now)

    def note(self, frequency: float | None = None) -> None:
        """Append rows of battery and temperature, and of a frequency that can vary.

        Args:
            frequency: as a share of the maximum, if one begins to hold.
        """
        if self.battery_state is not None:
            self._note("battery", self.battery_state.level)
        if self.thermal_state is not None:
            self._note("temperature", self.thermal_state.temperature)
        if frequency is not None and (self.thermal_state is not None or frequency != 1.0):
            self._note("frequency", frequency)

    def _note(self, quantity: Quantity, value: float) -> None:
        row = self._context.env.now, value
        if self._noted.get(quantity) != row:
            self._noted[quantity] = row
            self._context.note_level(f"device-{self._index}", quantity, value)
